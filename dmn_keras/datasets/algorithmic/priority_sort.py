"""Priority sort: output the vectors of the highest priorities in order."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.sequences import Size, check_size, draw_size, random_bits


def priority_sort(
    rng: np.random.Generator, *, length: Size = 20, results: int = 16, width: int = 8
) -> SequenceTransductionExample:
    """Generate random bit vectors with priorities, of which the first ones by priority are to be output.

    Priorities are uniform between -1 and 1. The highest comes first. With length 3, 2 results and width 1:

        step         0     1     2     3  4  5
        bit          1     0     1     .  .  .
        priority     -0.3  0.9   0.2   .  .  .
        delimiter    .     .     .     1  .  .
        target bit   .     .     .     .  0  1
        scored       -     -     -     -  x  x

    Args:
        rng: Source of randomness.
        length: Number of vectors, at least `results`, or a range `(least, most)` to draw it from.
        results: Number of vectors to output.
        width: Number of bits of a vector.

    Returns:
        An example with inputs `(length + 1 + results, width + 2)` and target bits `(length + 1 + results, width)`.

    Raises:
        ValueError: If a size is out of range.

    Reference: Graves et al. 2014, arXiv:1410.5401, section 4.5.
    """
    results, width = check_size("results", results), check_size("width", width)
    length = draw_size(rng, "length", length, least=results)
    steps = length + 1 + results
    inputs, targets = np.zeros((steps, width + 2), "float32"), np.zeros((steps, width), "float32")
    inputs[:length, :width] = random_bits(rng, length, width)
    inputs[:length, width] = rng.uniform(-1, 1, length)
    inputs[length, width + 1] = 1
    order = np.argsort(-inputs[:length, width], kind="stable")
    targets[length + 1 :] = inputs[order[:results], :width]
    return SequenceTransductionExample(inputs, targets, np.arange(steps) > length, task="priority_sort")
