"""Random choices for the stories, all from one seeded stream."""

import numpy as np

BLOCK = 1024


class Random:
    """Choices drawn from one `np.random.Generator`.

    Only uniform numbers are asked of NumPy, a block at a time: a story of 10,000 facts takes some 40,000
    choices, and a call for each would cost more than the story itself.

    Args:
        seed: Anything `np.random.default_rng` takes. Equal seeds give equal choices on every platform.
    """

    def __init__(self, seed):
        self._uniform = _uniform(np.random.default_rng(seed))

    def randbelow(self, count):
        """Return an integer from 0 to `count - 1`."""
        return int(next(self._uniform) * count)

    def coin(self):
        """Return True or False, with equal chances."""
        return next(self._uniform) < 0.5

    def choice(self, items):
        """Return one of the sequence `items`."""
        return items[self.randbelow(len(items))]

    def choice_except(self, items, than):
        """Return one of `items` that differs from `than`; at least one must."""
        while (item := self.choice(items)) == than:
            pass
        return item

    def sample(self, items, count):
        """Return `count` of `items`, at different positions, in random order."""
        items = list(items)
        for i in range(count):
            j = i + self.randbelow(len(items) - i)
            items[i], items[j] = items[j], items[i]
        return items[:count]


def _uniform(rng):
    while True:
        yield from rng.random(BLOCK).tolist()
