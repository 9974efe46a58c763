"""What an output of a network learns from."""

import dataclasses
from collections.abc import Callable, Sequence

import keras

from dmn_keras.tasks.feature_spec import FeatureSpec


@dataclasses.dataclass(frozen=True)
class Target:
    """An output of the network, its targets and its loss.

    Attributes:
        name: Name of the output.
        spec: `FeatureSpec` of the targets.
        values: Function of a list of encoded examples to a list of targets, not yet padded.
        loss: Keras loss.
        weight: Weight of the loss.
        metrics: Keras metrics.
    """

    name: str
    spec: FeatureSpec
    values: Callable[[Sequence], list]
    loss: keras.losses.Loss
    weight: float = 1.0
    metrics: tuple[keras.metrics.Metric, ...] = ()
