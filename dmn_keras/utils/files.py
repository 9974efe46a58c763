"""Files that are written whole or not at all, and read with errors that name them."""

import contextlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

TEMPORARY_PREFIX = ".writing-"
"""How the name of a folder begins that `atomic` writes in; a killed process leaves one behind."""


@contextlib.contextmanager
def atomic(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Write a file under a temporary name that replaces `path` when the context ends without an error.

    Args:
        path: The file; folders above it are created.

    Yields:
        A path with the same name in a temporary folder beside it.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=path.parent))
    try:
        yield folder / path.name
        os.replace(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Write `content` as indented JSON, atomically.

    Raises:
        ValueError: If it holds a number that JSON does not have (NaN, infinity).
    """
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_json(path: str | os.PathLike) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or no regular file; the message names it.
    """
    check_regular_file(path)
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no JSON, nested too deeply, or no UTF-8
        raise ValueError(f"{path} is damaged: {error}. Nothing was changed.") from error


def check_regular_file(path: str | os.PathLike) -> None:
    """Raise unless `path` is a regular file: to open a pipe could wait for ever, a device may never end.

    Raises:
        FileNotFoundError: If there is nothing of that name.
        ValueError: If it is a folder, a pipe, a socket or a device.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist.")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe, a socket or a device"
        raise ValueError(f"{path} must be a regular file. It is {what}.")
