"""Copy: repeat a sequence."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.sequences import Size, check_size, draw_size, random_bits


def copy(
    rng: np.random.Generator, *, length: Size = (1, 20), width: int = 8, sequences: Size = 1
) -> SequenceTransductionExample:
    """Generate a sequence of random bit vectors that is to be repeated after a delimiter.

    There is no input while the output is produced. With length 3 and width 2:

        step            0  1  2  3  4  5  6
        bit 0           1  0  1  .  .  .  .
        bit 1           0  0  1  .  .  .  .
        delimiter       .  .  .  1  .  .  .
        target bit 0    .  .  .  .  1  0  1
        target bit 1    .  .  .  .  0  0  1
        scored          -  -  -  -  x  x  x

    Several sequences in a row need more slots than a memory has, unless it uses them again (the DNC's allocation).

    Args:
        rng: Source of randomness.
        length: Number of vectors, or a range `(least, most)` to draw it from for each sequence; the paper trains on 1
            to 20.
        width: Number of bits of a vector.
        sequences: Number of sequences in a row, each copied before the next, or a range to draw it from.

    Returns:
        An example with inputs `(steps, width + 1)` and target bits `(steps, width)`, where `steps` is the sum of
        `2 length + 1` over the sequences.

    Raises:
        ValueError: If a size is not a positive integer, or a range runs backwards.

    Reference: Graves et al. 2014, arXiv:1410.5401, section 4.1.
    """
    width = check_size("width", width)
    parts = [_copy(rng, draw_size(rng, "length", length), width) for _ in range(draw_size(rng, "sequences", sequences))]
    inputs, targets, scored = (np.concatenate(part) for part in zip(*parts, strict=True))
    return SequenceTransductionExample(inputs, targets, scored, task="copy")


def _copy(rng, length, width):
    """Return inputs, targets and the mask of scored steps of one sequence."""
    steps = 2 * length + 1
    inputs, targets = np.zeros((steps, width + 1), "float32"), np.zeros((steps, width), "float32")
    inputs[:length, :width] = targets[length + 1 :] = random_bits(rng, length, width)
    inputs[length, width] = 1
    return inputs, targets, np.arange(steps) > length
