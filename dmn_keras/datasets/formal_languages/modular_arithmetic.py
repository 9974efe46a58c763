"""Modular arithmetic: output the value of an expression with brackets, modulo 5."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.formal_languages.layouts import read_then_write
from dmn_keras.datasets.sequences import Size, draw_size

MODULUS = 5


def modular_arithmetic(rng: np.random.Generator, *, length: Size = (1, 40)) -> SequenceTransductionExample:
    """Generate an expression of `+`, `-`, brackets and the digits 0 to 4, whose value modulo 5 is to be output.

    `_` is the blank. 1 - 3 = -2, which is 3 modulo 5:

        step     0  1  2  3  4  5
        symbol   (  1  -  3  )  _
        target   .  .  .  .  .  3
        scored   -  -  -  -  -  x

    Args:
        rng: Source of randomness.
        length: Number of symbols, or a range `(least, most)` to draw it from.

    Returns:
        An example with inputs `(length + 1, 10)` and target classes `(length + 1,)`.

    Raises:
        ValueError: If `length` is not a positive integer, or a range runs backwards.

    Reference: Delétang et al. 2022, arXiv:2207.02098.
    """
    text, value = _expression(rng, draw_size(rng, "length", length))
    return read_then_write(text, str(value % MODULUS), alphabet="01234+-()", outputs="01234", task="modular_arithmetic")


def _expression(rng, length):
    """Return a random expression of `length` symbols and its value.

    It is `d`, `-d`, `(d)` or `(-d)` up to 4 symbols, else `(left+right)` or `(left-right)`. A list of parts that are
    still to be written stands in place of recursion, which would be as deep as the expression.
    """
    text, value, parts = "", 0, [(length, 1)]
    while parts:
        part, sign = parts.pop()
        if isinstance(part, str):
            text += part
        elif part < 5:
            digit = int(rng.integers(MODULUS))
            text += ("{}", "-{}", "({})", "(-{})")[part - 1].format(digit)
            value += digit * sign * (1 if part % 2 else -1)
        else:
            left, operator = int(rng.integers(1, part - 3)), "+-"[rng.integers(2)]
            right_sign = sign if operator == "+" else -sign
            parts += [(")", 0), (part - 3 - left, right_sign), (operator, 0), (left, sign)]
            text += "("
    return text, value
