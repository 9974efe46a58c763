"""Memorisation: output a word backwards after a separator."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.formal_languages.layouts import next_symbols
from dmn_keras.datasets.sequences import Size, draw_size


def memorisation(
    rng: np.random.Generator, *, length: Size = (2, 19), sequences: Size = 1
) -> SequenceTransductionExample:
    """Generate a stream of words of `b` and `c`, each followed by the separator `a` and the word backwards.

    Only what follows a separator is determined. With one word of length 2:

        step     0  1  2  3
        symbol   b  c  a  c
        target   c  a  c  b
        scored   -  -  x  x

    Args:
        rng: Source of randomness.
        length: Number of symbols of each word, or a range `(least, most)` to draw it from.
        sequences: Number of words in a row, or a range to draw it from.

    Returns:
        An example with inputs `(steps, 3)` and target classes `(steps,)`; `steps` is one less than the symbols.

    Raises:
        ValueError: If a size is not a positive integer, or a range runs backwards.

    Reference: Joulin and Mikolov 2015, arXiv:1503.01007.
    """
    text, determined = "", []
    for _ in range(draw_size(rng, "sequences", sequences)):
        word = "".join("bc"[bit] for bit in rng.integers(0, 2, draw_size(rng, "length", length)))
        text += f"{word}a{word[::-1]}"
        determined += [False] * (len(word) + 1) + [True] * len(word)
    return next_symbols(text, determined, alphabet="abc", task="memorisation")
