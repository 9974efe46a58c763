"""A GRU whose every step is weighted by a gate: facts, gates -> episode."""

import keras
from keras import ops

from dmn_keras.layers.checks import one_of, positive_integer


@keras.saving.register_keras_serializable(package="dmn_keras")
class AttentionGRUCell(keras.layers.Layer):
    """One step over one fact, in the form of either paper.

    With fact `c`, gate `g` and previous state `h`:

    - `r = sigmoid(W_r c + U_r h + b_r)`
    - `h~ = tanh(W_h c + r * (U_h h) + b_h)`
    - `mode="mix"` (Kumar et al. 2015): `u = sigmoid(W_u c + U_u h + b_u)` and
      `h' = g * (u * h + (1 - u) * h~) + (1 - g) * h`: the gate mixes a full GRU step with the state before it.
    - `mode="update"` (Xiong et al. 2016): `h' = g * h~ + (1 - g) * h`: the gate stands in the update gate's place,
      which therefore has no weights.

    A gate of exactly 0 leaves the state as it is, to the bit, so that padded facts need no mask.

    For `keras.layers.RNN`, which takes one tensor: the gate is the last entry of the input. `AttentionGRU` gives the
    same numbers over a whole story and is quicker, because it projects all facts in one product.

    Args:
        units: Positive integer, size of the state.
        mode: `"mix"` or `"update"`. Defaults to `"mix"`.
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

    def __init__(self, units, *, mode="mix", kernel_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.mode = one_of("mode", mode, ("mix", "update"))
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.state_size = units
        self.output_size = units

    def build(self, inputs_shape):
        dim = inputs_shape[-1] - 1
        # Blocks side by side: reset, candidate and, for "mix", update.
        width = self.units * (3 if self.mode == "mix" else 2)
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

    def project(self, facts):
        """Compute `W c + b`, which does not depend on the state.

        Args:
            facts: `(..., dim)`.

        Returns:
            `(..., 3 * units)` for `mode="mix"`, `(..., 2 * units)` for `mode="update"`.
        """
        return ops.matmul(facts, self.kernel) + self.bias

    def step(self, projected, gate, state):
        """Make one step from a fact that `project` has seen.

        Args:
            projected: `(batch, 3 * units)` or `(batch, 2 * units)`, as `project` returns it.
            gate: `(batch, 1)`.
            state: `(batch, units)`.

        Returns:
            The new state, `(batch, units)`.
        """
        wc = ops.split(projected, projected.shape[-1] // self.units, axis=-1)
        uh = ops.split(ops.matmul(state, self.recurrent_kernel), len(wc), axis=-1)
        r = ops.sigmoid(wc[0] + uh[0])
        new = ops.tanh(wc[1] + r * uh[1])
        if self.mode == "mix":
            u = ops.sigmoid(wc[2] + uh[2])
            new = u * state + (1 - u) * new
        return gate * new + (1 - gate) * state

    def call(self, inputs, states):
        state = states[0] if isinstance(states, (list, tuple)) else states
        state = self.step(self.project(inputs[:, :-1]), inputs[:, -1:], state)
        return state, [state]

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "mode": self.mode,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


class _ProjectedAttentionGRUCell(AttentionGRUCell):
    """The same cell over facts that were projected before the loop: one product a step instead of two."""

    def call(self, inputs, states):
        state = self.step(inputs[:, :-1], inputs[:, -1:], states[0])
        return state, [state]


@keras.saving.register_keras_serializable(package="dmn_keras")
class AttentionGRU(keras.layers.Layer):
    """`AttentionGRUCell` over a whole story: the episode is its last state.

    All facts are projected in one matrix product before the loop, so that a step is one product with the state. With
    `project` and `run` a caller that makes several passes over the same facts projects them once.

    Masking: none is needed. A padded fact has gate 0 and leaves the state as it is, to the bit.

    Args:
        units: Positive integer, size of the episode.
        mode: `"mix"` (Kumar et al. 2015) or `"update"` (Xiong et al. 2016), see `AttentionGRUCell`.
        kernel_regularizer: Regularizer of the input and recurrent kernels. Defaults to `None`.

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

    def __init__(self, units, *, mode="mix", kernel_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.mode = mode
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True
        self.cell = _ProjectedAttentionGRUCell(
            units, mode=mode, kernel_regularizer=self.kernel_regularizer, dtype=self.dtype_policy, name="cell"
        )
        self.rnn = keras.layers.RNN(self.cell, dtype=self.dtype_policy, name="rnn")

    def build(self, facts_shape, gates_shape=None):
        self.cell.build((facts_shape[0], facts_shape[-1] + 1))
        self.rnn.build((facts_shape[0], facts_shape[1], self.cell.kernel.shape[-1] + 1))

    def call(self, facts, gates):
        return self.run(self.project(facts), gates)

    def project(self, facts):
        """Project all facts at once, `(batch, facts, dim)` to what `run` takes."""
        return self.cell.project(facts)

    def run(self, projected, gates):
        """Return the episode `(batch, units)` of facts that `project` has seen, under gates `(batch, facts)`."""
        gates = ops.cast(gates, projected.dtype)[..., None]
        return self.rnn(ops.concatenate([projected, gates], axis=-1))

    def compute_mask(self, facts, previous_mask=None):
        return None

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "mode": self.mode,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }
