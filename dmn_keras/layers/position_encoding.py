"""Input module of the DMN+: a sentence is the position-weighted sum of its word vectors."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="dmn_keras")
class PositionEncoding(keras.layers.Layer):
    """Position encoding: word order without a recurrence.

    A sentence of `M` words `w_1 .. w_M` of dimension `D` becomes `f = sum_j l_j * w_j` with
    `l_jd = (1 - j / M) - (d / D) (1 - 2 j / M)`. `M` is each sentence's own length.

    Masking: `mask` marks the real words; `j` counts them alone. The result's mask (`compute_mask`) marks the sentences
    that hold at least one, the others are exactly zero.

    Call arguments:
        words: Word vectors, `(batch, facts, words, dim)`.
        mask: Boolean, `(batch, facts, words)`, `True` for a real word; filled in by Keras. `None` means that all
            words are real.

    Returns:
        Facts, `(batch, facts, dim)`.

    Raises:
        ValueError: If `words` has not rank 4.

    Example:

    >>> words = keras.random.normal((2, 5, 7, 16))  # 2 stories of 5 sentences of 7 words
    >>> tuple(dmn_keras.layers.PositionEncoding()(words).shape)
    (2, 5, 16)

    Reference:
        Xiong et al. 2016, arXiv:1603.01417, section 3.1.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, words_shape):
        if len(words_shape) != 4:
            raise ValueError(
                f"words must have shape (batch, facts, words, dim). Received: words.shape={tuple(words_shape)}"
            )

    def call(self, words, mask=None):
        return ops.sum(self.weigh(words, mask), axis=-2)

    def weigh(self, words: Any, mask: Any = None) -> Any:
        """Return the terms `l_j * w_j` of the sum, `(batch, facts, words, dim)`, zero where padded."""
        # In float32 also under mixed precision: half of it has no range on TensorFlow, and few places between 0 and 1.
        dtype = "float64" if words.dtype == "float64" else "float32"
        real = ops.ones_like(words[..., 0], dtype=dtype) if mask is None else ops.cast(mask, dtype)
        j = ops.cumsum(real, axis=-1)
        length = ops.maximum(ops.sum(real, axis=-1, keepdims=True), 1)  # M
        place = (j / length)[..., None]  # (B, F, W, 1)
        dim = words.shape[-1]
        d = ops.arange(1, dim + 1, dtype=dtype) / dim
        weights = ops.cast((1 - place) - d * (1 - 2 * place), words.dtype)
        return ops.where(real[..., None] > 0, weights * words, ops.zeros_like(words))

    def compute_mask(self, words, previous_mask=None):
        return None if previous_mask is None else ops.any(previous_mask, axis=-1)
