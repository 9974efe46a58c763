"""What sequence transduction learns from: the bits or classes of the steps that are scored."""

import math

import keras
from keras import ops

from dmn_keras.layers.checks import one_of
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.target import Target

OUTPUTS = ("bits", "classes")
OVER_STEPS = ("mean", "sum")
NOT_SCORED = -1
"""Stands for the targets of a step that is not scored."""


def sequence_target(output: str, output_size: int, loss_over_steps: str = "mean") -> Target:
    """Return the target of the logits of each step.

    Args:
        output: `"bits"`, of which a step has `output_size`, or `"classes"`, of which a step has one.
        output_size: Number of logits of a step.
        loss_over_steps: As in `SequenceCrossentropy`.
    """

    def value(example):
        if not example.is_labelled:
            raise ValueError("targets are missing of an example, which training and evaluation need.")
        targets = example.targets.astype("float32" if output == "bits" else "int32")
        targets[~example.scored] = NOT_SCORED
        return targets

    axes = ("steps", output_size) if output == "bits" else ("steps",)
    spec = FeatureSpec("float32" if output == "bits" else "int32", axes, NOT_SCORED)
    metrics = (SequenceAccuracy(output), BitsPerSequence(output))
    loss = SequenceCrossentropy(output, loss_over_steps)
    return Target("logits", spec, value, loss, 1, metrics)


def step_crossentropy(y_true, y_pred, output):
    """Return the cross-entropy of each step in nats, and which steps are scored.

    Args:
        y_true: Bits `(batch, steps, bits)` or classes `(batch, steps)`; -1 at steps that are not scored.
        y_pred: Logits `(batch, steps, bits)` or `(batch, steps, classes)`.
        output: `"bits"` for the sum over the sigmoid cross-entropies of a step's bits, `"classes"` for the softmax
            cross-entropy.

    Returns:
        Cross-entropies, 0 at steps that are not scored, and a tensor of ones and zeros, both float `(batch, steps)`.
    """
    y_pred = ops.cast(y_pred, "float32")
    if output == "bits":
        bits = ops.cast(y_true, y_pred.dtype)
        scored = ops.cast(bits[..., 0] >= 0, y_pred.dtype)
        losses = -ops.sum(bits * ops.log_sigmoid(y_pred) + (1 - bits) * ops.log_sigmoid(-y_pred), axis=-1)
    else:
        classes = ops.cast(y_true, "int32")
        scored = ops.cast(classes >= 0, y_pred.dtype)
        chosen = ops.one_hot(ops.maximum(classes, 0), y_pred.shape[-1], dtype=y_pred.dtype)
        losses = -ops.sum(chosen * ops.log_softmax(y_pred, axis=-1), axis=-1)
    return ops.where(scored > 0, losses, ops.zeros_like(losses)), scored


@keras.saving.register_keras_serializable(package="dmn_keras")
class SequenceCrossentropy(keras.losses.Loss):
    """Cross-entropy of the scored steps of a sequence, a mean over the batch.

    Args:
        output: `"bits"` or `"classes"`.
        over_steps: `"mean"` or `"sum"` of the steps of a sequence.

    Call arguments:
        y_true: As in `step_crossentropy`, as is `y_pred`.

    Returns:
        Scalar in nats; 0 for a sequence without scored steps.
    """

    def __init__(self, output="bits", over_steps="mean", name="sequence_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.output = one_of("output", output, OUTPUTS)
        self.over_steps = one_of("over_steps", over_steps, OVER_STEPS)

    def call(self, y_true, y_pred):
        losses, scored = step_crossentropy(y_true, y_pred, self.output)
        total = ops.sum(losses, axis=-1)
        return total / ops.maximum(ops.sum(scored, axis=-1), 1) if self.over_steps == "mean" else total

    def get_config(self):
        return {**super().get_config(), "output": self.output, "over_steps": self.over_steps}


class _SequenceMetric(keras.metrics.Mean):
    """A mean over sequences; `values(y_true, y_pred)` returns a number for each, `(batch,)`."""

    def __init__(self, output="bits", name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.output = one_of("output", output, OUTPUTS)

    def update_state(self, y_true, y_pred, sample_weight=None):
        values = self.values(ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred))
        super().update_state(values, sample_weight=sample_weight)

    def get_config(self):
        return {**super().get_config(), "output": self.output}


@keras.saving.register_keras_serializable(package="dmn_keras")
class SequenceAccuracy(_SequenceMetric):
    """Fraction of the sequences of which every scored bit or class is right.

    Args:
        output: `"bits"` or `"classes"`.

    Call arguments:
        y_true: As in `step_crossentropy`, as is `y_pred`.
        sample_weight: Optional weights, `(batch,)`.

    Returns:
        Scalar between 0 and 1.
    """

    def __init__(self, output="bits", name="accuracy", **kwargs):
        super().__init__(output, name=name, **kwargs)

    def values(self, y_true, y_pred):
        if self.output == "bits":
            differs = ops.not_equal(y_true > 0.5, y_pred > 0)
        else:
            differs = ops.not_equal(ops.cast(ops.argmax(y_pred, axis=-1), "int32"), ops.cast(y_true, "int32"))
        wrong = ops.reshape(ops.logical_and(y_true >= 0, differs), (ops.shape(y_pred)[0], -1))
        return 1 - ops.cast(ops.any(wrong, axis=-1), "float32")


@keras.saving.register_keras_serializable(package="dmn_keras")
class BitsPerSequence(_SequenceMetric):
    """Cross-entropy of a sequence, summed over its scored steps, in bits: the cost in figures of Graves et al. 2014.

    Args:
        output: `"bits"` or `"classes"`.

    Call arguments:
        y_true: As in `step_crossentropy`, as is `y_pred`.
        sample_weight: Optional weights, `(batch,)`.

    Returns:
        Scalar, at least 0.
    """

    def __init__(self, output="bits", name="bits_per_sequence", **kwargs):
        super().__init__(output, name=name, **kwargs)

    def values(self, y_true, y_pred):
        return ops.sum(step_crossentropy(y_true, y_pred, self.output)[0], axis=-1) / math.log(2)
