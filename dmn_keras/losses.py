"""Losses of answers, gates and labels, for `model.compile(loss={"answer": ..., "gate_logits": ...})`."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import one_of

__all__ = ["AnswerCrossentropy", "GateCrossentropy", "LabelCrossentropy"]


@keras.saving.register_keras_serializable(package="dmn_keras")
class AnswerCrossentropy(keras.losses.Loss):
    """Negative log-likelihood of the right answer, a mean over the batch.

    For an answer of several words it is the sum over them, the end word included: the log-likelihood of the answer as
    a whole.

    Call arguments:
        y_true: Ids, `(batch,)`, `(batch, 1)` or `(batch, words)`; places with id 0 do not count.
        y_pred: Logits, `(batch, vocabulary_size)` or `(batch, words, vocabulary_size)`.

    Returns:
        Scalar in nats; NaN where a number is no id of the vocabulary.

    Raises:
        ValueError: If the shapes do not go together, as those of one-hot targets.
    """

    def __init__(self, name: str = "answer_crossentropy", **kwargs: Any):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        y_true, y_pred = word_by_word(y_true, y_pred)
        words = ops.clip(ops.cast(y_true, "int32"), 0, y_pred.shape[-1] - 1)
        chosen = ops.take_along_axis(ops.log_softmax(y_pred), words[..., None], axis=-1)[..., 0]
        chosen = ops.where(ops.equal(ops.cast(words, y_true.dtype), y_true), chosen, float("nan"))
        return -ops.sum(ops.where(ops.equal(y_true, 0), ops.zeros_like(chosen), chosen), axis=-1)


def word_by_word(y_true, y_pred):
    """Bring targets and logits to one form, whatever the number of an answer's words.

    Args:
        y_true: Ids, `(batch,)`, `(batch, 1)` or `(batch, words)`.
        y_pred: Logits, `(batch, vocabulary_size)` or `(batch, words, vocabulary_size)`.

    Returns:
        Ids, `(batch, words)`, and logits, `(batch, words, vocabulary_size)`.

    Raises:
        ValueError: If the shapes do not go together.
    """
    true, pred = tuple(y_true.shape), tuple(y_pred.shape)
    several = len(pred) == 3
    expected = pred[:2] if several else (pred[0], 1)
    ranks = (2,) if several else (1, 2)
    fits = all(a == b or None in (a, b) for a, b in zip(true, expected, strict=False))
    if len(pred) not in (2, 3) or len(true) not in ranks or not fits:
        raise ValueError(
            f"y_true must hold the ids of words, of shape {'(batch, words)' if several else '(batch,) or (batch, 1)'}, "
            f"for logits of shape (batch, {'words, ' * several}vocabulary_size); one-hot targets become ids by "
            f"y_true.argmax(-1). Received: y_true.shape={true}, y_pred.shape={pred}"
        )
    if several:
        return y_true, y_pred
    return ops.reshape(y_true, (ops.shape(y_pred)[0], 1)), y_pred[:, None]


@keras.saving.register_keras_serializable(package="dmn_keras")
class GateCrossentropy(keras.losses.Loss):
    """Cross-entropy between gate logits and the supporting facts, summed over passes, a mean over the batch.

    - `activation="softmax"`: `-sum_t y_t log softmax(l)_t`, with targets that sum to 1 in each pass;
    - `activation="sigmoid"`: `-sum_t (y_t log sigmoid(l_t) + (1 - y_t) log sigmoid(-l_t))`, each gate on its own.

    Computed on logits it has a gradient also where a gate is confidently wrong. Targets below 0 mean "not known" and do
    not count. A padded fact, whose logit is very low, costs nothing with target 0 or -1. With `activation="sigmoid"`
    the same loss serves the outputs `"stop_logits"` and `"retriever_logits"`.

    Args:
        activation: `"softmax"` or `"sigmoid"`, as the gates are made of the logits.

    Call arguments:
        y_true: Targets between 0 and 1, or -1, of the shape of `y_pred`.
        y_pred: Gate logits, `(batch, passes, facts)`, or those of stops, `(batch, passes)`.

    Returns:
        Scalar in nats.

    Raises:
        ValueError: If `activation` is unknown.

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, section 2.5, E_CE(Gates).
    """

    def __init__(self, activation: str = "softmax", name: str = "gate_crossentropy", **kwargs: Any):
        super().__init__(name=name, **kwargs)
        self.activation = one_of("activation", activation, ("softmax", "sigmoid"))

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, y_pred.dtype)
        known = ops.maximum(y_true, 0.0)
        if self.activation == "softmax":
            loss = -known * ops.log_softmax(y_pred)
        else:
            negative = ops.where(y_true < 0, ops.zeros_like(y_true), 1.0 - y_true)
            loss = -known * ops.log_sigmoid(y_pred) - negative * ops.log_sigmoid(-y_pred)
        return ops.sum(ops.reshape(loss, (ops.shape(y_pred)[0], -1)), axis=-1)

    def get_config(self):
        return {**super().get_config(), "activation": self.activation}


@keras.saving.register_keras_serializable(package="dmn_keras")
class LabelCrossentropy(keras.losses.Loss):
    """Negative log-likelihood of the right classes: a sum over the words of an example, a mean over the batch.

    Call arguments:
        y_true: Classes, `(batch,)` or `(batch, words)`, or with a further axis of size 1; what is no class, such as -1
            where padded, does not count.
        y_pred: Logits, `(batch, classes)` or `(batch, words, classes)`.

    Returns:
        Scalar in nats.

    Raises:
        ValueError: If the shapes do not go together, as those of one-hot targets.
    """

    def __init__(self, name: str = "label_crossentropy", **kwargs: Any):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        right = ops.equal(classes_of(y_true, y_pred)[..., None], ops.arange(y_pred.shape[-1], dtype="int32"))
        loss = -ops.sum(ops.where(right, ops.log_softmax(y_pred), ops.zeros_like(y_pred)), axis=-1)
        return ops.sum(loss, axis=-1) if len(y_pred.shape) == 3 else loss


def classes_of(y_true, y_pred):
    """Return classes, integers with an axis less than their logits.

    Raises:
        ValueError: If the shapes do not go together.
    """
    shape, axes = tuple(y_true.shape), len(y_pred.shape) - 1
    if len(shape) == axes + 1 and shape[-1] == 1:
        y_true = ops.squeeze(y_true, axis=-1)
    elif len(shape) != axes:
        raise ValueError(
            "y_true must hold the numbers of classes, with an axis less than the logits. "
            f"Received: y_true.shape={shape}, y_pred.shape={tuple(y_pred.shape)}"
        )
    return ops.cast(y_true, "int32")
