"""Token ids of an answer -> the answer as the training data writes it."""

import collections
import itertools

from dmn_keras.text.tokenizer import normalize, tokenize

_DIGITS, _WORD, _SYMBOL = range(3)


class WrittenAnswers:
    """Write answers as the data does.

    An answer of the data comes back as it stands there. Another one is put together: each word in the form that it has
    in the data's commonest answer with it, and without a blank between two words where most answers join words of
    these kinds: digits, letters, or each symbol by itself.

    Args:
        words: The words by id.
        answers: Pairs of ids and text, the commonest first.

    Attributes:
        texts: Dict of a tuple of ids to the answer of the data.
        forms: List of the written form of each word, by id.
        kinds: List of the kind of each word, by id, from 0.
        joined: Set of pairs of kinds that stand without a blank between them.
    """

    def __init__(self, words, answers):
        self.texts, forms, kinds, votes = {}, {}, {}, collections.Counter()
        for ids, text in answers:
            self.texts.setdefault(tuple(ids), text)
            written = tokenize(text)
            for index, form in zip(ids, written, strict=True):
                forms.setdefault(index, form)
                if _kind(form) == _SYMBOL:
                    kinds.setdefault(form, _SYMBOL + 1 + len(kinds))
            for first, second, is_joined in _pairs(normalize(text), written):
                votes[kinds.get(first, _kind(first)), kinds.get(second, _kind(second))] += 1 if is_joined else -1
        self.forms = [forms.get(index, word) for index, word in enumerate(words)]
        self.kinds = [kinds.get(word, _kind(word)) for word in words]
        self.joined = {pair for pair, count in votes.items() if count > 0}

    def __call__(self, ids, placeholders):
        """Return the answer of these ids, without padding and the end word, as text.

        Args:
            ids: The ids.
            placeholders: Dict of an id to the word that a story writes in its place.
        """
        if tuple(ids) in self.texts:
            return self.texts[tuple(ids)]
        forms = [placeholders.get(index, self.forms[index]) for index in ids]
        parts = forms[:1]
        for (previous, index), form in zip(itertools.pairwise(ids), forms[1:], strict=True):
            joined = (self.kinds[previous], self.kinds[index]) in self.joined
            parts += ("" if joined else " ", form)
        return "".join(parts)


def _kind(word):
    if len(word) > 1 and word[0] == "<":  # a placeholder, which stands for a word
        return _WORD
    return _DIGITS if word.isdecimal() else _WORD if word[0].isalnum() else _SYMBOL


def _pairs(text, words):
    """Yield each two neighbouring words of a text, and whether nothing stands between them."""
    end = 0
    for first, second in itertools.pairwise(words):
        end = text.index(first, end) + len(first)
        yield first, second, text.startswith(second, end)
