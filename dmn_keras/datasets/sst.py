"""The Stanford Sentiment Treebank: sentences of film reviews and their phrases, each with its sentiment.

Reference: Socher, Perelygin, Wu, Chuang, Manning, Ng, Potts, "Recursive Deep Models for Semantic Compositionality Over
a Sentiment Treebank", EMNLP 2013.
"""

import os
import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np

from dmn_keras.datasets.checks import check_data_dir, check_name, check_split, missing_files
from dmn_keras.datasets.example import TextClassificationExample
from dmn_keras.utils.lines import numbered_lines, shorten

CONFIGS = ("fine", "binary")
LABELS = {
    "fine": ("very negative", "negative", "neutral", "positive", "very positive"),
    "binary": ("negative", "negative", None, "positive", "positive"),
}
"""Config -> the names of the treebank's labels 0 to 4; None where an example is left out."""

_FILES = {"train": "train.txt", "valid": "dev.txt", "test": "test.txt"}
_EXPECTED = (
    "a folder with the trees: train.txt and, optionally, dev.txt and test.txt, or its parent if it is named trees"
)

_NODE = re.compile(r"(?:\( *([0-4]) +(?:([^ ()]+) *\)|(?=\())|\)) *")  # a word, the start of a phrase, or its end
_ESCAPES = {"-LRB-": "(", "-RRB-": ")", "``": '"', "''": '"'}


def load(
    split: str,
    *,
    config: str | None = None,
    data_dir: str | os.PathLike | None = None,
    seed: int = 0,
    num_examples: int | None = None,
) -> list[TextClassificationExample]:
    """Read one split of the treebank.

    The training split has each sentence, followed by those of its phrases that have not come before; the others have
    the sentences alone. `draw_phrases` chooses the phrases of an epoch.

    Args:
        split: `"train"`, `"valid"` or `"test"`.
        config: `"fine"`, five labels, or `"binary"`, two, without what is neutral. None for `"fine"`.
        data_dir: Folder with `train.txt`, `dev.txt` and `test.txt`, a tree in brackets on each line, as in the released
            archive, or the parent of that folder if it is named `trees`.
        seed: Not used.
        num_examples: Number of examples, at most, from the beginning of the file; None for all.

    Returns:
        A list of `TextClassificationExample`, `text` the words with a blank between them. Empty where the file is
        missing, but for `train.txt`.

    Raises:
        FileNotFoundError: If `data_dir` or `train.txt` is missing.
        ValueError: If an argument is unknown, a tree is malformed (file and line are named) or a file is empty.
    """
    check_split(split, num_examples)
    config = CONFIGS[0] if config is None else config
    check_name("config", config, CONFIGS)
    path = _find(check_data_dir(data_dir, _EXPECTED), split)
    if path is None:
        return []
    with path.open("rb") as lines:
        trees = [list(parse_tree(text, place)) for place, text in numbered_lines(lines, source=str(path))]
    if not trees:
        raise ValueError(f"{path} is empty: expected a tree on each line.")
    return _examples(trees, LABELS[config], with_phrases=split == "train")[:num_examples]


def draw_phrases(
    examples: Sequence[TextClassificationExample], rng: np.random.Generator, fraction: float = 0.5
) -> np.ndarray:
    """Choose the training examples of an epoch: all whole sentences, and some of the phrases.

    Args:
        examples: The training split.
        rng: The source of randomness.
        fraction: Fraction of the phrases to draw, from 0 to 1. Defaults to half of them, as in Kumar et al. 2015,
            "Ask Me Anything: Dynamic Memory Networks for Natural Language Processing", arXiv:1506.07285, section 4.2.

    Returns:
        Array int64 of indexes into `examples`, in rising order.

    Raises:
        ValueError: If `fraction` is out of range.

    Example:

    >>> examples = [TextClassificationExample("a film", "neutral", is_phrase=i > 0) for i in range(9)]
    >>> indexes = draw_phrases(examples, np.random.default_rng(0))
    >>> len(indexes), int(indexes[0])
    (5, 0)
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must be a number from 0 to 1. Received: fraction={fraction}.")
    is_phrase = np.fromiter((example.is_phrase for example in examples), bool, len(examples))
    phrases = np.flatnonzero(is_phrase)
    drawn = rng.choice(phrases, round(fraction * len(phrases)), replace=False)
    return np.sort(np.concatenate([np.flatnonzero(~is_phrase), drawn]))


def parse_tree(text: str, place: str) -> Iterator[tuple[int, str]]:
    """Read a tree in brackets, such as `(3 (2 a) (4 (3 lovely) (2 film)))`.

    Args:
        text: The tree: `(label word)`, or `(label tree tree ...)`, labels 0 to 4.
        place: Its file and line, for error messages.

    Returns:
        Iterator over pairs of a node's label and its text, the whole tree first, then its phrases by their first word,
        the longer one first. The brackets, slashes and quotation marks that treebanks escape are as in plain text.

    Raises:
        ValueError: If the tree is malformed.
    """
    words, nodes, unclosed = [], [], []
    position, text = 0, text.strip()
    while position < len(text) and (unclosed or not nodes):
        match = _NODE.match(text, position)
        if match is None or (match[1] is None and not unclosed):
            raise ValueError(
                f"{place}: expected '(label word)' or '(label tree tree)', with a label from 0 to 4, at column "
                f"{position + 1}. Received: {shorten(text[position:])}."
            )
        label, word = match.groups()
        if label is None:
            nodes[unclosed.pop()][2] = len(words)
        elif word is None:
            unclosed.append(len(nodes))
            nodes.append([int(label), len(words), -1])  # its end is not known yet
        else:
            nodes.append([int(label), len(words), len(words) + 1])
            words.append(_ESCAPES.get(word, word.replace("\\/", "/").replace("\\*", "*")))
        position = match.end()
    if position < len(text):
        raise ValueError(f"{place}: expected one tree, got more at column {position + 1}: {shorten(text[position:])}.")
    if unclosed:
        raise ValueError(
            f"{place}: expected {len(unclosed)} more ')' at the end of the tree. Received: {shorten(text)}."
        )
    return ((label, " ".join(words[start:end])) for label, start, end in nodes)


def _find(data_dir: pathlib.Path, split: str) -> pathlib.Path | None:
    """Return the file of a split; None if it is an optional one that is missing."""
    for folder in (data_dir, data_dir / "trees"):
        if (folder / _FILES["train"]).is_file() or (folder / _FILES[split]).is_file():
            path = folder / _FILES[split]
            return path if path.is_file() else None
    raise missing_files(data_dir, _EXPECTED)


def _examples(trees, labels, *, with_phrases):
    examples, seen = [], {tree[0][1] for tree in trees}
    for number, tree in enumerate(trees):
        for index, (label, text) in enumerate(tree if with_phrases else tree[:1]):
            if labels[label] is not None and (index == 0 or text not in seen):
                example = TextClassificationExample(text, labels[label], is_phrase=index > 0, sentence_id=number)
                examples.append(example)
            seen.add(text)
    return examples
