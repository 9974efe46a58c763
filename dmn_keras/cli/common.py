"""What commands share: options, printing, and the data that arguments name."""

import argparse
import contextlib
import json
import logging
import os
import pathlib
import sys
import warnings
from typing import Any

from dmn_keras.errors import check_file, printable, unknown_name
from dmn_keras.tasks.pretrained import PRETRAINED

COMMAND = "dmn-keras"


def print_text(text: object = "", file=None) -> None:
    """Print a text; all that a command prints goes through here, so that no text of others controls the terminal."""
    print(printable(text), file=file, flush=True)


def print_json(content: Any, indent: int | None = None) -> None:
    """Print JSON.

    Raises:
        ValueError: If it holds a number that is not finite.
    """
    try:
        print_text(json.dumps(content, indent=indent, allow_nan=False))
    except ValueError as error:
        raise ValueError("The result holds a number that is not finite: the model is damaged.") from error


def print_error(options: argparse.Namespace, error: BaseException) -> None:
    """Print an error in a line."""
    message = str(error)
    if isinstance(error, OSError) and error.strerror:  # in place of [Errno 13] Permission denied: 'file'
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    print_text(f"{COMMAND} {options.command}: error: {message}", sys.stderr)


def beside_json(options: argparse.Namespace):
    """Return where notes go: to the standard error where the standard output is to hold JSON alone."""
    return sys.stderr if getattr(options, "json", None) else sys.stdout


@contextlib.contextmanager
def messages(file):
    """Context: prints to `file` what the library logs, and its warnings, a line each, to the standard error."""
    logger, handler = logging.getLogger("dmn_keras"), logging.StreamHandler(file)
    handler.format = lambda record: printable(record.getMessage())
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print_text(f"warning: {message}", sys.stderr)
            yield
    finally:
        logger.removeHandler(handler)


def check_files(options: argparse.Namespace) -> None:
    """Check the files that arguments name, before anything is computed."""
    for name in ("story", "authority", "certificate", "key"):
        path = getattr(options, name, None)
        if path is not None and (name, path) != ("story", "-"):
            check_file(f"--{name.replace('_', '-')}", path)
    for name in ("json", "plot", "errors"):
        path = getattr(options, name, None)
        if isinstance(path, str) and os.path.isdir(path):
            raise IsADirectoryError(f"--{name} {path} is a folder: expected the name of a file to write.")
    if getattr(options, "plot", None):
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("--plot needs Matplotlib: pip install 'dmn_keras[plot]'.") from error

        formats = Figure().canvas.get_supported_filetypes()
        suffix = pathlib.Path(options.plot).suffix
        if suffix[1:].lower() not in formats:
            raise ValueError(unknown_name("--plot: the suffix", suffix, [f".{name}" for name in formats]))


RUN = f"folder that train wrote, or a pretrained model: {', '.join(PRETRAINED)}"
UNKNOWN = 'confidence below which the answer is "I do not know"'
_SHARED: dict[str, dict[str, Any]] = {
    "--batch-size": {"type": int, "default": 100, "metavar": "N", "help": "examples answered at a time"},
    "--beam-width": {"type": int, "default": 1, "metavar": "N", "help": "search width for answers of several words"},
    "--config": {"help": "e.g. en-10k (babi), en-10k,tokens=1000,books=FOLDER (babi_long), num_facts=10 (stories)"},
    "--data-dir": {"metavar": "DIR", "help": "archive, folder or file of the data"},
    "--dataset": {"metavar": "NAME", "help": "e.g. babi, stories (generated), jsonl, sst; `--dataset help` lists all"},
    "--devices": {"metavar": "LIST", "help": "only these devices, by number or name: 0,1 or gpu:0,gpu:1"},
    "--strategy": {"metavar": "NAME", "default": "auto", "help": "auto, one, mirrored, multi_worker or tpu"},
    "--tasks": {"help": "names, numbers and ranges: 1, 1-20, counting,lists"},
    "--verbose": {"type": int, "default": 1, "choices": (0, 1, 2), "help": "Keras' verbosity"},
    "--wrapped": {"action": "store_true", "help": "lines of a paragraph are broken to fit a page, as in books"},
}
"""Options of several commands."""


def add(parser: argparse.ArgumentParser, *names: str, **changes: Any) -> None:
    """Add options of `_SHARED` to a command."""
    for name in names:
        parser.add_argument(name, **{**_SHARED[name], **changes})


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the options that name questions; what they leave open is that of the run's training."""
    for name in ("--dataset", "--data-dir", "--config", "--tasks"):
        add(parser, name, help=f"{_SHARED[name]['help']} (default: as in the run's training)")


def add_server(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a server."""
    parser.add_argument("--server", metavar="URL", help="ask a server in place of a run: http, https, grpc or grpcs")
    parser.add_argument("--model", help="name of the model on the server (default: babi-joint)")
    parser.add_argument("--label", help="label of the model's version on the server, e.g. canary")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds to wait for the server (default: 10)")
    for name, what in (("authority", "certificates to trust"), ("certificate", "own certificate"), ("key", "its key")):
        parser.add_argument(f"--{name}", metavar="FILE", help=f"{what} for https and grpcs, PEM")


def given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the arguments of these names that were given, by name."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def refuse(options: argparse.Namespace, names, reason: str) -> None:
    """Raise an error that ends with the reason if one of the arguments was given, which would have no effect."""
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) not in (None, False)]
    if given:
        raise ValueError(f"Leave out {', '.join(given)}: {reason}.")


OF_SERVER = ("model", "label", "timeout", "authority", "certificate", "key")


def client(options: argparse.Namespace):
    """Return the client of the server that the arguments name."""
    from dmn_keras.serving import Client, Tls

    if options.folder:
        raise ValueError(f"--server and a run exclude each other. Received the run {options.folder}.")
    files = {name: getattr(options, name) for name in ("authority", "certificate", "key")}
    tls = Tls(**files) if any(files.values()) else None
    return Client(options.server, **given(options, "model", "label", "timeout"), tls=tls)


def refuse_file(folder: pathlib.Path) -> None:
    """Raise if a folder, or one that it is to lie in, is a file."""
    for path in (folder, *folder.parents):
        if path.is_file():
            raise NotADirectoryError(f"--output {path} is a file; expected a folder.")


def source_of(options: argparse.Namespace, trained_on=None):
    """Return the `Source` that the arguments name; what they leave open is that of the run's training."""
    from dmn_keras import datasets

    dataset, data_dir, config, tasks = options.dataset, options.data_dir, options.config, None
    if trained_on is not None and dataset in (None, trained_on.dataset):
        dataset, tasks = trained_on.dataset, trained_on.tasks
        config = _config_of(options, trained_on)
        if data_dir is None and trained_on.data_dir is not None:
            data_dir = trained_on.data_dir
            if not os.path.exists(data_dir):
                raise FileNotFoundError(f"The run was trained on {data_dir}, which does not exist: add --data-dir DIR.")
    names = datasets.task_names(dataset, data_dir)
    if options.tasks is not None:
        tasks = datasets.parse_tasks(options.tasks, names)
    return datasets.Source(dataset, names if tasks is None else tasks, data_dir, config)


def _config_of(options, trained_on):
    """Return the config that was named, or that of the training, which a sequence task means by its name."""
    from dmn_keras.datasets import DATASETS
    from dmn_keras.datasets.example import SequenceTransductionExample

    named, known = options.config, trained_on.config
    is_sequence = DATASETS[trained_on.dataset].example_class is SequenceTransductionExample
    if named and known and named != known and is_sequence and named == known.partition(",")[0]:
        print_text(f"config {named!r}: with the sizes of the training, {known}", beside_json(options))
        return known
    return named or known


def sentences(options: argparse.Namespace):
    """Return the sentences of the story that the arguments name, one after the other."""
    from dmn_keras.text import read_sentences

    source = sys.stdin.buffer if options.story == "-" else options.story
    return (sentence.text for sentence in read_sentences(source, wrapped=options.wrapped))
