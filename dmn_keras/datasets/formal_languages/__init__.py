"""Formal languages and string tasks that need a counter, a stack or a tape, generated.

The counting languages, memorisation and binary addition are those of "Inferring algorithmic patterns with
stack-augmented recurrent nets" (Joulin and Mikolov 2015, arXiv:1503.01007): predict the next symbol where it is
determined. The others are those of "Neural networks and the Chomsky hierarchy" (Delétang et al. 2022,
arXiv:2207.02098): read a string, then write the answer while blanks come in.
"""

import numpy as np

from dmn_keras.datasets import sequences
from dmn_keras.datasets.checks import check_name
from dmn_keras.datasets.example import SequenceTransductionExample
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


def load(
    split: str,
    *,
    config: str | None = None,
    data_dir: str | None = None,
    seed: int = 0,
    num_examples: int | None = None,
) -> list[SequenceTransductionExample]:
    """Generate the examples of a split; see `dmn_keras.datasets.sequences.generate`.

    Args:
        split: `"train"`, `"valid"` or `"test"`.
        config: Name of a task and settings to change, e.g. `"anbncn,length=60"` or `"reverse_string,length=41-100"`;
            None for `"anbn"`. The settings are the keyword arguments of the task's function.
        data_dir: Not used: nothing is read.
        seed: Non-negative integer.
        num_examples: Positive integer; None for `sequences.NUM_EXAMPLES[split]`.

    Raises:
        ValueError: If a name is unknown, or a number is out of range.
    """
    return sequences.generate(TASKS, split, config=config, seed=seed, num_examples=num_examples)


def layout(config: str | None = None, *, data_dir: str | None = None) -> sequences.SequenceLayout:
    """Return the sizes of the arrays of a config; `data_dir` is not used."""
    return sequences.layout(TASKS, config)


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
    "layout",
    "load",
    "memorisation",
    "modular_arithmetic",
    "reverse_string",
    "stack_manipulation",
]
