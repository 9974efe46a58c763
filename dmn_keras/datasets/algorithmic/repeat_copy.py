"""Repeat copy: repeat a sequence a number of times."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.sequences import Size, check_size, draw_size, random_bits

REPEATS_MEAN = 5.5
REPEATS_DEVIATION = np.sqrt((10**2 - 1) / 12)
"""Mean and standard deviation of the uniform numbers 1 to 10, the range of the paper."""


def repeat_copy(
    rng: np.random.Generator, *, length: Size = (1, 10), repeats: Size = (1, 10), width: int = 8
) -> SequenceTransductionExample:
    """Generate a sequence of random bit vectors that is to be repeated a given number of times, then an end marker.

    The number of repeats comes with the delimiter, on a column of its own, normalised to mean 0 and variance 1 over
    the paper's range 1 to 10, whatever the range here, so that a number is always the same input. With length 2,
    width 1 and 2 repeats:

        step            0  1  2      3  4  5  6  7
        bit             1  0  .      .  .  .  .  .
        delimiter       .  .  1      .  .  .  .  .
        repeats         .  .  -1.22  .  .  .  .  .
        target bit      .  .  .      1  0  1  0  .
        target end      .  .  .      .  .  .  .  1
        scored          -  -  -      x  x  x  x  x

    Args:
        rng: Source of randomness.
        length: Number of vectors, or a range `(least, most)` to draw it from.
        repeats: Number of repeats, or a range to draw it from.
        width: Number of bits of a vector.

    Returns:
        An example with inputs `(length (repeats + 1) + 2, width + 2)` and target bits of as many steps and `width + 1`
        columns.

    Raises:
        ValueError: If a size is not a positive integer, or a range runs backwards.

    Reference: Graves et al. 2014, arXiv:1410.5401, section 4.2. The delimiter column is an addition: the normalised
    number alone may be 0.
    """
    length, repeats = draw_size(rng, "length", length), draw_size(rng, "repeats", repeats)
    width = check_size("width", width)
    steps = length * (repeats + 1) + 2
    inputs, targets = np.zeros((steps, width + 2), "float32"), np.zeros((steps, width + 1), "float32")
    inputs[:length, :width] = random_bits(rng, length, width)
    inputs[length, width:] = 1, (repeats - REPEATS_MEAN) / REPEATS_DEVIATION
    targets[length + 1 : -1, :width] = np.tile(inputs[:length, :width], (repeats, 1))
    targets[-1, width] = 1
    return SequenceTransductionExample(inputs, targets, np.arange(steps) > length, task="repeat_copy")
