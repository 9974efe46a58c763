"""Treebanks in the CoNLL-U format of Universal Dependencies: sentences with a tag for each word.

Reference: Nivre, de Marneffe, Ginter, Hajič, Manning, Pyysalo, Schuster, Tyers, Zeman, "Universal Dependencies v2: An
Evergrowing Multilingual Treebank Collection", 2020, arXiv:2004.10643. Format: universaldependencies.org/format.html.
"""

import itertools
import os
import pathlib
import re
from collections.abc import Iterable, Iterator

from dmn_keras.datasets.checks import check_data_dir, check_name, check_split, missing_files
from dmn_keras.datasets.example import TokenTaggingExample
from dmn_keras.utils.lines import numbered_lines, shorten

COLUMNS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
CONFIGS = ("upos", "xpos", "feats", "deprel", "lemma")
"""The columns that can be the tags."""

_NAMES = {"train": "train", "valid": "dev", "test": "test"}
_FILE = re.compile(r"(.+)-ud-(train|dev|test)(?:-.+)?\.conllu")
_EXPECTED = "a folder of Universal Dependencies, with files *-ud-train.conllu and, optionally, -dev and -test"
_SKIPPED_ID = re.compile(r"[0-9]+-[0-9]+|[0-9]+\.[0-9]+")  # a multiword token, whose words follow, or an empty node


def load(
    split: str,
    *,
    config: str | None = None,
    data_dir: str | os.PathLike | None = None,
    seed: int = 0,
    num_examples: int | None = None,
) -> list[TokenTaggingExample]:
    """Read one split of a treebank.

    Args:
        split: `"train"`, `"valid"` (the files named `dev`) or `"test"`.
        config: The column of the tags, one of `CONFIGS`. None for `"upos"`, the universal parts of speech.
        data_dir: Folder of one treebank. The files of a split are named `*-ud-SPLIT.conllu`; those of a large one that
            is in several, `*-ud-SPLIT-*.conllu`, are read in the order of their names.
        seed: Not used.
        num_examples: Number of sentences, at most, from the beginning; None for all.

    Returns:
        A list of `TokenTaggingExample`. Empty where the split has no file, but for `"train"`.

    Raises:
        FileNotFoundError: If `data_dir` or the training file is missing.
        ValueError: If an argument is unknown, the folder has files of several treebanks, a line is malformed (file and
            line are named), or a file has no words or no tags.
    """
    check_split(split, num_examples)
    config = CONFIGS[0] if config is None else config
    check_name("config", config, CONFIGS)
    examples = []
    for path in _find(check_data_dir(data_dir, _EXPECTED), split):
        with path.open("rb") as lines:
            sentences = list(parse(lines, source=str(path), column=config))
        if not sentences:
            raise ValueError(f"{path}: expected at least one sentence, found none.")
        if config != "feats" and all(set(sentence.tags) == {"_"} for sentence in sentences):
            raise ValueError(f"{path}: config {config!r} names a column that is '_' for every word. Choose another.")
        examples += sentences
    return examples[:num_examples]


def parse(lines: Iterable[bytes | str], *, source: str, column: str = "upos") -> Iterator[TokenTaggingExample]:
    r"""Read sentences in the CoNLL-U format.

    The words are the syntactic ones: those of a multiword token ("don't") and not the token itself. Empty nodes and
    comments are skipped. The last sentence may lack the blank line at its end.

    Args:
        lines: The lines, such as a file opened in binary mode.
        source: Name of the file, for error messages.
        column: One of `CONFIGS`.

    Yields:
        A `TokenTaggingExample` for each sentence that has a word, tokens and tags as they stand in the file.

    Raises:
        ValueError: If a line has not ten columns, its id does not follow the one before, or its word or tag is empty.

    Example:

    >>> [sentence] = parse(["1\tGo\tgo\tVERB\t_\t_\t0\troot\t_\t_"], source="one.conllu")
    >>> sentence.tokens, sentence.tags
    (('Go',), ('VERB',))
    """
    index, words = COLUMNS.index(column), []
    for place, text in numbered_lines(itertools.chain(lines, [""]), source=source, keep_blank=True):
        if not text.strip():
            if words:
                yield TokenTaggingExample(*zip(*words, strict=True))
            words = []
        elif not text.startswith("#"):
            fields = _fields(text, place)
            if _SKIPPED_ID.fullmatch(fields[0]):
                continue
            _check_word(fields, index, len(words) + 1, place)
            words.append((fields[1], fields[index]))


def _fields(text, place):
    fields = text.split("\t")
    if len(fields) != len(COLUMNS):
        raise ValueError(
            f"{place}: expected {len(COLUMNS)} columns with a tab between them, got {len(fields)}. "
            f"Received: {shorten(text)}."
        )
    return fields


def _check_word(fields, index, number, place):
    if fields[0] != str(number):
        raise ValueError(
            f"{place}: expected the word id {number}, or a blank line before the next sentence. "
            f"Received: {shorten(fields[0])}."
        )
    for column in (1, index):
        if not fields[column].strip():
            raise ValueError(
                f"{place}: the column {COLUMNS[column]} must not be empty. Write '_' for an unknown value."
            )


def _find(data_dir: pathlib.Path, split: str) -> list[pathlib.Path]:
    """Return the files of a split, none if it is an optional one that is missing."""
    names = sorted(path.name for path in data_dir.glob("*.conllu") if path.is_file())
    files = [match for name in names if (match := _FILE.fullmatch(name))]
    treebanks = sorted({match[1] for match in files})
    if len(treebanks) > 1:
        raise ValueError(
            f"data_dir {str(data_dir)!r}: expected the files of one treebank. Received: {', '.join(treebanks)}."
        )
    found = [data_dir / match[0] for match in files if match[2] == _NAMES[split]]
    if not files or (split == "train" and not found):
        raise missing_files(data_dir, _EXPECTED)
    return found
