"""StepGame (Shi et al. 2022): where one agent stands, seen from another, after a chain of k relations.

Its files have bAbI's text format, with one question a story and one of nine answers: `left`, `right`, `above`, `below`,
`upper-left`, `upper-right`, `lower-left`, `lower-right`, `overlap`. In `clean` a story is the chain alone, in `noise`
there are other relations beside it. The paper trains on `clean` with k from 1 to 5 and tests on `noise` with k from 1
to 10.

Agents are single capital letters, and models read words in lower case: to them the agent A and the article of "at a 45
degree angle" are one word. Both are in a tenth of the training stories of five relations, and in two thirds of the test
stories of ten.

Reference: Shi, Zhang, Lipani, "StepGame: A New Benchmark for Robust Multi-Hop Spatial Reasoning in Texts", AAAI 2022,
arXiv:2204.08292. The templates of the sentences were corrected in March 2024; of older test files about a tenth of the
answers is wrong.
"""

import dataclasses
import functools
import logging
import pathlib
import re

from dmn_keras.datasets.babi.parser import parse
from dmn_keras.datasets.checks import check_data_dir, check_split, missing_files
from dmn_keras.datasets.example import Example
from dmn_keras.errors import unknown_name
from dmn_keras.utils.archives import tar_files

CONFIGS = ("clean", "noise")
TASKS = tuple(str(k) for k in range(1, 11))
DEFAULT_CONFIG = {"train": "clean", "valid": "clean", "test": "noise"}
"""The paper's protocol: split -> config."""

_FILE = re.compile(r"qa([0-9]+)_(train|valid|test)\.txt")
_EXPECTED = "the archive stepgame.tar.xz, or a folder that holds it or the folders clean and noise"
_log = logging.getLogger(__name__)


def load(
    split: str,
    *,
    config: str | None = None,
    data_dir: str | pathlib.Path | None = None,
    seed: int = 0,
    num_examples: int | None = None,
) -> list[Example]:
    """Read the questions of a split.

    The files name the first sentence as the supporting fact of every question, whatever it is about. The examples
    therefore have no supporting facts; a warning in the log says it once.

    Args:
        split: `"train"`, `"valid"` or `"test"`.
        config: `"clean"` or `"noise"`, and which k, as `"noise"`, `"k=6-10"` or `"clean,k=3"`. Defaults to the paper's
            protocol (`DEFAULT_CONFIG`) and all k that have a file.
        data_dir: Path of an archive (`.tar.xz` or `.tar.gz`) that has folders `clean` and `noise`, of a folder that
            holds one, of the folder that holds `clean` and `noise`, or of its parent. An archive is read without
            unpacking it.
        seed: Not used; the files are what they are.
        num_examples: Number of questions of each k, the first ones; `None` for all.

    Returns:
        A list of `Example`, by ascending k, in each the file's order; `task` is k. Empty where there is no file of the
        split `"valid"` or `"test"`.

    Raises:
        FileNotFoundError: If `data_dir`, or a file of the split `"train"`, is not there.
        ValueError: If an argument is out of range, the archive is damaged, or a file is malformed.

    Example:

    >>> from dmn_keras.datasets import stepgame
    >>> # The next lines need the archive of the data set.
    >>> examples = stepgame.load("test", config="noise,k=10", data_dir="stepgame.tar.xz")  # doctest: +SKIP
    >>> examples[0].question, examples[0].answer, examples[0].task  # doctest: +SKIP
    ('What is the relation of the agent V to the agent K?', ('right',), '10')
    """
    check_split(split, num_examples)
    folder, ks = parse_config(config)
    folder = folder or DEFAULT_CONFIG[split]
    files = _files(data_dir, folder, split)
    chosen = sorted(files.keys() & set(ks))
    if not chosen and split == "train":
        others = ", ".join(map(str, sorted(files))) or "none"
        raise FileNotFoundError(
            f"data_dir {str(data_dir)!r} has no {folder}/qa{ks[0]}_train.txt; it has training files of k: {others}. "
            f"{f'Expected {_EXPECTED}' if others == 'none' else 'Name these alone as the tasks'}."
        )
    examples = []
    for k in chosen:
        source, content = files[k]
        examples += parse(content.split(b"\n"), source=source, task=str(k))[:num_examples]
    if any(example.supporting_facts for example in examples):
        _warn_of_supporting_facts()
    return [dataclasses.replace(example, supporting_facts=()) for example in examples]


def parse_config(config: str | None) -> tuple[str | None, range]:
    """Return the folder, `"clean"`, `"noise"` or `None`, and the range of k that a config names.

    Args:
        config: As in `load`.

    Raises:
        ValueError: If a part of it is neither.
    """
    folder, named, ks = None, None, range(1, len(TASKS) + 1)
    for part in config.split(",") if config else ():
        part = part.strip()
        bounds = re.fullmatch(r"k\s*=\s*([0-9]{1,3})(?:\s*-\s*([0-9]{1,3}))?", part)
        if bounds is None and part not in CONFIGS:
            raise ValueError(unknown_name("config", part, (*CONFIGS, "k=1", "k=1-10")))
        if (folder if bounds is None else named) is not None:
            raise ValueError(f"config: each part may be given once. Received: {config!r}")
        if bounds is None:
            folder = part
        else:
            named = part
            ks = range(int(bounds[1]), int(bounds[2] or bounds[1]) + 1)
            if not ks or str(ks[0]) not in TASKS or str(ks[-1]) not in TASKS:
                raise ValueError(f"config: k must be a number from 1 to 10 or a range such as 1-5. Received: {part!r}")
    return folder, ks


@functools.cache  # once a process
def _warn_of_supporting_facts():
    _log.warning("StepGame's files name the same supporting fact for every question: it is ignored.")


def _files(data_dir, folder, split):
    """Return `{k: (path, bytes)}` of the files of one folder and split."""
    path = check_data_dir(data_dir, _EXPECTED)
    for root in (path, path / "stepgame"):
        if any((root / name).is_dir() for name in CONFIGS):
            found = sorted((root / folder).glob("*.txt"))
            return {k: (str(file), file.read_bytes()) for file in found if (k := _k_of(file.name, split))}
    archives = [path] if path.is_file() else [*path.glob("*.tar.xz"), *path.glob("*.tar.gz")]
    if len(archives) != 1:
        raise missing_files(path, _EXPECTED)
    files = tar_files(archives[0], lambda place: place.parent.name == folder and bool(_k_of(place.name, split)))
    return {_k_of(place.name, split): (f"{archives[0]}/{place}", content) for place, content in files}


def _k_of(name, split):
    """Return the k of a file of the split, `None` for any other file."""
    match = _FILE.fullmatch(name)
    return int(match[1]) if match and match[2] == split else None
