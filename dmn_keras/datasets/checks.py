"""Checks of the arguments that every data set's `load` takes."""

import numbers
import os
import pathlib

from dmn_keras.errors import did_you_mean, listing, unknown_name

SPLITS = ("train", "valid", "test")


def check_name(argument: str, value: object, expected) -> None:
    """Raise a `ValueError` that suggests the nearest name unless `value` is one of `expected`."""
    if value not in expected:
        raise ValueError(unknown_name(argument, value, expected))


def check_split(split: str, num_examples: int | None, seed: int = 0) -> None:
    """Check which part of a data set is loaded, and how much of it.

    Raises:
        ValueError: If `split` is none of `SPLITS`, `num_examples` is neither None nor a positive integer, or `seed` is
            no integer from 0.
    """
    check_name("split", split, SPLITS)
    if num_examples is not None and (not isinstance(num_examples, numbers.Integral) or num_examples < 1):
        raise ValueError(f"num_examples must be a positive integer or None. Received: num_examples={num_examples}.")
    if not isinstance(seed, numbers.Integral) or seed < 0:
        raise ValueError(f"seed must be a non-negative integer. Received: seed={seed!r}.")


def check_data_dir(data_dir: str | os.PathLike | None, expected: str) -> pathlib.Path:
    """Return `data_dir` as a path that exists.

    Args:
        data_dir: What came.
        expected: What it must be, e.g. `"a folder with train.txt"`.

    Raises:
        FileNotFoundError: If there is nothing; the message suggests the nearest name beside it.
        ValueError: If it is None.
    """
    if data_dir is None:
        raise ValueError(f"data_dir must be {expected}. Received: data_dir=None.")
    path = pathlib.Path(data_dir).expanduser()
    if not path.exists():
        siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, sorted(siblings))
        raise FileNotFoundError(f"data_dir {str(path)!r} does not exist. Expected {expected}.{hint}")
    return path


def missing_files(data_dir: pathlib.Path, expected: str) -> FileNotFoundError:
    """Return the error for a `data_dir` without the expected files; the message names those that it holds."""
    found = f"It holds: {listing(data_dir)}." if data_dir.is_dir() else "It is a file."
    return FileNotFoundError(f"data_dir {str(data_dir)!r}: expected {expected}. {found}")
