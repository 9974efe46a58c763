"""The two layouts of the formal languages: predict the next symbol, and read a string before the answer."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.sequences import one_hot, symbol_ids

BLANK = "_"
"""Input symbol of the steps at which an answer is written."""


def next_symbols(text: str, determined: list[bool], *, alphabet: str, task: str) -> SequenceTransductionExample:
    """Return the example in which every symbol of a text but the first is predicted from those before it.

    Args:
        text: At least two symbols of `alphabet`.
        determined: For each symbol, whether those before it determine it; only such ones are scored.
        alphabet: The symbols, which are the input columns and the classes.
        task: Name of the task.

    Returns:
        An example with inputs `(len(text) - 1, len(alphabet))` and target classes `(len(text) - 1,)`.
    """
    ids = symbol_ids(text, alphabet)
    return SequenceTransductionExample(
        one_hot(ids[:-1], len(alphabet)), ids[1:], np.array(determined[1:], bool), task=task
    )


def read_then_write(text: str, answer: str, *, alphabet: str, outputs: str, task: str) -> SequenceTransductionExample:
    """Return the example in which a text is read, then an answer written, a symbol a step, while blanks come in.

    Args:
        text: Symbols of `alphabet`.
        answer: Symbols of `outputs`.
        alphabet: The input symbols without the blank, which is the last input column.
        outputs: The classes.
        task: Name of the task.

    Returns:
        An example with inputs `(len(text) + len(answer), len(alphabet) + 1)` and target classes of as many steps.
    """
    ids = symbol_ids(text + BLANK * len(answer), alphabet + BLANK)
    targets = np.zeros(len(ids), "int32")
    targets[len(text) :] = symbol_ids(answer, outputs)
    scored = np.arange(len(ids)) >= len(text)
    return SequenceTransductionExample(one_hot(ids, len(alphabet) + 1), targets, scored, task=task)
