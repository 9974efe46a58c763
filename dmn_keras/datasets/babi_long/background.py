"""A story inserted into a background text."""

import bisect
import dataclasses
import functools
import itertools
from collections.abc import Sequence

from dmn_keras.datasets.stories.rng import Random
from dmn_keras.text import split_sentences, tokenize
from dmn_keras.utils.files import atomic
from dmn_keras.utils.lines import shorten


class LongStory(Sequence):
    """The sentences of a story and of its background text, each made or read when it is asked for.

    Args:
        facts: The story's own sentences, in order.
        positions: The index that each of them has in the long story, rising.
        background: The background text, `Books` or `DistractorFacts`.
        start: Index in it of the first sentence; the others follow as there.
        num_tokens: Tokens of all sentences.
        length: Number of all sentences.
        repeats: How often the first sentence of the background text comes again, because the books are shorter than the
            text: the rounds through all books that were begun after the first. 0 if none of them is repeated.
    """

    def __init__(self, facts, positions, background, *, start, num_tokens, length, repeats):
        self.facts, self.positions, self.background, self.start = tuple(facts), tuple(positions), background, start
        self.num_tokens, self.length, self.repeats = num_tokens, length, repeats

    def __repr__(self):
        # Equal stories have one `repr` in every process, by which workers compare their questions.
        shown = ("facts", "positions", "background", "start", "num_tokens")
        return f"LongStory({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(self.length)))
        if not -self.length <= index < self.length:
            raise IndexError(f"index {index} is outside of a story of {self.length} sentences.")
        index %= self.length
        before = bisect.bisect_left(self.positions, index)
        if before < len(self.facts) and self.positions[before] == index:
            return self.facts[before]
        return self.background.at(self.start + index - before)

    def __iter__(self):
        others = map(self.background.at, itertools.count(self.start))
        begin = 0
        for position, fact in zip(self.positions, self.facts, strict=True):
            yield from itertools.islice(others, position - begin)
            yield fact
            begin = position + 1
        yield from itertools.islice(others, self.length - begin)


def insert_into_background(example, background, num_tokens, seed):
    """Insert a story into a background text.

    The text begins at a sentence drawn at random and continues as it stands, in whole sentences, as far as the length
    allows. All places of the facts in it are equally likely; their order stays.

    Args:
        example: The `Example`.
        background: The background text, `Books` or `DistractorFacts`.
        num_tokens: Most tokens of the long story, its own included; it falls short of them by less than the sentence
            that comes next. 0 for the story alone.
        seed: Anything `np.random.default_rng` takes. Equal arguments give equal stories on every platform.

    Returns:
        The `Example`: `story` a `LongStory`, `supporting_facts` and `story_positions` indexes into it. For 0 tokens the
        story as it is, all facts its own.

    Raises:
        ValueError: If `num_tokens` is negative, or too few for the story itself.
    """
    story_positions = range(len(example.story)) if example.story_positions is None else example.story_positions
    if num_tokens == 0:
        return dataclasses.replace(example, story_positions=tuple(story_positions))
    own = count_tokens(example.story)
    if num_tokens < own:
        raise ValueError(
            f"num_tokens must be 0, for the story alone, or at least the {own} tokens of the story. "
            f"Received: num_tokens={num_tokens}."
        )
    draws = Random(seed)
    start = draws.randbelow(background.num_starts)
    count, tokens, repeats = background.fit(start, num_tokens - own)
    length = len(example.story) + count
    positions = _places(draws, len(example.story), length)
    story = LongStory(
        example.story, positions, background, start=start, num_tokens=own + tokens, length=length, repeats=repeats
    )
    return dataclasses.replace(
        example,
        story=story,
        supporting_facts=tuple(positions[fact] for fact in example.supporting_facts),
        story_positions=tuple(positions[fact] for fact in story_positions),
    )


def count_tokens(story):
    """Return the tokens of a story's sentences."""
    return sum(map(_num_tokens, story))


@functools.lru_cache(maxsize=1 << 16)
def _num_tokens(sentence):
    return len(tokenize(sentence))


def write_text(story, path):
    """Write a story as a text file in UTF-8, a sentence a line, without holding it in memory.

    The file appears when it is complete; one that was there is replaced. `dmn_keras.text.read_sentences` gives the
    same sentences.

    Args:
        story: Iterable of sentences.
        path: The file to write.

    Raises:
        ValueError: If a sentence would be read as several, or as none; nothing is written then.
        OSError: If the file cannot be written.
    """
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for number, sentence in enumerate(story, start=1):
            if split_sentences(sentence) != [sentence]:
                raise ValueError(f"sentence {number} must be one sentence. Received: {shorten(sentence)}.")
            if number == 1 and sentence.startswith("\ufeff"):
                file.write("\ufeff")  # the first byte order mark would be taken for the file's
            file.write(f"{sentence}\n")


def _places(draws, count, length):
    """Draw `count` different indexes below `length`, all sets of them with equal chances, and sort them.

    Floyd's way: the work is that of `count`, however long the story.
    """
    places = set()
    for last in range(length - count, length):
        place = draws.randbelow(last + 1)
        places.add(last if place in places else place)
    return sorted(places)
