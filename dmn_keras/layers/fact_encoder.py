"""Input module: embedded words -> facts."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.layers.gru import GRU
from dmn_keras.layers.padding import batched_gather, pack_order, static_shape, zero_where_padded
from dmn_keras.layers.weighted_layer import WeightedLayer


@keras.saving.register_keras_serializable(package="dmn_keras")
class FactEncoder(WeightedLayer):
    """Word GRU over the whole story, read at the sentence ends.

    The words of all sentences are packed into one sequence, without the padding between them, and pass
    through one GRU: `h_t = GRU(L[w_t], h_{t-1})`. The facts are its states at the last word of each sentence
    (Kumar et al. 2015, section 2.1). Where the input is a single sentence, every word's state is a fact.

    Packing moves all padding behind the last word, where a recurrence that runs forward cannot carry it into a
    real state. The GRU therefore needs no mask, and on a GPU it takes cuDNN whatever the sentences' lengths.

    Masking: `mask` marks the real words, anywhere in a sentence. The result's mask (`compute_mask`) marks
    the sentences, or words, that hold at least one of them; the other facts are exactly zero.

    Args:
        units: Positive integer, size of a fact.
        scope: `"story"` (2015): one GRU over all sentences, so that a fact knows what came before; `"sentence"`:
            the GRU starts anew with each sentence, so that a fact is that sentence alone. Defaults to `"story"`.
        recompute: Whether training keeps the states alone and computes what else its gradient needs again: less memory,
            more time. Defaults to `False`.
        **kwargs: Initializers and regularizers of the GRU (kernel, recurrent, bias), as in `keras.layers.GRU`, and
            arguments of every layer.

    Call arguments:
        words: Word vectors, `(batch, facts, words, dim)` for a story of sentences, or `(batch, words, dim)` for
            a single sentence.
        mask: Boolean, `(batch, facts, words)` or `(batch, words)`, `True` for a real word. Filled in by
            Keras where `words` comes from `Embedding(mask_zero=True)`. `None` means that all words are real.

    Returns:
        Facts, `(batch, facts, units)`; `(batch, words, units)` for a single sentence.

    Raises:
        ValueError: If `units` is no positive integer, or `words` has neither rank 3 nor rank 4.

    Example:

    >>> words = keras.random.normal((2, 5, 7, 16))  # 2 stories of 5 sentences of 7 words
    >>> tuple(dmn_keras.layers.FactEncoder(32)(words).shape)
    (2, 5, 32)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, equations 1 to 4. Deviation: Keras' GRU has a second bias, inside
        the reset gate's product, which cuDNN needs.
    """

    def __init__(self, units: int, *, scope: str = "story", recompute: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.scope = one_of("scope", scope, ("story", "sentence"))
        self.recompute = bool(recompute)
        self.supports_masking = True
        self.gru = GRU(self.units, recompute=self.recompute, name="gru", **self.sublayer_options())

    def build(self, words_shape):
        if len(words_shape) not in (3, 4):
            raise ValueError(
                "words must have shape (batch, facts, words, dim) or (batch, words, dim). "
                f"Received: words.shape={tuple(words_shape)}"
            )
        self.gru.build((words_shape[0], None, words_shape[-1]))

    def call(self, words, mask=None):
        if mask is None:
            mask = ops.ones(ops.shape(words)[:-1], dtype="bool")
        if len(words.shape) == 3:
            return self._fact_per_word(words, mask)
        return self._fact_per_sentence(words, mask)

    def _fact_per_word(self, words, mask):
        """Read every state; padding inside a sentence is packed behind it first and spread out again after."""
        order, position = pack_order(mask)
        states = self.gru(batched_gather(words, order))  # (B, W, U)
        return zero_where_padded(batched_gather(states, position), mask)

    def _fact_per_sentence(self, words, mask):
        batch, num_facts, num_words, dim = static_shape(words)
        if self.scope == "sentence":
            # Every sentence is a row of its own.
            rows = ops.reshape(words, (batch * num_facts, 1, num_words, dim))
            rows_mask = ops.reshape(mask, (batch * num_facts, 1, num_words))
            return ops.reshape(self._read_at_ends(rows, rows_mask), (batch, num_facts, self.units))
        return self._read_at_ends(words, mask)

    def _read_at_ends(self, words, mask):
        """Run the GRU over each row's sentences as one sequence and keep its states at the sentence ends."""
        batch, num_facts, num_words, dim = static_shape(words)
        order, _ = pack_order(ops.reshape(mask, (batch, num_facts * num_words)))
        packed = batched_gather(ops.reshape(words, (batch, num_facts * num_words, dim)), order)
        states = self.gru(packed)  # (B, F * W, U)
        real_words = ops.sum(ops.cast(mask, "int32"), axis=-1)  # (B, F)
        ends = ops.maximum(ops.cumsum(real_words, axis=1) - 1, 0)
        return zero_where_padded(batched_gather(states, ends), ops.any(mask, axis=-1))

    def compute_output_shape(self, words_shape):
        # Without it Keras traces `call`, which PyTorch does step by step over thousands of stand-in words.
        return (*words_shape[:2], self.units)

    def compute_mask(self, words, previous_mask=None):
        if previous_mask is None or len(words.shape) == 3:
            return previous_mask
        return ops.any(previous_mask, axis=-1)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "scope": self.scope, "recompute": self.recompute}
