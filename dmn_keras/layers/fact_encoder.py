"""Input module: embedded words -> facts."""

import keras
from keras import ops

from dmn_keras.layers.checks import positive_integer


@keras.saving.register_keras_serializable(package="dmn_keras")
class FactEncoder(keras.layers.Layer):
    """Word GRU over the whole story, read at the sentence ends.

    The words of all sentences are packed into one sequence, without the padding between them, and pass
    through one GRU: `h_t = GRU(L[w_t], h_{t-1})`. The facts are its states at the last word of each sentence
    (Kumar et al. 2015, section 2.1). Where the input is a single sentence, every word's state is a fact.

    Packing moves all padding behind the last word, where a recurrence that runs forward cannot carry it into a
    real state. The GRU therefore needs no mask, and on a GPU it takes cuDNN whatever the sentences' lengths.

    Masking: `words_mask` marks the real words, anywhere in a sentence. The result's mask (`compute_mask`) marks
    the sentences, or words, that hold at least one of them; the other facts are exactly zero.

    Args:
        units: Positive integer, size of a fact.
        kernel_regularizer: Regularizer of the GRU's input and recurrent kernels. Defaults to `None`.

    Call arguments:
        words: Word vectors, `(batch, facts, words, dim)` for a story of sentences, or `(batch, words, dim)` for
            a single sentence.
        words_mask: Boolean, `(batch, facts, words)` or `(batch, words)`, `True` for a real word. Filled in by
            Keras where `words` comes from `Embedding(mask_zero=True)`. `None` means that all words are real.

    Returns:
        Facts, `(batch, facts, units)`; `(batch, words, units)` for a single sentence.

    Raises:
        ValueError: If `units` is no positive integer, or `words` has neither rank 3 nor rank 4.

    Example:

    >>> words = keras.random.normal((2, 5, 7, 16))  # 2 stories of 5 sentences of 7 words
    >>> dmn_keras.layers.FactEncoder(32)(words).shape
    (2, 5, 32)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, equations 1 to 4. Deviation: Keras' GRU has a second bias, inside
        the reset gate's product, which cuDNN needs.
    """

    def __init__(self, units, *, kernel_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True
        self.gru = keras.layers.GRU(
            units,
            return_sequences=True,
            kernel_regularizer=self.kernel_regularizer,
            recurrent_regularizer=self.kernel_regularizer,
            dtype=self.dtype_policy,
            name="gru",
        )

    def build(self, words_shape):
        if len(words_shape) not in (3, 4):
            raise ValueError(
                "words must have shape (batch, facts, words, dim) or (batch, words, dim). "
                f"Received: words.shape={tuple(words_shape)}"
            )
        self.gru.build((words_shape[0], None, words_shape[-1]))

    def call(self, words, words_mask=None):
        if words_mask is None:
            words_mask = ops.ones(ops.shape(words)[:-1], dtype="bool")
        if len(words.shape) == 3:
            return self._fact_per_word(words, words_mask)
        return self._fact_per_sentence(words, words_mask)

    def _fact_per_word(self, words, words_mask):
        """Read every state; padding inside a sentence is packed behind it first and spread out again after."""
        order, position = _packing(words_mask)
        states = self.gru(_take_rows(words, order))  # (B, W, U)
        return _zero_where_padded(_take_rows(states, position), words_mask)

    def _fact_per_sentence(self, words, words_mask):
        batch, num_facts, num_words, dim = _shape(words)
        order, position = _packing(ops.reshape(words_mask, (batch, num_facts * num_words)))
        packed = _take_rows(ops.reshape(words, (batch, num_facts * num_words, dim)), order)
        states = self.gru(packed)  # (B, F * W, U)
        position = ops.reshape(position, (batch, num_facts, num_words))
        ends = ops.max(ops.where(words_mask, position, 0), axis=-1)  # (B, F)
        return _zero_where_padded(_take_rows(states, ends), ops.any(words_mask, axis=-1))

    def compute_mask(self, words, previous_mask=None):
        if previous_mask is None or len(words.shape) == 3:
            return previous_mask
        return ops.any(previous_mask, axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


def _shape(tensor):
    """Return the shape with each dimension as an integer where it is known, else as a scalar tensor."""
    dynamic = ops.shape(tensor)
    return tuple(dynamic[i] if size is None else size for i, size in enumerate(tensor.shape))


def _packing(mask):
    """Tell how to move the real positions of each row to its front, in their order.

    Args:
        mask: Boolean, `(batch, positions)`.

    Returns:
        Two integer tensors of the mask's shape: `order[b, k]` is the position that comes to place `k`, the real
        ones first; `place[b, p]` is the place that position `p` comes to, so that the second undoes the first.
    """
    real = ops.cast(mask, "int32")
    num_real = ops.sum(real, axis=1, keepdims=True)
    among_real = ops.cumsum(real, axis=1) - 1
    among_padding = ops.cumsum(1 - real, axis=1) - 1 + num_real
    place = ops.where(mask, among_real, among_padding)
    return ops.argsort(place, axis=1), place


def _take_rows(values, index):
    """Take `values[b, index[b, k]]` of `(batch, positions, dim)` for an index `(batch, k)`."""
    batch, num_positions, dim = _shape(values)
    offset = ops.expand_dims(ops.arange(batch, dtype="int32") * num_positions, 1)
    flat = ops.reshape(values, (batch * num_positions, dim))
    return ops.take(flat, ops.cast(index, "int32") + offset, axis=0)


def _zero_where_padded(values, mask):
    return ops.where(mask[..., None], values, ops.zeros_like(values))
