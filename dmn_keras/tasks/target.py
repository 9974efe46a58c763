"""What an output of a network learns from."""

import dataclasses
from collections.abc import Callable
from typing import Any

import keras

from dmn_keras.tasks.feature_spec import FeatureSpec


@dataclasses.dataclass(frozen=True)
class Target:
    """An output of the network, its targets and its loss.

    Attributes:
        name: Name of the output.
        spec: `FeatureSpec` of the targets.
        value: Function of an encoded example to its target, not yet padded.
        loss: Keras loss.
        weight: Weight of the loss.
        metrics: Keras metrics.
    """

    name: str
    spec: FeatureSpec
    value: Callable[[Any], Any]
    loss: keras.losses.Loss
    weight: float = 1.0
    metrics: tuple[keras.metrics.Metric, ...] = ()
