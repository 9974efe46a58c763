"""Examples -> arrays of token ids."""

import dataclasses
import functools
import itertools
import logging

import numpy as np

from dmn_keras.text.vocabulary import END_ID

_log = logging.getLogger(__name__)

MAX_WORDS = 256
"""Words of a sentence, or question, that are read; the rest is left out.

A padded batch is as wide as its longest sentence: one that goes on for pages would take the memory of its neighbours.
"""


@dataclasses.dataclass(frozen=True)
class EncodedExample:
    """One example as ids, not yet padded.

    Attributes:
        story: Ids of each sentence, ending with the end word.
        question: Ids of the question, ending with the end word.
        answer: Ids of the answer's words, without the end word.
        supporting_facts: Indexes into `story`, in the order of reasoning.
        own_facts: Indexes into `story` of the sentences that belong to the story itself, where it is hidden among
            others; None for all.
    """

    story: tuple[tuple[int, ...], ...]
    question: tuple[int, ...]
    answer: tuple[int, ...]
    supporting_facts: tuple[int, ...]
    own_facts: tuple[int, ...] | None = None


class Encoder:
    """Turn examples into token ids with one vocabulary.

    Args:
        vocabulary: The `Vocabulary`.
        max_facts: Keep only the last `max_facts` sentences of a longer story; supporting facts and own facts that are
            cut off are dropped. `None` keeps all.
        fact_level: `"sentence"`, or `"word"` to join the story into one sentence whose words are the facts;
            supporting facts and own facts, which name sentences, are dropped then. Words that are facts are all read,
            of a sentence that is a fact the first `MAX_WORDS`.
    """

    def __init__(self, vocabulary, *, max_facts=None, fact_level="sentence"):
        self.vocabulary = vocabulary
        self.max_facts = max_facts
        self.fact_level = fact_level
        self._sentences = {}

    def __call__(self, example):
        """Return the `EncodedExample` of a `dmn_keras.datasets.Example`."""
        kept = example.story if self.max_facts is None else example.story[-self.max_facts :]
        cut = len(example.story) - len(kept)
        story = tuple(self.sentence(text) for text in kept)
        facts = tuple(fact - cut for fact in example.supporting_facts if fact >= cut)
        own = None if example.own_facts is None else tuple(fact - cut for fact in example.own_facts if fact >= cut)
        if self.fact_level == "word":
            story, facts, own = (tuple(index for sentence in story for index in sentence),), (), None
        answer = tuple(self.vocabulary.encode(example.answer_text))
        return EncodedExample(story, self.sentence(example.question), answer, facts, own)

    def sentence(self, text):
        """Return the ids of one sentence, ending with the end word."""
        # bAbI says the same few thousand sentences a million times.
        if text not in self._sentences:
            max_words = None if self.fact_level == "word" else MAX_WORDS
            self._sentences[text] = sentence_ids(self.vocabulary, text, max_words)
        return self._sentences[text]


def sentence_ids(vocabulary, text, max_words=MAX_WORDS):
    """Encode one sentence; a longer one than `max_words` is cut, with a warning in the log.

    Args:
        vocabulary: The `Vocabulary`.
        text: The sentence.
        max_words: Most words that are read, `None` for all. Defaults to `MAX_WORDS`.

    Returns:
        Tuple of ids, ending with the end word.
    """
    ids = vocabulary.encode(text)
    if max_words is not None and len(ids) > max_words:
        _warn_of_cut(text, len(ids), max_words)
    return (*ids[:max_words], END_ID)


@functools.lru_cache(maxsize=1 << 10)  # a sentence is named once
def _warn_of_cut(text, num_words, max_words):
    _log.warning("The first %d of the %d words are read of a sentence: %.60s...", max_words, num_words, text)


def pad_sentences(stories, num_facts, num_words):
    """Pad stories to one array.

    Args:
        stories: Sequence of stories, each a sequence of sentences of ids.
        num_facts: Sentences a story is padded, or cut off, to.
        num_words: Words a sentence is padded to.

    Returns:
        int32 array `(stories, num_facts, num_words)`, 0 where padded.

    Raises:
        ValueError: If a sentence has more words than `num_words`.
    """
    stories = [story[:num_facts] for story in stories]
    sentences = list(itertools.chain.from_iterable(stories))
    lengths = np.zeros((len(stories), num_facts), dtype="int32")
    lengths[_first(num_facts, _lengths(stories))] = _lengths(sentences)
    if sentences and lengths.max() > num_words:
        raise ValueError(f"num_words must be at least the longest sentence's, {lengths.max()}. Received: {num_words}")
    padded = np.zeros((len(stories), num_facts, num_words), dtype="int32")
    padded[_first(num_words, lengths)] = np.fromiter(itertools.chain.from_iterable(sentences), "int32", lengths.sum())
    return padded


def _lengths(sequences):
    return np.fromiter(map(len, sequences), "int32", len(sequences))


def _first(size, counts):
    """Return a boolean array `(*counts.shape, size)`, True in each row's first places, as many as `counts` says."""
    return np.arange(size) < counts[..., None]


def pad_ids(sequences, length):
    """Pad sequences of ids to one int32 array `(sequences, length)`, 0 where padded."""
    padded = np.zeros((len(sequences), length), dtype="int32")
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded
