"""Input module for images: feature map -> facts."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.layers.padding import static_shape
from dmn_keras.layers.weighted_layer import WeightedLayer


@keras.saving.register_keras_serializable(package="dmn_keras")
class ImageRegions(WeightedLayer):
    """Regions of a feature map as facts: `f_t = activation(W [x_t; row_t; column_t] + b)`.

    The regions follow each other in snake-like order: the first row from left to right, the second from right to left,
    and so on, so that neighbours in the sequence are neighbours in the image. `row` and `column` are the place of the
    region's centre, from -1 (top, left) to 1 (bottom, right); 0 where there is a single one.

    Args:
        units: Positive integer, size of a fact.
        activation: `"tanh"` (2016) or `"linear"`. Defaults to `"tanh"`.
        **kwargs: Initializers and regularizers of `W` (kernel) and `b` (bias), as in `keras.layers.Dense`, and
            arguments of every layer.

    Call arguments:
        feature_map: `(batch, rows, columns, channels)`.

    Returns:
        Facts, `(batch, rows * columns, units)`.

    Raises:
        ValueError: If `units` is no positive integer, `activation` is unknown, or `feature_map` has not rank 4.

    Example:

    >>> feature_map = keras.random.normal((2, 4, 4, 16))
    >>> tuple(dmn_keras.layers.ImageRegions(32)(feature_map).shape)
    (2, 16, 32)

    Reference:
        Xiong et al. 2016, arXiv:1603.01417, section 3.2. Deviation: the regions' places, as in Santoro et al. 2017,
        arXiv:1706.01427, section 4.
    """

    weight_kinds = ("kernel", "bias")

    def __init__(self, units: int, *, activation: str = "tanh", **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.activation = one_of("activation", activation, ("tanh", "linear"))
        self.projection = keras.layers.Dense(
            self.units, activation=self.activation, name="projection", **self.sublayer_options()
        )

    def build(self, feature_map_shape):
        if len(feature_map_shape) != 4:
            raise ValueError(
                "feature_map must have shape (batch, rows, columns, channels). "
                f"Received: feature_map.shape={tuple(feature_map_shape)}"
            )
        self.projection.build((*feature_map_shape[:3], feature_map_shape[3] + 2))

    def call(self, feature_map):
        batch, rows, columns, _ = static_shape(feature_map)
        zeros = ops.zeros_like(feature_map[..., :1])  # (B, R, C, 1)
        places = [
            zeros + _places(rows, feature_map.dtype)[:, None, None],
            zeros + _places(columns, feature_map.dtype)[:, None],
        ]
        regions = self.projection(ops.concatenate([feature_map, *places], axis=-1))  # (B, R, C, U)
        runs_back = ops.arange(rows, dtype="int32")[:, None, None] % 2 == 1  # every other row
        regions = ops.where(runs_back, ops.flip(regions, axis=2), regions)
        return ops.reshape(regions, (batch, rows * columns, self.units))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "activation": self.activation}


def _places(count, dtype):
    """Return the places of `count` rows or columns, from -1 to 1."""
    last = count - 1
    return ops.cast(2 * ops.arange(count, dtype="int32") - last, dtype) / ops.cast(ops.maximum(last, 1), dtype)
