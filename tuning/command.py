"""What the commands of this folder share: exit statuses, messages, tables."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator


def run_command(name: str, run: Callable[[], int]) -> int:
    """Run a command and turn its mistakes into messages.

    Args:
        name: Name of the command.
        run: Function that returns the exit status.

    Returns:
        What `run` returns; 2 for a mistake in the arguments or files, 130 after Ctrl-C.
    """
    try:
        with _without_logs():
            import keras  # noqa: F401

            with contextlib.suppress(ImportError):
                import tensorflow  # noqa: F401 - keras-tuner and TensorBoard use it on every backend
        return run()
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        message = "".join(character if character.isprintable() else " " for character in str(error))
        print(f"{name}: error: {message}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted; the same command resumes it", file=sys.stderr)
        return 130


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """Discard what TensorFlow logs while it is imported; another `TF_CPP_MIN_LOG_LEVEL` than 3 shows it."""
    if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") != "3":
        yield
        return
    sys.stderr.flush()
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)  # the first lines come before TensorFlow reads its log level
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
