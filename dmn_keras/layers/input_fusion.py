"""Input fusion: lets every fact know of the facts before and after it."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.gru import GRU
from dmn_keras.layers.padding import batched_gather, pack_order, zero_where_padded
from dmn_keras.layers.weighted_layer import WeightedLayer


@keras.saving.register_keras_serializable(package="dmn_keras")
class InputFusion(WeightedLayer):
    """Bidirectional GRU over the facts; a fused fact is the sum of both directions.

    `c_t = GRU_forward(f_t, c^f_{t-1}) + GRU_backward(f_t, c^b_{t+1})` (Xiong et al. 2016, section 3.1).

    Masking: `mask` marks the real facts, anywhere in the story. A padded fact stays exactly zero and has no
    influence; the mask is passed on.

    Args:
        units: Positive integer, size of a fused fact.
        recompute: Whether training keeps the states alone and computes what else its gradient needs again: less memory,
            more time. Defaults to `False`.
        **kwargs: Initializers and regularizers of both GRUs (kernel, recurrent, bias), as in `keras.layers.GRU`, and
            arguments of every layer.

    Call arguments:
        facts: `(batch, facts, dim)`.
        mask: Boolean, `(batch, facts)`, `True` for a real fact; filled in by Keras. `None` means that all are
            real.

    Returns:
        Fused facts, `(batch, facts, units)`.

    Raises:
        ValueError: If `units` is no positive integer.

    Example:

    >>> facts = keras.random.normal((2, 5, 16))
    >>> tuple(dmn_keras.layers.InputFusion(32)(facts).shape)
    (2, 5, 32)

    Reference:
        Xiong et al. 2016, arXiv:1603.01417, equations 4 to 6.
    """

    def __init__(self, units: int, *, recompute: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.recompute = bool(recompute)
        self.supports_masking = True
        self.forward_gru, self.backward_gru = (
            GRU(self.units, recompute=self.recompute, name=name, **self.sublayer_options())
            for name in ("forward", "backward")
        )

    def build(self, facts_shape):
        self.forward_gru.build(tuple(facts_shape))
        self.backward_gru.build(tuple(facts_shape))

    def call(self, facts, mask=None):
        if mask is None:
            return self.forward_gru(facts) + ops.flip(self.backward_gru(ops.flip(facts, axis=1)), axis=1)
        # The real facts come first, in either order, so that the padding stays behind them in both directions.
        order, place = pack_order(mask)
        facts = batched_gather(facts, order)
        backward = self._reversed(self.backward_gru(self._reversed(facts, mask)), mask)
        return zero_where_padded(batched_gather(self.forward_gru(facts) + backward, place), mask)

    def _reversed(self, facts, mask):
        num_real = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        place = ops.expand_dims(ops.arange(ops.shape(facts)[1], dtype="int32"), 0)
        return batched_gather(facts, ops.where(place < num_real, num_real - 1 - place, place))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "recompute": self.recompute}
