"""N-grams: predict the next bit of a random Markov chain, and the best prediction that is possible."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.sequences import Size, check_size, draw_size


def n_grams(rng: np.random.Generator, *, length: Size = 200, order: int = 6) -> SequenceTransductionExample:
    """Generate bits of a Markov chain with random transitions, each of which is to be predicted.

    A bit follows the `order - 1` bits before it with a chance from a table that is drawn for this sequence alone,
    each entry from Beta(1/2, 1/2). The first `order - 1` bits are 0 and 1 with equal chances; they are not scored.
    With length 6 and order 3:

        step     0  1  2  3  4
        bit      b0 b1 b2 b3 b4
        target   b1 b2 b3 b4 b5
        scored   -  x  x  x  x

    Args:
        rng: Source of randomness.
        length: Number of bits, at least `order`, or a range `(least, most)` to draw it from.
        order: Number of bits of an N-gram: 6 for contexts of 5 bits.

    Returns:
        An example with inputs and target bits `(length - 1, 1)`.

    Raises:
        ValueError: If a size is out of range.

    Reference: Graves et al. 2014, arXiv:1410.5401, section 4.4.
    """
    order = check_size("order", order)
    if order > 20:
        raise ValueError(f"order must be at most 20, for a table of 2 ** 19 contexts. Received: order={order}")
    length = draw_size(rng, "length", length, least=max(order, 2))
    chances = rng.beta(0.5, 0.5, 2 ** (order - 1))
    bits, context = [], 0
    for draw in rng.random(length):
        bits.append(int(draw < (chances[context] if len(bits) >= order - 1 else 0.5)))
        context = (2 * context + bits[-1]) % len(chances)
    column = np.array(bits, "float32")[:, None]
    scored = np.arange(length - 1) >= order - 2
    return SequenceTransductionExample(column[:-1], column[1:], scored, task="n_grams")


def n_grams_bayes_optimum(example: SequenceTransductionExample, *, order: int = 6) -> np.ndarray:
    """Return the chance that the next bit is 1, given the bits so far: the best prediction that is possible.

    `P(1 | context) = (N1 + 1/2) / (N1 + N0 + 1)`, where N1 and N0 count the ones and zeros that have followed
    the same `order - 1` bits (equation 10).

    Args:
        example: An example of `n_grams`.
        order: The order it was generated with.

    Returns:
        A float64 array `(length - 1,)`, one prediction of the target of each step; 0.5 where it is not scored.
    """
    bits = [*example.inputs[:, 0].astype(int).tolist(), int(example.targets[-1, 0])]
    counts, chances = {}, np.full(len(example.inputs), 0.5)
    for position in range(order - 1, len(bits)):
        zeros_ones = counts.setdefault(tuple(bits[position - order + 1 : position]), [0, 0])
        if position:
            chances[position - 1] = (zeros_ones[1] + 0.5) / (sum(zeros_ones) + 1)
        zeros_ones[bits[position]] += 1
    return chances


def n_grams_bayes_bits(example: SequenceTransductionExample, *, order: int = 6) -> float:
    """Return the cost in bits of the scored steps of `example` under `n_grams_bayes_optimum`.

    The paper's figure, about 133, is higher by the 5 bits of the first context, which are not scored here.
    """
    ones = n_grams_bayes_optimum(example, order=order)
    chances = np.where(example.targets[:, 0] == 1, ones, 1 - ones)
    return float(-np.log2(chances[example.scored]).sum())
