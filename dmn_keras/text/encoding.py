"""Sentences -> token ids."""

import functools
import logging
from collections.abc import Iterable

from dmn_keras.text.tokenizer import tokenize
from dmn_keras.text.vocabulary import END_ID, Vocabulary

_log = logging.getLogger(__name__)

MAX_WORDS = 256
"""Words of a sentence, or question, that are read; the rest is left out.

A padded batch is as wide as its longest sentence: one that goes on for pages would take the memory of its neighbours.
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


def num_cut(texts: Iterable[str]) -> int:
    """Return how many sentences are longer than is read."""
    return sum(len(tokenize(text)) > MAX_WORDS for text in texts)
