"""Distractor facts about other people, places and objects as background text."""

import bisect
import functools
import itertools

from dmn_keras.datasets.renaming import BABI_PEOPLE
from dmn_keras.datasets.stories.names import OBJECTS, PEOPLE, PLACES
from dmn_keras.datasets.stories.rng import Random
from dmn_keras.datasets.stories.world import HANDLING, World
from dmn_keras.text import tokenize

BABI_NAMES = (
    *BABI_PEOPLE,
    *("bathroom", "bedroom", "cinema", "garden", "hallway", "kitchen", "office", "park", "school"),
    *("apple", "box", "chest", "chocolate", "chocolates", "container", "football", "milk", "pajamas", "suitcase"),
)
"""The people, animals, places and objects of bAbI's English tasks: no distractor fact bears, visits or carries one."""

_BLOCK = 256  # facts made at a time, in a world of their own
_KEPT = 512  # blocks, some 20 MB


class DistractorFacts:
    """An endless sequence of facts of bAbI's kinds, about other people, places and objects.

    The people are those of the dataset `stories`. They move about, and take, drop and give things; every 256 facts
    their world begins anew, so that any fact can be had without those before it.

    Args:
        seed: Integer or sequence of integers, none negative. The same one gives the same facts on every platform.
    """

    num_starts = 2**16  # so that many stories share the facts that are kept

    def __init__(self, seed=0):
        self.seed = (seed,) if isinstance(seed, int) else tuple(seed)

    def __repr__(self):
        return f"DistractorFacts(seed={self.seed})"

    def at(self, index):
        """Return the fact of an index, from 0."""
        block, place = divmod(index, _BLOCK)
        return _facts(self.seed, block)[0][place]

    def fit(self, start, num_tokens):
        """Return how far a number of tokens goes, in whole facts; they are all made for it, and the last ones kept.

        Args:
            start: Index of the first fact.
            num_tokens: Most tokens.

        Returns:
            The number of facts, their tokens, and 0: none comes again.
        """
        left, index = num_tokens, start
        while True:
            block, place = divmod(index, _BLOCK)
            sums = _facts(self.seed, block)[1]
            last = bisect.bisect_right(sums, sums[place] + left) - 1
            left -= sums[last] - sums[place]
            index += last - place
            if last < _BLOCK:
                return index - start, num_tokens - left, 0


@functools.lru_cache(maxsize=_KEPT)
def _facts(seed, block):
    """Return the facts of a block, and the sums of their tokens from 0 up to each."""
    world = World(Random([*seed, block]), HANDLING, num_facts=_BLOCK, **_names())
    world.fill()
    facts = tuple(fact.sentence for fact in world.facts)
    return facts, tuple(itertools.accumulate((len(tokenize(fact)) for fact in facts), initial=0))


@functools.cache
def _names():
    kinds = {"people": PEOPLE, "places": PLACES, "objects": OBJECTS}
    return {kind: tuple(name for name in names.words if name not in BABI_NAMES) for kind, names in kinds.items()}
