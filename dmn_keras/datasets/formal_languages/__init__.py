"""Formal languages and string tasks that need a counter, a stack or a tape, generated.

The counting languages, memorisation and binary addition are those of "Inferring algorithmic patterns with
stack-augmented recurrent nets" (Joulin and Mikolov 2015, arXiv:1503.01007): predict the next symbol where it is
determined. The others are those of "Neural networks and the Chomsky hierarchy" (Delétang et al. 2022,
arXiv:2207.02098): read a string, then write the answer while blanks come in.

A config names a task and the settings to change: `"anbncn,length=60"`, `"reverse_string,length=41-100"`.
"""

import numpy as np

from dmn_keras.datasets import sequences
from dmn_keras.datasets.checks import check_name
from dmn_keras.datasets.formal_languages.binary_addition import binary_addition
from dmn_keras.datasets.formal_languages.counting import anb2n, anbmcnm, anbn, anbncn, anbncndn
from dmn_keras.datasets.formal_languages.duplicate_string import duplicate_string
from dmn_keras.datasets.formal_languages.layouts import BLANK
from dmn_keras.datasets.formal_languages.memorisation import memorisation
from dmn_keras.datasets.formal_languages.modular_arithmetic import modular_arithmetic
from dmn_keras.datasets.formal_languages.reverse_string import reverse_string
from dmn_keras.datasets.formal_languages.stack_manipulation import stack_manipulation

TASKS = {
    build.__name__: sequences.SequenceTask(build, alphabet, outputs)
    for build, alphabet, outputs in (
        (anbn, "ab", "ab"),
        (anbncn, "abc", "abc"),
        (anbncndn, "abcd", "abcd"),
        (anb2n, "ab", "ab"),
        (anbmcnm, "abc", "abc"),
        (memorisation, "abc", "abc"),
        (binary_addition, "01+=.", "01+=."),
        (reverse_string, f"ab{BLANK}", "ab"),
        (stack_manipulation, f"abAB-{BLANK}", "ab."),
        (modular_arithmetic, f"01234+-(){BLANK}", "01234"),
        (duplicate_string, f"ab{BLANK}", "ab"),
    )
}
"""Task by name, with the symbols of its inputs and of its classes; the targets of all are classes."""

load = sequences.SequenceDataset(TASKS).load


def encode(task: str, text: str) -> np.ndarray:
    """Return a text in a task's alphabet as inputs of a model.

    Args:
        task: One of `TASKS`.
        text: Symbols of `TASKS[task].alphabet`, at least one; `_` is the blank.

    Returns:
        A float32 array `(len(text), len(alphabet))`, one-hot.

    Raises:
        ValueError: If the task is unknown, the text is empty, or a symbol is not in the alphabet.

    Example:
        >>> encode("anbn", "ab")
        array([[1., 0.],
               [0., 1.]], dtype=float32)
    """
    check_name("task", task, TASKS)
    alphabet = TASKS[task].alphabet
    return sequences.one_hot(sequences.symbol_ids(text, alphabet), len(alphabet))


__all__ = [
    "TASKS",
    "anb2n",
    "anbmcnm",
    "anbn",
    "anbncn",
    "anbncndn",
    "binary_addition",
    "duplicate_string",
    "encode",
    "load",
    "memorisation",
    "modular_arithmetic",
    "reverse_string",
    "stack_manipulation",
]
