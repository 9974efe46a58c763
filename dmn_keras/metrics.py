"""Metrics of answers, for `model.compile(metrics={"answer": ...})`."""

import keras
from keras import ops

from dmn_keras.losses import word_by_word

__all__ = ["AnswerAccuracy"]


@keras.saving.register_keras_serializable(package="dmn_keras")
class AnswerAccuracy(keras.metrics.Mean):
    """Share of questions answered exactly right: every word of the answer, up to and with its end word.

    Questions whose target holds no word (only id 0), such as the rows that fill up a batch, do not count.

    Call arguments:
        y_true: Ids, `(batch,)`, `(batch, 1)` or `(batch, words)`; places with id 0 do not count.
        y_pred: Logits, `(batch, vocabulary_size)` or `(batch, words, vocabulary_size)`.
        sample_weight: Optional weights, `(batch,)`.

    Returns:
        Scalar between 0 and 1.

    Raises:
        ValueError: If the shapes do not go together, as those of one-hot targets.
    """

    def __init__(self, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        words, logits = word_by_word(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
        answered = ops.cast(ops.argmax(logits, axis=-1), words.dtype)
        counts = ops.cast(ops.any(ops.not_equal(words, 0), axis=-1), "float32")
        right = ops.all(ops.logical_or(ops.equal(answered, words), ops.equal(words, 0)), axis=-1)
        weight = counts if sample_weight is None else counts * ops.cast(sample_weight, "float32")
        super().update_state(ops.cast(right, "float32"), sample_weight=weight)
