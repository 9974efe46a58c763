"""The state of a sequence at its true end."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.padding import count_to_end


@keras.saving.register_keras_serializable(package="dmn_keras")
class LastState(keras.layers.Layer):
    """The state at the true end of a sequence: the question vector, where the states are those of its words.

    In the DMN the question passes through the same embeddings and the same GRU as the story, so this layer has no
    weights of its own: it takes what `FactEncoder` makes of the question as a single sentence, a state per word,
    and keeps the last real one, `q = h_T` (Kumar et al. 2015, section 2.2).

    Masking: `mask` marks the real words. A question without any gives zeros. The result carries no mask.

    Call arguments:
        states: States, `(batch, words, units)`.
        mask: Boolean, `(batch, words)`, `True` for a real word; filled in by Keras. `None` means that
            all words are real.

    Returns:
        Questions, `(batch, units)`.

    Example:

    >>> encoder = dmn_keras.layers.FactEncoder(32)
    >>> words = keras.random.normal((2, 6, 16))  # 2 questions of 6 words
    >>> tuple(dmn_keras.layers.LastState()(encoder(words)).shape)
    (2, 32)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, equation 5.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, states, mask=None):
        if mask is None:
            return states[:, -1]
        # One-hot of the last real word; all zeros, and so a zero question, where there is none.
        last = ops.logical_and(mask, ops.equal(count_to_end(mask), 1))
        return ops.sum(ops.where(last[..., None], states, ops.zeros_like(states)), axis=1)

    def compute_mask(self, states, previous_mask=None):
        return None
