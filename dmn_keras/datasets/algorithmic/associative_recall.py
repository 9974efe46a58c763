"""Associative recall: output the item that followed another one."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.sequences import Size, check_size, draw_size, random_bits


def associative_recall(
    rng: np.random.Generator, *, items: Size = (2, 6), item_length: int = 3, width: int = 6
) -> SequenceTransductionExample:
    """Generate a list of items, then one of them, after which the next item of the list is to be output.

    An item is a few random bit vectors; no two of a list are equal. A delimiter precedes each item, and the query
    stands between two query delimiters. With 2 items of length 2 (A = a1 a2, B = b1 b2; each is `width` rows):

        step             0  1  2  3  4  5  6  7  8  9  10 11
        bits             .  a1 a2 .  b1 b2 .  a1 a2 .  .  .
        delimiter        1  .  .  1  .  .  .  .  .  .  .  .
        query delimiter  .  .  .  .  .  .  1  .  .  1  .  .
        target bits      .  .  .  .  .  .  .  .  .  .  b1 b2
        scored           -  -  -  -  -  -  -  -  -  -  x  x

    Args:
        rng: Source of randomness.
        items: Number of items, at least 2, or a range `(least, most)` to draw it from; the paper trains on 2 to 6.
        item_length: Number of vectors of an item.
        width: Number of bits of a vector.

    Returns:
        An example with inputs `(steps, width + 2)` and target bits `(steps, width)`, where
        `steps = (items + 1) (item_length + 1) + item_length + 1`.

    Raises:
        ValueError: If a size is out of range, or there are not as many different items.

    Reference: Graves et al. 2014, arXiv:1410.5401, section 4.3.
    """
    count, width = draw_size(rng, "items", items, least=2), check_size("width", width)
    item_length = check_size("item_length", item_length)
    if item_length * width < 63 and count > 2 ** (item_length * width):
        raise ValueError(
            f"items must be at most {2 ** (item_length * width)}, the number of different items of "
            f"item_length={item_length} and width={width}. Received: items={items!r}"
        )
    chosen = _different_items(rng, count, item_length, width)
    query = int(rng.integers(count - 1))

    stride = item_length + 1
    steps = (count + 1) * stride + 1 + item_length
    inputs, targets = np.zeros((steps, width + 2), "float32"), np.zeros((steps, width), "float32")
    for i, item in enumerate([*chosen, chosen[query]]):
        inputs[i * stride, width if i < count else width + 1] = 1
        inputs[i * stride + 1 : (i + 1) * stride, :width] = item
    inputs[(count + 1) * stride, width + 1] = 1
    targets[-item_length:] = chosen[query + 1]
    return SequenceTransductionExample(
        inputs, targets, np.arange(steps) >= steps - item_length, task="associative_recall"
    )


def _different_items(rng, count, item_length, width):
    """Return `count` arrays `(item_length, width)` of bits, no two of them equal."""
    chosen = {}
    while len(chosen) < count:
        item = random_bits(rng, item_length, width)
        chosen.setdefault(item.tobytes(), item)
    return list(chosen.values())
