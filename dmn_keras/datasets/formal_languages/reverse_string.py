"""Reverse string: output a string backwards."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.formal_languages.layouts import read_then_write
from dmn_keras.datasets.sequences import Size, draw_size


def reverse_string(rng: np.random.Generator, *, length: Size = (1, 40)) -> SequenceTransductionExample:
    """Generate a string of `a` and `b` that is to be output backwards.

    `_` is the blank:

        step     0  1  2  3  4  5
        symbol   a  a  b  _  _  _
        target   .  .  .  b  a  a
        scored   -  -  -  x  x  x

    Args:
        rng: Source of randomness.
        length: Number of symbols, or a range `(least, most)` to draw it from.

    Returns:
        An example with inputs `(2 length, 3)` and target classes `(2 length,)`.

    Raises:
        ValueError: If `length` is not a positive integer, or a range runs backwards.

    Reference: Delétang et al. 2022, arXiv:2207.02098.
    """
    text = "".join("ab"[bit] for bit in rng.integers(0, 2, draw_size(rng, "length", length)))
    return read_then_write(text, text[::-1], alphabet="ab", outputs="ab", task="reverse_string")
