"""Gates of retrieved facts -> gates of all facts of the story."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.padding import batched_gather


@keras.saving.register_keras_serializable(package="dmn_keras")
class ScatterGates(keras.layers.Layer):
    """Scatters the gates of retrieved facts to the positions of these facts in the story.

    Args:
        fill_value: Gate of a fact that was not retrieved. Defaults to 0.

    Call arguments:
        gates: `(batch, passes, retrieved facts)`, the facts in the story's order, padding behind them.
        retrieved: Boolean `(batch, facts)`, which facts these are (`FactRetriever`).

    Returns:
        Gates, `(batch, passes, facts)`.

    Example:

    >>> gates, retrieved = np.ones((1, 2, 3), "float32"), np.array([[True, False, False, True, True]])
    >>> tuple(dmn_keras.layers.ScatterGates()(gates, retrieved).shape)
    (1, 2, 5)
    """

    def __init__(self, *, fill_value: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.fill_value = float(fill_value)
        self.supports_masking = True

    def call(self, gates, retrieved):
        place = ops.maximum(ops.cumsum(ops.cast(retrieved, "int32"), axis=1) - 1, 0)
        # A dropped fact behind the last retrieved one points at that one, a fact before the first at the first.
        scattered = batched_gather(ops.transpose(gates, (0, 2, 1)), place)
        scattered = ops.where(retrieved[..., None], scattered, ops.full_like(scattered, self.fill_value))
        return ops.transpose(scattered, (0, 2, 1))

    def get_config(self):
        return {**super().get_config(), "fill_value": self.fill_value}
