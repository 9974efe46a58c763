"""Stack manipulation: output what is on a stack after pushes and pops."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.formal_languages.layouts import read_then_write
from dmn_keras.datasets.sequences import Size, draw_size


def stack_manipulation(rng: np.random.Generator, *, length: Size = (1, 40)) -> SequenceTransductionExample:
    """Generate a stack and actions on it; the stack that results is to be output from its top, then a full stop.

    The stack `a`, `b` is given from its bottom; `A` and `B` push a symbol, `-` pops one, of an empty stack none.
    `_` is the blank. The steps after the full stop, up to length + 1, are not scored:

        step     0  1  2  3  4  5  6  7  8
        symbol   a  b  -  B  _  _  _  _  _
        target   .  .  .  .  b  a  .  .  .
        scored   -  -  -  -  x  x  x  -  -

    Args:
        rng: Source of randomness.
        length: Number of symbols of the stack and of actions together, or a range `(least, most)` to draw it from.
            The stack has at least one symbol.

    Returns:
        An example with inputs `(2 length + 1, 6)` and target classes `(2 length + 1,)`.

    Raises:
        ValueError: If `length` is not a positive integer, or a range runs backwards.

    Reference: Delétang et al. 2022, arXiv:2207.02098.
    """
    length = draw_size(rng, "length", length)
    size = int(rng.integers(1, length)) if length > 1 else 1
    stack = ["ab"[bit] for bit in rng.integers(0, 2, size)]
    actions = ["-AB"[action] for action in rng.integers(0, 3, length - size)]
    text = "".join(stack + actions)
    for action in actions:
        if action != "-":
            stack.append(action.lower())
        elif stack:
            stack.pop()
    answer = "".join(reversed(stack)) + "."
    example = read_then_write(
        text, answer.ljust(length + 1, "."), alphabet="abAB-", outputs="ab.", task="stack_manipulation"
    )
    example.scored[length + len(answer) :] = False
    return example
