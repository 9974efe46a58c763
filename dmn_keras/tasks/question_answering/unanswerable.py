"""Questions that a story does not answer, made from those that one does."""

import collections
import dataclasses
import random

from dmn_keras.text import tokenize

_COMMON = 0.4  # words in this fraction of a task's sentences carry its grammar: "the", "to", "went"


def common_words(examples):
    """Return the words that occur in a large fraction of the own sentences of these questions' stories, a set."""
    sentences = [sentence for example in examples for sentence in example.own_sentences]
    counts = collections.Counter(word for sentence in sentences for word in set(tokenize(sentence, lowercase=True)))
    return {word for word, count in counts.items() if count >= _COMMON * len(sentences)}


def without_answer(example, common):
    """Remove from a story what its question needs.

    Left out are the supporting facts, and every sentence that shares with the question a word that is not common: an
    older fact about the same person would answer the question too, if not rightly. A name in two of five sentences of
    a task counts as a common word, and the sentences about it stay: do not use this on stories about one person.

    Args:
        example: The `Example`.
        common: Words that say nothing about what a question is about, from `common_words`.

    Returns:
        The `Example` with the other sentences and without supporting facts, or `None` if none or all are left.
    """
    asked = set(tokenize(example.question, lowercase=True)) - common
    kept = {
        i: sentence
        for i, sentence in enumerate(example.story)
        if i not in example.supporting_facts and not asked.intersection(tokenize(sentence, lowercase=True))
    }
    if len(kept) in (0, len(example.story)):
        return None
    own = example.story_positions and tuple(new for new, old in enumerate(kept) if old in example.story_positions)
    return dataclasses.replace(example, story=tuple(kept.values()), supporting_facts=(), story_positions=own)


def unanswerable(examples, fraction, seed):
    """Ask some of a task's questions again, of stories without the sentences that share an uncommon word with them.

    Supporting facts are ignored, so that a model that learns from answers alone may learn from these too.

    Args:
        examples: List of `Example` of one task.
        fraction: Fraction of them, from 0 to 1; fewer where nothing of a story is left.
        seed: Integer.

    Returns:
        List of `Example`, without answers.
    """
    chosen = random.Random(seed).sample(examples, round(fraction * len(examples)))
    common = common_words(examples) if chosen else set()
    cut = (without_answer(dataclasses.replace(e, supporting_facts=(), answer=()), common) for e in chosen)
    return [example for example in cut if example is not None]
