"""What the generated data sets of sequences share: tasks by name, their configs, random streams and sizes."""

import inspect
import numbers
import os
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np

from dmn_keras.datasets.checks import SPLITS, check_name
from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.errors import did_you_mean

NUM_EXAMPLES = {"train": 5000, "valid": 500, "test": 1000}
Size = int | tuple[int, int]
DataDir = str | os.PathLike | None


@dataclass(frozen=True)
class SequenceTask:
    """A task whose examples are generated.

    Attributes:
        build: Function of an `np.random.Generator` and keyword-only settings, which returns a
            `SequenceTransductionExample`.
        alphabet: The symbols of the inputs, one input column each in this order; empty where inputs are bits.
        outputs: The symbols of the targets, one class each in this order; empty where targets are bits.
    """

    build: Callable[..., SequenceTransductionExample]
    alphabet: str = ""
    outputs: str = ""

    @property
    def settings(self) -> dict[str, object]:
        """Names of the settings of `build` with their defaults."""
        parameters = inspect.signature(self.build).parameters.values()
        return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


def parse_config(config: str | None, tasks: Mapping[str, SequenceTask]) -> tuple[str, dict[str, object]]:
    """Return the task and the settings that a config such as `"copy,length=10-20"` names.

    Args:
        config: Name of a task, then any number of `name=value`, separated by commas. A value is an integer, a range of
            integers with both ends included, or text. None for the first of `tasks`.
        tasks: The tasks by name.

    Returns:
        The name of the task, and its settings as keyword arguments of `build`.

    Raises:
        ValueError: If the task or a setting is unknown, a setting has no value or comes twice.
    """
    name, _, rest = (next(iter(tasks)) if config is None else str(config)).partition(",")
    name = name.strip()
    check_name("config", name, tasks)
    settings = {}
    for part in re.split(r",(?=\s*\w+\s*=)", rest) if rest else ():
        setting, _, value = (piece.strip() for piece in part.partition("="))
        check_name(f"config: setting of {name}", setting, tasks[name].settings)
        if not value or setting in settings:
            raise ValueError(f"config: {setting} must have one value, {setting}=VALUE. Received: {config!r}.")
        settings[setting] = _parse_value(value)
    return name, settings


@dataclass(frozen=True)
class SequenceDataset:
    """A data set of generated sequences.

    Attributes:
        tasks: The tasks by name.
        resolve: Function of the settings of a config and `data_dir`, which returns arguments of a task's `build`.
    """

    tasks: Mapping[str, SequenceTask]
    resolve: Callable[[dict[str, object], DataDir], dict[str, object]] = lambda settings, data_dir: settings

    def load(
        self,
        split: str,
        *,
        config: str | None = None,
        data_dir: DataDir = None,
        seed: int = 0,
        num_examples: int | None = None,
    ) -> list[SequenceTransductionExample]:
        """Generate the examples of a split.

        Each task and split has its own random stream: fewer examples are the first ones of more. Short sequences are
        few, so that an example of one split may also be in another.

        Args:
            split: `"train"`, `"valid"` or `"test"`.
            config: Name of a task and settings to change, e.g. `"TASK,length=10-20"`; the settings are the keyword
                arguments of the task's function. None for the first task.
            data_dir: Folder of the files that a setting needs; not used otherwise.
            seed: Non-negative integer. The same arguments give the same examples in every process.
            num_examples: Positive integer; None for `sequences.NUM_EXAMPLES[split]`.

        Returns:
            A list of `num_examples` examples.

        Raises:
            FileNotFoundError: If a file that a setting needs is not there.
            ValueError: If a name is unknown, a number is no integer or out of range, or there is no example with these
                settings, such as a path of this length.
        """
        check_name("split", split, SPLITS)
        check_size("seed", seed, least=0)
        count = NUM_EXAMPLES[split] if num_examples is None else check_size("num_examples", num_examples)
        name, settings = parse_config(config, self.tasks)
        settings = self.resolve(settings, data_dir)
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), SPLITS.index(split)])
        return [self.tasks[name].build(rng, **settings) for _ in range(count)]


def check_size(argument: str, value: object, *, least: int = 1, where: str = "") -> int:
    """Return `value` as an `int`.

    Raises:
        ValueError: If it is no integer or below `least`; the message has `where` behind that.
    """
    if not _is_integer(value) or value < least:
        raise ValueError(f"{argument} must be an integer of at least {least}{where}. Received: {argument}={value!r}.")
    return int(value)


def size_bounds(argument: str, value: Size, *, least: int = 1, where: str = "") -> tuple[int, int]:
    """Return the least and the greatest size of a range.

    Args:
        argument: Name of the size, for the message.
        value: An integer, or a pair `(least, most)`, both included.
        least: Least value that is allowed.
        where: As for `check_size`.

    Raises:
        ValueError: If `value` is neither, runs backwards or lies below `least`.
    """
    bounds = value if isinstance(value, (tuple, list)) else (value, value)
    if len(bounds) != 2 or not all(map(_is_integer, bounds)):
        raise ValueError(f"{argument} must be an integer or a pair of them. Received: {argument}={value!r}.")
    low, high = (check_size(argument, bound, least=least, where=where) for bound in bounds)
    if low > high:
        raise ValueError(f"{argument} must be a range that runs upwards. Received: {argument}={value!r}.")
    return low, high


def _is_integer(value: object) -> TypeGuard[numbers.Integral]:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def draw_size(rng: np.random.Generator, argument: str, value: Size, *, least: int = 1) -> int:
    """Return a size drawn uniformly from a range; arguments and errors as for `size_bounds`."""
    low, high = size_bounds(argument, value, least=least)
    return int(rng.integers(low, high + 1))


def random_bits(rng: np.random.Generator, length: int, width: int) -> np.ndarray:
    """Return a float32 array `(length, width)` of independent bits, 0 and 1 with equal chances."""
    return rng.integers(0, 2, (length, width)).astype("float32")


def symbol_ids(text: str, alphabet: str) -> np.ndarray:
    """Return the indexes of the symbols of a text in an alphabet as an int32 array `(symbols,)`.

    Raises:
        ValueError: If the text is empty or has a symbol outside the alphabet.
    """
    if not text:
        raise ValueError(f"text must have at least one symbol. Received: text={text!r}")
    for position, symbol in enumerate(text):
        if symbol not in alphabet:
            raise ValueError(
                f"text must consist of the symbols {alphabet!r}. Received: {symbol!r} at position {position}."
                f"{did_you_mean(symbol, alphabet)}"
            )
    return np.array([alphabet.index(symbol) for symbol in text], "int32")


def one_hot(ids: np.ndarray, size: int) -> np.ndarray:
    """Return a float32 array `(len(ids), size)`, 1 in the columns `ids`."""
    return np.eye(size, dtype="float32")[ids]


def _parse_value(text):
    if re.fullmatch("-?[0-9]{1,9}", text):
        return int(text)
    bounds = re.fullmatch("([0-9]{1,9})-([0-9]{1,9})", text)
    return (int(bounds[1]), int(bounds[2])) if bounds else text
