"""One hop of an end-to-end memory network: memories, state -> attention over the memories, next state."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.attention_gate import PADDED, masked_logits, softmax_over_real
from dmn_keras.layers.checks import one_of


@keras.saving.register_keras_serializable(package="dmn_keras")
class MemoryHop(keras.layers.Layer):
    """One read from a memory of vectors, added to the state.

    With input memories `m_i` (the keys), output memories `c_i` (the values) and state `u^k`, a hop computes

    - the attention `p_i = softmax(u^k . m_i)` (equation 1),
    - the response `o^k = sum_i p_i c_i` (equation 2),
    - the next state `u^{k+1} = u^k + o^k` (equation 4), or `H u^k + o^k` with `linear_map`.

    A layer that is called several times shares `H` between its hops, as layer-wise tying does.

    With `attention="hard"` the response is the one memory with the largest attention, as in the memory networks of
    Weston et al. 2014, where `o = argmax_i s(u, m_i)`. The choice has no gradient: the keys learn from targets for the
    attention alone.

    Linear start: the weight `linear`, a boolean scalar that is not trained, switches the softmax off. Then
    `p_i = u^k . m_i`, which is not confined to [0, 1]. `dmn_keras.models.LinearStart` sets it while a
    compiled model trains. A layer with hard attention has no such weight.

    Masking: `keys_mask` marks the real memories. A padded one has attention 0 and no influence; a memory without real
    ones gives the response 0. Attention is computed in float32 also under mixed precision (in float64 under a float64
    policy).

    Args:
        attention: `"softmax"` (2015) or `"hard"` (2014). Defaults to `"softmax"`.
        linear_map: Whether the state passes through the matrix `H`, drawn from N(0, 0.1). Defaults to `False`.

    Call arguments:
        keys: Input memories, `(batch, facts, units)`.
        values: Output memories, `(batch, facts, units)`.
        state: `(batch, units)`, the question in the first hop.
        keys_mask: Boolean, `(batch, facts)`, `True` for a real memory; filled in by Keras where `keys` has a mask.
            `None` means that all are real.

    Returns:
        A dict: `"state"`, the next state, `(batch, units)`; `"gates"`, the attention, float32 `(batch, facts)`, which
        sums to 1 over the real memories unless `linear`; `"gate_logits"`, the products `u . m_i`, float32 `(batch,
        facts)`, very low at a padded memory.

    Raises:
        ValueError: If `attention` is unknown, or keys, values and state differ in their last dimension.

    Example:

    >>> memories, question = keras.random.normal((2, 5, 32)), keras.random.normal((2, 32))
    >>> outputs = dmn_keras.layers.MemoryHop()(memories, memories, question)
    >>> tuple(outputs["state"].shape), tuple(outputs["gates"].shape)
    ((2, 32), (2, 5))

    Reference:
        Sukhbaatar et al. 2015, arXiv:1503.08895, section 2; Weston et al. 2014, arXiv:1410.3916, section 3.1. Deviation
        of the hard attention: its score is a dot product of embeddings in place of one that compares order in time.
    """

    def __init__(self, *, attention: str = "softmax", linear_map: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.attention = one_of("attention", attention, ("softmax", "hard"))
        self.linear_map = bool(linear_map)
        self.supports_masking = True

    def build(self, keys_shape, values_shape, state_shape):
        shapes = {"keys": keys_shape, "values": values_shape, "state": state_shape}
        if len({shape[-1] for shape in shapes.values()}) > 1:
            received = ", ".join(f"{name}.shape={tuple(shape)}" for name, shape in shapes.items())
            raise ValueError(f"keys, values and state must have the same last dimension. Received: {received}")
        units = state_shape[-1]
        if self.linear_map:
            initializer = keras.initializers.RandomNormal(stddev=0.1)
            self.state_kernel = self.add_weight(shape=(units, units), initializer=initializer, name="state_kernel")
        if self.attention == "softmax":
            self.linear = self.add_weight(
                shape=(),
                dtype="bool",
                initializer="zeros",
                trainable=False,
                aggregation="only_first_replica",
                name="linear",
            )

    def call(self, keys, values, state, keys_mask=None):
        scores = ops.matmul(keys, state[..., None])[..., 0]  # u . m_i, (B, F)
        scores = ops.cast(scores, keras.backend.result_type(self.compute_dtype, "float32"))
        real = ops.ones_like(scores, dtype="bool") if keys_mask is None else keys_mask
        gates = softmax_over_real(scores, keys_mask)  # p
        if self.attention == "hard":
            chosen = ops.one_hot(ops.argmax(gates, axis=-1), ops.shape(gates)[-1], dtype=gates.dtype)
            weights = ops.where(real, chosen, 0.0)
        else:
            gates = weights = ops.where(ops.convert_to_tensor(self.linear), ops.where(real, scores, 0.0), gates)
        response = ops.matmul(ops.cast(weights, values.dtype)[:, None], values)[:, 0]  # o, (B, U)
        if self.linear_map:
            state = ops.matmul(state, self.state_kernel)  # H u
        logits = masked_logits(scores, keys_mask, PADDED)
        return {"state": state + response, "gates": gates, "gate_logits": logits}

    def compute_mask(self, keys, previous_mask=None):
        return {"state": None, "gates": None, "gate_logits": None}

    def get_config(self):
        return {**super().get_config(), "attention": self.attention, "linear_map": self.linear_map}
