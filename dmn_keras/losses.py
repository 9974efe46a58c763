"""Losses of answers and of gates, for `model.compile(loss={"answer": ..., "gates": ...})`."""

import keras
from keras import ops

from dmn_keras.layers.checks import one_of


@keras.saving.register_keras_serializable(package="dmn_keras")
class AnswerCrossentropy(keras.losses.Loss):
    """Negative log-likelihood of the right answer, a mean over the batch.

    For an answer of several words it is the sum over them, the end word included: the log-likelihood of the answer as
    a whole.

    Call arguments:
        y_true: Ids, `(batch,)`, `(batch, 1)` or `(batch, words)`; places with id 0 do not count.
        y_pred: Logits, `(batch, vocabulary_size)` or `(batch, words, vocabulary_size)`.

    Returns:
        Scalar in nats.
    """

    def __init__(self, name="answer_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)

    def call(self, y_true, y_pred):
        batch = ops.shape(y_pred)[0]
        log_probabilities = ops.reshape(ops.log_softmax(y_pred), (batch, -1, y_pred.shape[-1]))
        words = ops.cast(ops.reshape(y_true, (batch, -1)), "int32")
        chosen = ops.take_along_axis(log_probabilities, words[..., None], axis=-1)[..., 0]
        return -ops.sum(ops.where(words > 0, chosen, ops.zeros_like(chosen)), axis=-1)


@keras.saving.register_keras_serializable(package="dmn_keras")
class GateCrossentropy(keras.losses.Loss):
    """Cross-entropy between gates and the supporting facts, summed over passes, a mean over the batch.

    - `activation="softmax"`: `-sum_t y_t log g_t`, with targets that sum to 1 in each pass;
    - `activation="sigmoid"`: `-sum_t y_t log g_t + (1 - y_t) log(1 - g_t)`, each gate on its own.

    Targets below 0 mean "not known" and do not count. Padded facts have gate 0 and target 0, which costs nothing.
    With `activation="sigmoid"` the same loss serves the output `"stop"`.

    Args:
        activation: `"softmax"` or `"sigmoid"`, as the gates were made.

    Call arguments:
        y_true: Targets between 0 and 1, or -1, of the shape of `y_pred`.
        y_pred: Gates, `(batch, passes, facts)`, or stops, `(batch, passes)`.

    Returns:
        Scalar in nats.

    Raises:
        ValueError: If `activation` is unknown.

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, section 2.5, E_CE(Gates).
    """

    def __init__(self, activation="softmax", name="gate_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.activation = one_of("activation", activation, ("softmax", "sigmoid"))

    def call(self, y_true, y_pred):
        batch, tiny = ops.shape(y_pred)[0], keras.config.epsilon()
        y_true = ops.cast(y_true, y_pred.dtype)
        known = ops.maximum(y_true, 0.0)
        loss = -known * ops.log(y_pred + tiny)
        if self.activation == "sigmoid":
            loss = loss - ops.where(y_true < 0, 0.0, 1.0 - y_true) * ops.log(1.0 - y_pred + tiny)
        return ops.sum(ops.reshape(loss, (batch, -1)), axis=-1)

    def get_config(self):
        return {**super().get_config(), "activation": self.activation}
