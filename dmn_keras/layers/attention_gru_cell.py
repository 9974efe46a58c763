"""A GRU cell whose step is weighted by a gate."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers import recurrence
from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.layers.weighted_layer import WeightedLayer


@keras.saving.register_keras_serializable(package="dmn_keras")
class AttentionGRUCell(WeightedLayer):
    """One step over one fact, in the form of either paper.

    With fact `c`, gate `g` and previous state `h`:

    - `r = sigmoid(W_r c + U_r h + b_r)`
    - `h~ = tanh(W_h c + r * (U_h h) + b_h)`
    - `mode="gated_gru"` (Kumar et al. 2015): `u = sigmoid(W_u c + U_u h + b_u)` and
      `h' = g * (u * h + (1 - u) * h~) + (1 - g) * h`: the gate mixes a full GRU step with the state before it.
    - `mode="attention_gru"` (Xiong et al. 2016): `h' = g * h~ + (1 - g) * h`: the gate stands in the update gate's
      place, which therefore has no weights.

    A gate of exactly 0 leaves the state as it is, to the bit, so that padded facts need no mask.

    For `keras.layers.RNN`, which takes one tensor: the gate is the last entry of the input. `AttentionGRU` gives the
    same numbers over a whole story and is quicker, because it projects all facts in one product.

    Args:
        units: Positive integer, size of the state.
        mode: `"gated_gru"` or `"attention_gru"`. Defaults to `"gated_gru"`.
        **kwargs: Initializers and regularizers of `W` (kernel), `U` (recurrent) and `b` (bias), as in
            `keras.layers.GRU`, and arguments of every layer.

    Call arguments:
        inputs: `(batch, dim + 1)`: the fact, then its gate.
        states: List of one tensor `(batch, units)`, or the tensor itself.

    Returns:
        The new state `(batch, units)`, and the new states as a list of that tensor.

    Raises:
        ValueError: If `units` is no positive integer or `mode` is unknown.

    Example:

    >>> facts, gates = keras.random.normal((2, 5, 16)), keras.random.uniform((2, 5, 1))
    >>> rnn = keras.layers.RNN(dmn_keras.layers.AttentionGRUCell(32))
    >>> tuple(rnn(keras.ops.concatenate([facts, gates], axis=-1)).shape)
    (2, 32)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, equation 10; Xiong et al. 2016, arXiv:1603.01417, equation 11.
    """

    def __init__(self, units: int, *, mode: str = "gated_gru", **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.mode = one_of("mode", mode, ("gated_gru", "attention_gru"))
        self.state_size = self.output_size = self.units

    def build(self, inputs_shape):
        dim = inputs_shape[-1] - 1
        # Blocks side by side: reset, candidate and, for "gated_gru", update.
        width = self.units * (3 if self.mode == "gated_gru" else 2)
        self.kernel = self.add_weight_of("kernel", "kernel", (dim, width))
        self.recurrent_kernel = self.add_weight_of("recurrent", "recurrent_kernel", (self.units, width))
        self.bias = self.add_weight_of("bias", "bias", (width,))

    def call(self, inputs, states):
        state = states[0] if isinstance(states, (list, tuple)) else states
        projected = ops.matmul(inputs[:, :-1], self.kernel) + self.bias
        weights = (ops.convert_to_tensor(self.recurrent_kernel),)
        state, _, _ = recurrence.ATTENTION_GRU.step(weights, state, (projected, inputs[:, -1:]))
        return state, [state]

    def get_initial_state(self, batch_size=None):
        """Return the state before the first fact, a list of zeros `(batch_size, units)`."""
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def get_config(self):
        return {**super().get_config(), "units": self.units, "mode": self.mode}
