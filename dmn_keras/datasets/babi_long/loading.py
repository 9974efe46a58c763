"""The questions of a bAbI task, each about a story inserted into a background text."""

import dataclasses
import functools
import logging
import pathlib
import re
import time
import warnings
import zlib

import numpy as np

from dmn_keras.datasets import babi
from dmn_keras.datasets.babi_long.background import count_tokens, insert_into_background
from dmn_keras.datasets.babi_long.books import Books
from dmn_keras.datasets.babi_long.distractor_facts import DistractorFacts
from dmn_keras.datasets.checks import SPLITS
from dmn_keras.datasets.stories.rng import Random
from dmn_keras.errors import unknown_name

DEFAULT_TOKENS = "1000"
_PARTS = ("tokens=N", "books=FOLDER", "distractor_facts")
_SECONDS_BETWEEN_LOGS = 5
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Config:
    """Which stories are inserted, into which background text, and how long the result is.

    Attributes:
        babi: One of `dmn_keras.datasets.babi.CONFIGS`.
        tokens: The least and the greatest length, in tokens.
        books: Folder of the books, `None` for `DistractorFacts`.
    """

    babi: str
    tokens: tuple[int, int]
    books: str | None

    @classmethod
    def parse(cls, text):
        """Read a config such as `"en-10k,tokens=0-2000,books=FOLDER"`.

        Args:
            text: Parts separated by commas: bAbI's config, which comes first (`"en-10k"` where it is left out),
                `tokens=N` or a range of them (1000), and either `books=FOLDER` or `distractor_facts`.

        Returns:
            The `Config`.

        Raises:
            ValueError: If a part is unknown, twice there or malformed, or no background text is named.
        """
        parts = [part.strip() for part in (text or "").split(",")]
        first = parts[0] if parts[0] in babi.CONFIGS else None
        given = {}
        for part in parts[1 if first or not text else 0 :]:
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if (name, equals) not in (("tokens", "="), ("books", "="), ("distractor_facts", "")):
                raise ValueError(unknown_name("config: part", part, (*babi.CONFIGS, *_PARTS)))
            if name in given:
                raise ValueError(f"config: {name} must be given once. Received: {text!r}.")
            given[name] = value
        if ("books" in given) == ("distractor_facts" in given) or given.get("books") == "":
            raise ValueError(
                "config of dataset 'babi_long' must name one background text: books=FOLDER, a folder of .txt files, or "
                f"distractor_facts; e.g. 'en-10k,tokens=1000,books=FOLDER'. Received: {text!r}."
            )
        return cls(first or babi.DEFAULT_CONFIG, _range(given.get("tokens", DEFAULT_TOKENS)), given.get("books"))


def _range(text):
    bounds = re.fullmatch("([0-9]{1,9})(?:-([0-9]{1,9}))?", text)
    if bounds is None or int(bounds[1]) > int(bounds[2] or bounds[1]):
        raise ValueError(f"config: tokens must be a number or a rising range such as 0-2000. Received: {text!r}.")
    return int(bounds[1]), int(bounds[2] or bounds[1])


def load(examples, *, config, split, seed=0):
    """Insert the stories of bAbI questions into background texts.

    Each question's length, the part of the books and the places of the facts are drawn from the seed, the split, the
    question's task and its place in `examples` alone. A story that is longer than the length drawn stays as it is.

    Args:
        examples: List of `Example` of one task, as `dmn_keras.datasets.babi.load` gives them.
        config: The `Config`.
        split: `"train"`, `"valid"` or `"test"`. If the books' folder holds folders `train` and `test`, test stories are
            inserted into the books of `test`, all others into those of `train`; if it holds `.txt` files itself, all
            are inserted into the same books. `DistractorFacts` are other ones for each split.
        seed: Non-negative integer.

    Returns:
        A list of `Example`, `story` a `LongStory` where anything was added.

    Raises:
        FileNotFoundError: If there are no books.
        ValueError: If a book is malformed, or every story is longer than its length.

    Warns:
        UserWarning: If a story is longer than the length drawn for it, or the books shorter than a length.
    """
    background = _background(config.books, split, seed)
    number = SPLITS.index(split)
    hidden, bare, logged = [], 0, time.monotonic()
    for index, example in enumerate(examples):
        if time.monotonic() > logged + _SECONDS_BETWEEN_LOGS:
            _log.info("Task %s, %s part: %d of %d stories are made.", example.task, split, index, len(examples))
            logged = time.monotonic()
        rng = np.random.default_rng([seed, number, zlib.crc32(example.task.encode()), index])
        least, most = config.tokens
        num_tokens = least + Random(rng).randbelow(most - least + 1)
        fits = num_tokens >= count_tokens(example.story)
        bare += not fits and least > 0
        hidden.append(insert_into_background(example, background, num_tokens if fits else 0, rng))
    _warn(hidden, bare, config)
    return hidden


def _warn(hidden, bare, config):
    """Warn of what was asked for and cannot be: raise if that is so of all questions."""
    if bare and bare == len(hidden):
        raise ValueError(
            f"config: tokens must be more than the stories have, or 0 for the stories alone. Received: tokens="
            f"{config.tokens[1]}, and task {hidden[0].task} has no shorter story."
        )
    if bare:
        warnings.warn(
            f"{bare:,} of {len(hidden):,} stories of task {hidden[0].task} are longer than the tokens drawn for them "
            "and stay as they are.",
            stacklevel=3,
        )
    rounds = sum(getattr(example.story, "repeats", 0) > 0 for example in hidden)
    if rounds:
        warnings.warn(
            f"{config.books} is shorter than {rounds:,} of the {len(hidden):,} texts: there the books begin again.",
            stacklevel=3,
        )


def _background(folder, split, seed):
    if folder is None:
        return DistractorFacts((seed, SPLITS.index(split)))
    folder = pathlib.Path(folder).expanduser()
    if any((folder / name).is_dir() for name in ("train", "test")):
        folder = folder / ("test" if split == "test" else "train")
    files = sorted(folder.glob("*.txt"))
    return _books(folder, tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files))


@functools.lru_cache(maxsize=4)
def _books(folder, _version):
    """Return the books, read once for all tasks. `_version` makes a changed file a new one."""
    return Books(folder)
