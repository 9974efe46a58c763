"""A GRU whose every step is weighted by a gate: facts, gates -> episode."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers import recurrence
from dmn_keras.layers.attention_gru_cell import AttentionGRUCell
from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.scan import scan
from dmn_keras.layers.weighted_layer import WeightedLayer


@keras.saving.register_keras_serializable(package="dmn_keras")
class AttentionGRU(WeightedLayer):
    """`AttentionGRUCell` over a whole story: the episode is its last state.

    All facts are projected in one matrix product before the loop, so that a step is one product with the state. With
    `project` and `run` a caller that makes several passes over the same facts projects them once.

    Masking: none is needed. A padded fact has gate 0 and leaves the state as it is, to the bit.

    Args:
        units: Positive integer, size of the episode.
        mode: `"gated_gru"` (Kumar et al. 2015) or `"attention_gru"` (Xiong et al. 2016), see `AttentionGRUCell`.
        recompute: Whether training keeps the states alone and computes what else its gradient needs again: less memory,
            more time. Defaults to `False`.
        **kwargs: Initializers and regularizers as for `AttentionGRUCell`, and arguments of every layer.

    Call arguments:
        facts: `(batch, facts, dim)`.
        gates: `(batch, facts)`, between 0 and 1.

    Returns:
        The episode, `(batch, units)`; zeros where all gates are 0.

    Raises:
        ValueError: If `units` is no positive integer or `mode` is unknown.

    Example:

    >>> facts, gates = keras.random.normal((2, 5, 16)), keras.random.uniform((2, 5))
    >>> tuple(dmn_keras.layers.AttentionGRU(32)(facts, gates).shape)
    (2, 32)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, equations 10 and 11; Xiong et al. 2016, arXiv:1603.01417, equation 11.
    """

    def __init__(self, units: int, *, mode: str = "gated_gru", recompute: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.mode = mode
        self.recompute = bool(recompute)
        self.supports_masking = True
        self.cell = AttentionGRUCell(self.units, mode=mode, name="cell", **self.sublayer_options())

    def build(self, facts_shape, gates_shape=None):
        self.cell.build((facts_shape[0], facts_shape[-1] + 1))

    def call(self, facts, gates, training=False):
        if not training:
            return self.run(self.project(facts), gates)
        weights = (self.cell.kernel, self.cell.bias, self.cell.recurrent_kernel)
        facts = ops.transpose(facts, (1, 0, 2))
        return self._run(recurrence.with_input_product(recurrence.ATTENTION_GRU), weights, facts, gates, training)

    def project(self, facts: Any) -> Any:
        """Multiply all facts `(batch, facts, dim)` by the kernel, for `run`: `(facts, batch, 3 or 2 * units)`."""
        return ops.matmul(ops.transpose(facts, (1, 0, 2)), self.cell.kernel) + self.cell.bias

    def run(self, projected: Any, gates: Any, training: bool = False) -> Any:
        """Return the episode `(batch, units)` of facts that `project` has seen, under gates `(batch, facts)`."""
        return self._run(recurrence.ATTENTION_GRU, (self.cell.recurrent_kernel,), projected, gates, training)

    def _run(self, cell, weights, inputs, gates, training):
        weights = tuple(ops.convert_to_tensor(weight, dtype=inputs.dtype) for weight in weights)
        gates = ops.transpose(ops.cast(gates, inputs.dtype))[..., None]
        state = ops.zeros((ops.shape(inputs)[1], self.units), dtype=inputs.dtype)
        options = {"gradient": cell.gradient if training else None, "recompute": self.recompute}
        episode, _ = scan(cell.step, state, (inputs, gates), weights=weights, **options)
        return episode

    def compute_mask(self, facts, previous_mask=None):
        return None

    def get_config(self):
        return {**super().get_config(), "units": self.units, "mode": self.mode, "recompute": self.recompute}
