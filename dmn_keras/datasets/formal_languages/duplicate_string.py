"""Duplicate string: output a string twice."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.formal_languages.layouts import read_then_write
from dmn_keras.datasets.sequences import Size, draw_size


def duplicate_string(rng: np.random.Generator, *, length: Size = (1, 40)) -> SequenceTransductionExample:
    """Generate a string of `a` and `b` that is to be output twice.

    `_` is the blank:

        step     0  1  2  3  4  5
        symbol   a  b  _  _  _  _
        target   .  .  a  b  a  b
        scored   -  -  x  x  x  x

    Args:
        rng: Source of randomness.
        length: Number of symbols, or a range `(least, most)` to draw it from.

    Returns:
        An example with inputs `(3 length, 3)` and target classes `(3 length,)`.

    Raises:
        ValueError: If `length` is not a positive integer, or a range runs backwards.

    Reference: Delétang et al. 2022, arXiv:2207.02098.
    """
    text = "".join("ab"[bit] for bit in rng.integers(0, 2, draw_size(rng, "length", length)))
    return read_then_write(text, 2 * text, alphabet="ab", outputs="ab", task="duplicate_string")
