"""Copy: repeat a sequence."""

from __future__ import annotations

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.sequences import Size, check_size, draw_size, random_bits


def copy(rng: np.random.Generator, *, length: Size = (1, 20), width: int = 8) -> SequenceTransductionExample:
    """Generate a sequence of random bit vectors that is to be repeated after a delimiter.

    There is no input while the output is produced. With length 3 and width 2:

        step            0  1  2  3  4  5  6
        bit 0           1  0  1  .  .  .  .
        bit 1           0  0  1  .  .  .  .
        delimiter       .  .  .  1  .  .  .
        target bit 0    .  .  .  .  1  0  1
        target bit 1    .  .  .  .  0  0  1
        scored          -  -  -  -  x  x  x

    Args:
        rng: Source of randomness.
        length: Number of vectors, or a range `(least, most)` to draw it from; the paper trains on 1 to 20.
        width: Number of bits of a vector.

    Returns:
        An example with inputs `(2 length + 1, width + 1)` and target bits `(2 length + 1, width)`.

    Raises:
        ValueError: If a size is not a positive integer, or a range runs backwards.

    Reference: Graves et al. 2014, arXiv:1410.5401, section 4.1.
    """
    length, width = draw_size(rng, "length", length), check_size("width", width)
    steps = 2 * length + 1
    inputs, targets = np.zeros((steps, width + 1), "float32"), np.zeros((steps, width), "float32")
    inputs[:length, :width] = targets[length + 1 :] = random_bits(rng, length, width)
    inputs[length, width] = 1
    return SequenceTransductionExample(inputs, targets, np.arange(steps) > length, task="copy")
