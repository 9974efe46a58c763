"""Metrics of answers and labels, for `model.compile(metrics={"answer": ...})`."""

from typing import Any

import keras
from keras import ops

from dmn_keras.losses import classes_of, word_by_word

__all__ = ["AnswerAccuracy", "LabelAccuracy"]


@keras.saving.register_keras_serializable(package="dmn_keras")
class AnswerAccuracy(keras.metrics.Mean):
    """Fraction of questions answered exactly right: every word of the answer, up to and with its end word.

    Questions whose target holds no word (only id 0), such as the padding rows of a batch, do not count.

    Args:
        unknown_id: Id of the unknown word: an answer with it counts as wrong, since the word itself is not given.
            Defaults to `None`, for none.

    Call arguments:
        y_true: Ids, `(batch,)`, `(batch, 1)` or `(batch, words)`; places with id 0 do not count.
        y_pred: Logits, `(batch, vocabulary_size)` or `(batch, words, vocabulary_size)`.
        sample_weight: Optional weights, `(batch,)`.

    Returns:
        Scalar between 0 and 1.

    Raises:
        ValueError: If the shapes do not go together, as those of one-hot targets.
    """

    def __init__(self, name: str = "accuracy", *, unknown_id: int | None = None, **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.unknown_id = unknown_id

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        words, logits = word_by_word(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
        answered = ops.cast(ops.argmax(logits, axis=-1), words.dtype)
        counts = ops.cast(ops.any(ops.not_equal(words, 0), axis=-1), "float32")
        right = ops.all(ops.logical_or(ops.equal(answered, words), ops.equal(words, 0)), axis=-1)
        if self.unknown_id is not None:
            right = ops.logical_and(right, ops.all(ops.not_equal(words, self.unknown_id), axis=-1))
        weight = counts if sample_weight is None else counts * ops.cast(sample_weight, "float32")
        super().update_state(ops.cast(right, "float32"), sample_weight=weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "unknown_id": self.unknown_id}


@keras.saving.register_keras_serializable(package="dmn_keras")
class LabelAccuracy(keras.metrics.Mean):
    """Fraction of the classes that are right: of examples, or of words.

    Call arguments:
        y_true: Classes, `(batch,)` or `(batch, words)`, or with a further axis of size 1; below 0, as where padded,
            they do not count. A class that is beyond those of the logits counts as wrong.
        y_pred: Logits, `(batch, classes)` or `(batch, words, classes)`.
        sample_weight: Optional, `(batch,)`: examples of weight 0 do not count, all others count alike.

    Returns:
        Scalar between 0 and 1.

    Raises:
        ValueError: If the shapes do not go together, as those of one-hot targets.
    """

    def __init__(self, name: str = "accuracy", **kwargs: Any):
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        classes = classes_of(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
        counts = classes >= 0
        if sample_weight is not None:
            weight = ops.reshape(ops.convert_to_tensor(sample_weight), (-1, *[1] * (len(classes.shape) - 1)))
            counts = ops.logical_and(counts, weight > 0)
        right = ops.equal(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), classes)
        # In one row: of more axes Keras takes the mean of each example first.
        right, counts = (ops.reshape(ops.cast(values, "float32"), (-1,)) for values in (right, counts))
        super().update_state(right, sample_weight=counts)
