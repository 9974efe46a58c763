"""Training on words that do not matter: placeholders take the place of words, anew in each epoch."""

from collections.abc import Mapping

import numpy as np

from dmn_keras.text import SPECIAL_WORDS


class PlaceholderAugmentation:
    """Replaces words of a batch by placeholders, so that a model learns what it cannot know of words it has never met.

    The placeholders that a story's unknown words have are exchanged for others at random, and so are some of the words
    of the story that the model knows: wherever they occur in story, question or answer, and of each story as many as
    a fraction drawn between 0 and `fraction` makes. Some of these become other words that the model knows, so that it
    learns to answer with a name in whatever kind of story. No two words of a story become one.

    Args:
        placeholder_ids: Range of the ids of the placeholders, the last ones of the vocabulary.
        fraction: Greatest fraction of the known words of a story that are replaced, from 0 to 1.
        known_fraction: Fraction of the replaced words that become known words, which story, question and answer lack,
            rather than placeholders. Defaults to 0.

    Call arguments:
        inputs: Dict with ids `"story"`, int32 `(batch, facts, words)`, and `"question"`, `(batch, words)`.
        targets: Dict, which may have ids `"answer"`, `(batch,)` or `(batch, words)`.
        rng: The `numpy.random.Generator`.

    Returns:
        Inputs and targets with other ids; further ones as they are.

    Example:

    >>> augment = PlaceholderAugmentation(range(20, 24), 0.5)
    >>> inputs = {"story": np.array([[[5, 6, 2], [20, 6, 2]]]), "question": np.array([[6, 20, 2]])}
    >>> inputs, targets = augment(inputs, {"answer": np.array([5])}, np.random.default_rng(1))
    """

    def __init__(self, placeholder_ids: range, fraction: float, known_fraction: float = 0.0):
        self.placeholder_ids = placeholder_ids
        self.fraction = fraction
        self.known_fraction = known_fraction

    def __call__(
        self, inputs: Mapping[str, np.ndarray], targets: Mapping[str, np.ndarray], rng: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        texts = (inputs["story"], inputs["question"], targets.get("answer", inputs["question"]))
        exchange = self._exchange(*(ids.reshape(len(ids), -1) for ids in texts), rng=rng)

        def exchanged(arrays, names):
            rows = np.arange(len(exchange))
            return {
                name: exchange[rows.reshape(-1, *[1] * (array.ndim - 1)), array] if name in names else array
                for name, array in arrays.items()
            }

        return exchanged(inputs, ("story", "question")), exchanged(targets, ("answer",))

    def _exchange(self, story, question, answer, *, rng):
        """Return the new id of each id, int32 `(batch, vocabulary_size)`; the texts are ids `(batch, words)`."""
        batch, first, stop = len(story), self.placeholder_ids.start, self.placeholder_ids.stop
        rows = np.arange(batch)[:, None]
        chosen = np.zeros((batch, stop), bool)
        chosen[rows, story] = True
        chosen[:, :first] &= rng.random((batch, first)) < self.fraction * rng.random((batch, 1))
        chosen[rows, question] |= question >= first
        chosen[:, : len(SPECIAL_WORDS)] = False
        exchange = np.tile(np.arange(stop, dtype="int32"), (batch, 1))

        # Placeholders come first, then known words in a random order, as long as there are placeholders.
        row, word = np.nonzero(chosen)
        order = np.lexsort((rng.random(len(word)), word < first, row))
        row, word = row[order], word[order]
        drawn = rng.permuted(np.tile(np.arange(first, stop, dtype="int32"), (batch, 1)), axis=1)
        becomes_known = np.zeros(len(word), bool)
        if self.known_fraction:
            becomes_known = (word < first) & (rng.random(len(word)) < self.known_fraction)
            lacking = np.ones((batch, stop), bool)
            lacking[rows, np.concatenate([story, question, answer], axis=1)] = False
            lacking[:, : len(SPECIAL_WORDS)] = False
            lacking = lacking[:, :first]
            known = np.argsort(np.where(lacking, rng.random((batch, first)), 1.0), axis=1).astype("int32")
            _fill(exchange, row[becomes_known], word[becomes_known], known, lacking.sum(axis=1))
        _fill(exchange, row[~becomes_known], word[~becomes_known], drawn, np.full(batch, stop - first))
        return exchange


def _fill(exchange, row, word, new, count):
    """Give the words of each row, in their order, the first `count` ids of `new`; words beyond them stay."""
    rank = np.arange(len(row)) - np.searchsorted(row, row)
    fits = rank < count[row]
    exchange[row[fits], word[fits]] = new[row[fits], rank[fits]]
