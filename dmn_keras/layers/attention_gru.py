"""A GRU whose every step is weighted by a gate: facts, gates -> episode."""

import keras
from keras import ops

from dmn_keras.layers import recurrence
from dmn_keras.layers.checks import one_of, positive_integer


@keras.saving.register_keras_serializable(package="dmn_keras")
class AttentionGRUCell(keras.layers.Layer):
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
        kernel_regularizer: Regularizer of `W` and `U`. Defaults to `None`.

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
    >>> rnn(keras.ops.concatenate([facts, gates], axis=-1)).shape
    (2, 32)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, equation 10; Xiong et al. 2016, arXiv:1603.01417, equation 11.
    """

    def __init__(self, units, *, mode="gated_gru", kernel_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.mode = one_of("mode", mode, ("gated_gru", "attention_gru"))
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.state_size = self.output_size = self.units

    def build(self, inputs_shape):
        dim = inputs_shape[-1] - 1
        # Blocks side by side: reset, candidate and, for "gated_gru", update.
        width = self.units * (3 if self.mode == "gated_gru" else 2)
        self.kernel = self.add_weight(
            shape=(dim, width),
            regularizer=self.kernel_regularizer,
            initializer="glorot_uniform",
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width),
            regularizer=self.kernel_regularizer,
            initializer="orthogonal",
            name="recurrent_kernel",
        )
        self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")

    def call(self, inputs, states):
        state = states[0] if isinstance(states, (list, tuple)) else states
        projected = ops.matmul(inputs[:, :-1], self.kernel) + self.bias
        weights = (ops.convert_to_tensor(self.recurrent_kernel),)
        state, _ = recurrence.ATTENTION_GRU.step(weights, state, (projected, inputs[:, -1:]))
        return state, [state]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "mode": self.mode,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


@keras.saving.register_keras_serializable(package="dmn_keras")
class AttentionGRU(keras.layers.Layer):
    """`AttentionGRUCell` over a whole story: the episode is its last state.

    All facts are projected in one matrix product before the loop, so that a step is one product with the state. With
    `project` and `run` a caller that makes several passes over the same facts projects them once.

    Masking: none is needed. A padded fact has gate 0 and leaves the state as it is, to the bit.

    Args:
        units: Positive integer, size of the episode.
        mode: `"gated_gru"` (Kumar et al. 2015) or `"attention_gru"` (Xiong et al. 2016), see `AttentionGRUCell`.
        kernel_regularizer: Regularizer of the input and recurrent kernels. Defaults to `None`.
        recompute: Whether training keeps the states alone and computes what else its gradient needs again: less memory,
            more time. Defaults to `False`.

    Call arguments:
        facts: `(batch, facts, dim)`.
        gates: `(batch, facts)`, between 0 and 1.

    Returns:
        The episode, `(batch, units)`; zeros where all gates are 0.

    Raises:
        ValueError: If `units` is no positive integer or `mode` is unknown.

    Example:

    >>> facts, gates = keras.random.normal((2, 5, 16)), keras.random.uniform((2, 5))
    >>> dmn_keras.layers.AttentionGRU(32)(facts, gates).shape
    (2, 32)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, equations 10 and 11; Xiong et al. 2016, arXiv:1603.01417, equation 11.
    """

    def __init__(self, units, *, mode="gated_gru", kernel_regularizer=None, recompute=False, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.mode = mode
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.recompute = bool(recompute)
        self.supports_masking = True
        self.cell = AttentionGRUCell(
            self.units, mode=mode, kernel_regularizer=self.kernel_regularizer, dtype=self.dtype_policy, name="cell"
        )

    def build(self, facts_shape, gates_shape=None):
        self.cell.build((facts_shape[0], facts_shape[-1] + 1))

    def call(self, facts, gates, training=False):
        if not training:
            return self.run(self.project(facts), gates)
        weights = (self.cell.kernel, self.cell.bias, self.cell.recurrent_kernel)
        facts = ops.transpose(facts, (1, 0, 2))
        return self._run(recurrence.with_input_product(recurrence.ATTENTION_GRU), weights, facts, gates, training)

    def project(self, facts):
        """Multiply all facts `(batch, facts, dim)` by the kernel, for `run`: `(facts, batch, 3 or 2 * units)`."""
        return ops.matmul(ops.transpose(facts, (1, 0, 2)), self.cell.kernel) + self.cell.bias

    def run(self, projected, gates, training=False):
        """Return the episode `(batch, units)` of facts that `project` has seen, under gates `(batch, facts)`."""
        return self._run(recurrence.ATTENTION_GRU, (self.cell.recurrent_kernel,), projected, gates, training)

    def _run(self, cell, weights, inputs, gates, training):
        weights = tuple(ops.convert_to_tensor(weight, dtype=inputs.dtype) for weight in weights)
        gates = ops.transpose(ops.cast(gates, inputs.dtype))[..., None]
        state = ops.zeros((ops.shape(inputs)[1], self.units), dtype=inputs.dtype)
        return recurrence.run(
            cell, weights, (inputs, gates), state, every_state=False, training=training, recompute=self.recompute
        )

    def compute_mask(self, facts, previous_mask=None):
        return None

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "mode": self.mode,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "recompute": self.recompute,
        }
