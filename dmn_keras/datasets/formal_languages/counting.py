"""The five counting languages: a^n b^n, a^n b^n c^n, a^n b^n c^n d^n, a^n b^2n and a^n b^m c^(n+m)."""

from collections.abc import Callable, Sequence

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.formal_languages.layouts import next_symbols
from dmn_keras.datasets.sequences import Size, draw_size

LENGTHS = (2, 19)
"""The paper trains on n below 20."""


def anbn(rng: np.random.Generator, *, length: Size = LENGTHS, sequences: Size = 1) -> SequenceTransductionExample:
    """Generate a stream of sequences `a^n b^n`, whose determined symbols are to be predicted.

    The first `b` is not determined, the others are, and so is the `a` with which the next sequence begins; it follows
    the last sequence too. The boundaries are not marked. With n = 2, one sequence:

        step     0  1  2  3
        symbol   a  a  b  b
        target   a  b  b  a
        scored   -  -  x  x

    Args:
        rng: Source of randomness.
        length: The number n of each sequence, or a range `(least, most)` to draw it from for each.
        sequences: Number of sequences in a row, or a range to draw it from.

    Returns:
        An example with inputs `(steps, 2)` and target classes `(steps,)`, where `steps` is the length of the stream.

    Raises:
        ValueError: If a size is not a positive integer, or a range runs backwards.

    Reference: Joulin and Mikolov 2015, arXiv:1503.01007.
    """
    return _stream(rng, "anbn", lambda: (n := draw_size(rng, "length", length), n), sequences)


def anbncn(rng: np.random.Generator, *, length: Size = LENGTHS, sequences: Size = 1) -> SequenceTransductionExample:
    """Generate a stream of `a^n b^n c^n`; all but the `a`s and the first `b` are determined. Else as `anbn`."""
    return _stream(rng, "anbncn", lambda: (n := draw_size(rng, "length", length), n, n), sequences)


def anbncndn(rng: np.random.Generator, *, length: Size = LENGTHS, sequences: Size = 1) -> SequenceTransductionExample:
    """Generate a stream of `a^n b^n c^n d^n`; all but the `a`s and the first `b` are determined. Else as `anbn`."""
    return _stream(rng, "anbncndn", lambda: (n := draw_size(rng, "length", length), n, n, n), sequences)


def anb2n(rng: np.random.Generator, *, length: Size = LENGTHS, sequences: Size = 1) -> SequenceTransductionExample:
    """Generate a stream of `a^n b^2n`; all but the `a`s and the first `b` are determined. Else as `anbn`."""
    return _stream(rng, "anb2n", lambda: (n := draw_size(rng, "length", length), 2 * n), sequences)


def anbmcnm(rng: np.random.Generator, *, length: Size = LENGTHS, sequences: Size = 1) -> SequenceTransductionExample:
    """Generate a stream of `a^n b^m c^(n+m)`, where `length` is n + m, at least 2, and m is uniform.

    The `c`s but the first are determined, and so is the `a` of the next sequence. Else as `anbn`.
    """

    def runs():
        total = draw_size(rng, "length", length, least=2)
        m = int(rng.integers(1, total))
        return total - m, m, total

    return _stream(rng, "anbmcnm", runs, sequences, free=3)


def _stream(
    rng, task: str, runs: Callable[[], Sequence[int]], sequences: Size, *, free: int = 2
) -> SequenceTransductionExample:
    """Return a stream of sequences.

    Args:
        rng: Source of randomness.
        task: Name of the task.
        runs: Function that draws how often each symbol comes in a sequence.
        sequences: Number of sequences, or a range.
        free: Number of symbols of the alphabet that are chosen freely up to the first of the last of them: `ab` has
            one free `b`, all before which is not determined either.
    """
    text, determined, size = "", [], 0
    for _ in range(draw_size(rng, "sequences", sequences)):
        counts = runs()
        size = len(counts)
        text += "".join(symbol * count for symbol, count in zip("abcd", counts, strict=False))
        start_free = sum(counts[: free - 1]) + 1
        # The first symbol of a sequence is determined by the one before.
        determined += [True] + [False] * (start_free - 1) + [True] * (sum(counts) - start_free)
    return next_symbols(text + "a", [*determined, True], alphabet="abcd"[:size], task=task)
