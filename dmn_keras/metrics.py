"""Metrics of answers, for `model.compile(metrics={"answer": ...})`."""

import keras
from keras import ops


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
    """

    def __init__(self, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true, y_pred, sample_weight=None):
        batch = ops.shape(y_pred)[0]
        said = ops.reshape(ops.argmax(y_pred, axis=-1), (batch, -1))
        words = ops.cast(ops.reshape(y_true, (batch, -1)), said.dtype)
        counts = ops.cast(ops.any(words > 0, axis=-1), "float32")
        right = ops.all(ops.logical_or(ops.equal(said, words), ops.equal(words, 0)), axis=-1)
        weight = counts if sample_weight is None else counts * ops.cast(sample_weight, "float32")
        super().update_state(ops.cast(right, "float32"), sample_weight=weight)
