"""Gates of the facts that a narrowing kept -> gates of all facts of the story."""

import keras
from keras import ops

from dmn_keras.layers.sequences import take_rows


@keras.saving.register_keras_serializable(package="dmn_keras")
class SpreadGates(keras.layers.Layer):
    """Puts the gates of kept facts back to where these facts stand; the gate of a dropped fact is 0.

    Call arguments:
        gates: `(batch, passes, kept facts)`, the kept facts in the story's order, padding behind them.
        kept: Boolean `(batch, facts)`, which facts these are (`FactNarrowing`).

    Returns:
        Gates, `(batch, passes, facts)`.

    Example:

    >>> gates, kept = np.ones((1, 2, 3), "float32"), np.array([[True, False, False, True, True]])
    >>> dmn_keras.layers.SpreadGates()(gates, kept).shape
    (1, 2, 5)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, gates, kept):
        place = ops.maximum(ops.cumsum(ops.cast(kept, "int32"), axis=1) - 1, 0)
        # A dropped fact behind the last kept one points at that one, a fact before the first at the first.
        spread = take_rows(ops.transpose(gates, (0, 2, 1)), place)
        spread = ops.where(kept[..., None], spread, ops.zeros_like(spread))
        return ops.transpose(spread, (0, 2, 1))
