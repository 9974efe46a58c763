"""Sentences -> token ids."""

import functools
import itertools
import logging
from collections.abc import Iterable, Sequence

from dmn_keras.text.tokenizer import lower, tokenize
from dmn_keras.text.vocabulary import END_ID, UNKNOWN_ID, Vocabulary

_log = logging.getLogger(__name__)

MAX_WORDS = 256
"""Words of a sentence, or question, that are read; the rest is left out.

A padded batch is as wide as its longest sentence: one of several pages would take the memory of its neighbours.
"""


def sentence_ids(vocabulary: Vocabulary, text: str) -> tuple[int, ...]:
    """Encode one sentence; a longer one than `MAX_WORDS` is cut, with a warning in the log.

    Returns:
        Tuple of ids, ending with the end word.
    """
    ids = vocabulary.encode(text)
    if len(ids) > MAX_WORDS:
        _warn_of_cut(text, len(ids))
    return (*ids[:MAX_WORDS], END_ID)


@functools.lru_cache(maxsize=1 << 10)  # a sentence is named once
def _warn_of_cut(text, num_words):
    _log.warning("The first %d of the %d words are read of a sentence: %.60s...", MAX_WORDS, num_words, text)


def assign_placeholders(
    vocabulary: Vocabulary, story: Sequence[str], question: str
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Give the unknown words of a story and its question the placeholders of a vocabulary, one each.

    Where there are more words than placeholders, the question's come first, then those of the facts that hold one of
    these, from the last fact on, then those of the other facts; the rest stay the unknown word.

    Args:
        vocabulary: The vocabulary.
        story: The facts.
        question: The question.

    Returns:
        Dict of word, in lower case, to the id of its placeholder; and of each of these placeholders the word as it is
        written, where it comes first.
    """
    texts = [text for text in (*story, question) if UNKNOWN_ID in sentence_ids(vocabulary, text)]
    tokens = [tokenize(text)[:MAX_WORDS] for text in texts]
    written: dict[str, str] = {}
    for token in itertools.chain(*tokens):
        written.setdefault(lower(token), token)
    asked = [word for word in tokenize(question, lowercase=True)[:MAX_WORDS] if word not in vocabulary]
    last_first = [[lower(token) for token in of_text[::-1]] for of_text in tokens[::-1]]
    last_first.sort(key=set(asked).isdisjoint)
    unknown = [word for word in dict.fromkeys([*asked, *itertools.chain(*last_first)]) if word not in vocabulary]
    ids = dict(zip(unknown, vocabulary.placeholder_ids, strict=False))
    return ids, tuple(written[word] for word in ids)


def num_cut(texts: Iterable[str]) -> int:
    """Return how many sentences are longer than is read."""
    return sum(len(tokenize(text)) > MAX_WORDS for text in texts)
