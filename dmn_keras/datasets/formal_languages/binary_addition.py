"""Binary addition: output the sum of two numbers, least significant digit first."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.formal_languages.layouts import next_symbols
from dmn_keras.datasets.sequences import Size, draw_size


def binary_addition(
    rng: np.random.Generator, *, length: Size = (2, 19), sequences: Size = 1
) -> SequenceTransductionExample:
    """Generate a stream of sums such as `10+1=11.`, of which what follows the `=` is to be predicted.

    The terms are written with the most significant digit first and no leading zeros, their sum with the least
    significant digit first, up to a full stop. 2 + 1 = 3, with three digits in all:

        step     0  1  2  3  4  5  6
        symbol   1  0  +  1  =  1  1
        target   0  +  1  =  1  1  .
        scored   -  -  -  -  x  x  x

    Args:
        rng: Source of randomness.
        length: Number of digits of both terms together, at least 2, or a range `(least, most)` to draw it from.
        sequences: Number of sums in a row, or a range to draw it from.

    Returns:
        An example with inputs `(steps, 5)` and target classes `(steps,)`; `steps` is one less than the symbols.

    Raises:
        ValueError: If a size is out of range.

    Reference: Joulin and Mikolov 2015, arXiv:1503.01007. There a term may have no digit, which means 0.
    """
    text, determined = "", []
    for _ in range(draw_size(rng, "sequences", sequences)):
        digits = draw_size(rng, "length", length, least=2)
        first = int(rng.integers(1, digits))
        terms = [_number(rng, first), _number(rng, digits - first)]
        total = f"{sum(int(term, 2) for term in terms):b}"[::-1] + "."
        question = "+".join(terms) + "="
        text += question + total
        determined += [False] * len(question) + [True] * len(total)
    return next_symbols(text, determined, alphabet="01+=.", task="binary_addition")


def _number(rng, digits):
    """Return a random binary number of so many digits; the first is 0 only in the number 0."""
    bits = rng.integers(0, 2, digits)
    if digits > 1:
        bits[0] = 1
    return "".join(map(str, bits))
