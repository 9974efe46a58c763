"""Command line: parses arguments, calls the library, prints; each command is a module of this package.

Exit status: 0, 1 where training diverged, 2 for a mistake in arguments or files, 130 after Ctrl-C.
"""

import argparse
import contextlib
import importlib
import os
import sys
import traceback

from dmn_keras._version import __version__
from dmn_keras.cli import (
    ask,
    calibrate,
    demo,
    evaluate,
    export,
    index,
    predict,
    reproduce,
    train,
    train_retriever,
)
from dmn_keras.cli.common import COMMAND, beside_json, check_files, messages, print_error, print_text
from dmn_keras.errors import printable
from dmn_keras.tasks.pretrained import PRETRAINED

_COMMANDS = {
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "ask": ask,
    "calibrate": calibrate,
    "train-retriever": train_retriever,
    "index": index,
    "reproduce": reproduce,
    "demo": demo,
    "export": export,
}
"""Modules by command: `HELP` says what it does, `add_arguments` takes its parser, `run` its options."""
_ALIASES = {"train-retriever": ["narrow"]}
OLD_NAMES = {"narrow": "train-retriever", "--narrow-to": "--max-retrieved-facts"}
"""Deprecated names of commands and options, and their successors."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: List of arguments, `sys.argv[1:]` by default.

    Returns:
        Exit status, as above.
    """
    # A terminal that cannot show a word of the data is no reason to fail.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    options = build_parser().parse_args(arguments)
    try:
        if getattr(options, "dataset", None) == "help":
            from dmn_keras.datasets.registry import DATASETS

            print_text("\n".join(DATASETS))
            return 0
        if "help" in getattr(options, "set", ()):
            options.set = [setting for setting in options.set if setting != "help"]
            _import_keras()
            print_text(train.config_of(options).describe())
            return 0
        _warn_of_old_names(sys.argv[1:] if arguments is None else arguments)
        check_files(options)
        _import_keras()
        with messages(beside_json(options)):
            return options.run(options)
    except BrokenPipeError:  # the program behind a pipe, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError, RuntimeError, MemoryError) as error:
        if options.debug:
            traceback.print_exc()
        print_error(options, error)
        return 2
    except KeyboardInterrupt:
        print_text(f"{COMMAND} {options.command}: interrupted", sys.stderr)
        return 130


def _warn_of_old_names(arguments):
    for old, new in OLD_NAMES.items():
        if any(argument.partition("=")[0] == old for argument in arguments):
            print_text(f"warning: {old} is now {new}; the old name will be removed in dmn_keras 0.3", sys.stderr)


def _import_keras():
    """Import Keras and its backend without the lines that TensorFlow logs before it looks at TF_CPP_MIN_LOG_LEVEL."""
    hidden = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3" and sys.stderr is not None
    try:
        with _no_standard_error() if hidden else contextlib.nullcontext():
            importlib.import_module("keras")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tensorflow":
            raise
        raise ImportError(
            "TensorFlow, Keras' default backend, is not installed. Install it (pip install tensorflow) or choose "
            "another backend that is, e.g. KERAS_BACKEND=jax."
        ) from error


@contextlib.contextmanager
def _no_standard_error():
    """Context: what the process, its C++ libraries included, writes to the standard error is lost."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class _ArgumentParser(argparse.ArgumentParser):
    def add_argument(self, *names, **options):
        if options.get("default") and "action" not in options:
            options["help"] += " (default: %(default)s)"
        return super().add_argument(*names, **options)

    def error(self, message):
        super().error(printable(message))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _ArgumentParser(
        prog=COMMAND,
        description="Memory networks for Keras 3: train a model, measure it, ask it, serve it.",
        epilog=f"Pretrained models, wherever a RUN is expected: {', '.join(PRETRAINED)}. Exit status: 0; "
        "1 where training diverged; 2 for a mistake in arguments or files; 130 after Ctrl-C; 143 after SIGTERM. "
        "TF_CPP_MIN_LOG_LEVEL=0 shows what TensorFlow logs.",
    )
    parser.add_argument("--version", action="version", version=f"dmn_keras {__version__}")
    parser.add_argument("--debug", action="store_true", help="show where in the code an error arose")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in _COMMANDS.items():
        description = f"{module.HELP[0].upper()}{module.HELP[1:]}.{getattr(module, 'MORE', '')}"
        added = commands.add_parser(name, help=module.HELP, description=description, aliases=_ALIASES.get(name, []))
        module.add_arguments(added)
        added.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        added.set_defaults(run=module.run)
    return parser
