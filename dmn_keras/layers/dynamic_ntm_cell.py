"""The dynamic neural Turing machine: a memory whose slots have a learned address besides what is written."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dmn_keras.layers.addressing import EPSILON, least_recently_used_logits
from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.layers.memory_cell import MemoryCell


def cosine_similarity(key, addresses, contents):
    """Compare a key with slots `[address; content]`: 1 where they point the same way, 0 where either is zero.

    Args:
        key: `(batch, address_width + memory_width)`.
        addresses: `(slots, address_width)`.
        contents: `(batch, slots, memory_width)`.

    Returns:
        Similarities `(batch, slots)`, between -1 and 1.
    """
    of_address, of_content = ops.split(key, [addresses.shape[-1]], axis=-1)
    product = ops.matmul(of_address, ops.transpose(addresses)) + ops.einsum("bw,bnw->bn", of_content, contents)
    squared_key = ops.sum(ops.square(key), axis=-1, keepdims=True)
    squared_slots = ops.sum(ops.square(addresses), axis=-1) + ops.sum(ops.square(contents), axis=-1)
    return product * ops.rsqrt(squared_key + EPSILON) * ops.rsqrt(squared_slots + EPSILON)


def straight_through(weights):
    """Return 1 for the largest of weights `(batch, slots)` and 0 for the others, with the gradient of the weights."""
    largest = ops.one_hot(ops.argmax(weights, axis=-1), weights.shape[-1], dtype=weights.dtype)
    return weights + ops.stop_gradient(largest - weights)


@keras.saving.register_keras_serializable(package="dmn_keras")
class DynamicNTMCell(MemoryCell):
    """One step of a controller that reads from and writes to slots of a learned address and a written content.

    With input `x`, state `h`, addresses `A` and contents `C`:

    - Reading: `phi = sum_i w_i [a_i; c_i]`, with weights `w` from `h`.
    - Controller: `h' = GRU([x; phi], h)`, or `tanh(W [x; phi] + b)`, which knows the past from the memory alone.
    - Writing, with weights `u` from `h'`: `c_j' = (1 - e u_j) * c_j + u_j * relu(W_m h' + alpha W_x x + b_m)`, with
      `e = sigmoid(W_e h' + b_e)` and `alpha = sigmoid(w_h h' + w_x x + b_alpha)`.
    - Weights of either head: `z_i = (softplus(b_beta + u_beta h) + 1) * cosine(W_k h + b_k, [a_i; c_i])` and
      `w = softmax(z - gamma v)`, where `v' = 0.1 v + 0.9 z` is high for slots of recent use, has no gradient, and
      `gamma = sigmoid(u_gamma h + b_gamma)` (least-recently-used addressing).

    Use it in `keras.layers.RNN`. A masked step leaves the states as they are. The initial states are zeros.

    Args:
        units: Positive integer, size of the controller's state, which is the output.
        memory_slots: Positive integer, number of slots.
        memory_width: Positive integer, size of a slot's content.
        address_width: Positive integer, size of a slot's address. Defaults to `20`.
        controller: `"gru"` or `"feedforward"`. Defaults to `"gru"`.
        num_steps: Positive integer, how often a step reads, updates the controller with the same input, and writes.
            Defaults to `1`.
        lru: Whether addressing is least-recently-used. Defaults to `True`.
        addressing: `"soft"`, or `"discrete"` for the slot of the largest weight alone. Defaults to `"soft"`.
        no_op: Whether there is one more slot, with an address alone, from which nothing is read and to which nothing is
            written. Defaults to `True`.
        **kwargs: Initializers and regularizers, as in `keras.layers.GRU`; the addresses count as a kernel. Arguments of
            every layer.

    Call arguments:
        inputs: `(batch, dim)`.
        states: List of the controller's state `(batch, units)`, the contents `(batch, memory_slots * memory_width)`,
            the weights of the read and the write head `(batch, 2 * slots)`, where a no-op slot counts, and, with `lru`,
            `v` of both, of the same size. The weights are there to be recorded: the next step does not depend on them.

    Returns:
        The new state of the controller `(batch, units)`, and the new states as a list.

    Raises:
        ValueError: If an argument is out of range, or a state has not the batch size of the inputs.

    Example:

    >>> cell = dmn_keras.layers.DynamicNTMCell(32, memory_slots=16, memory_width=8)
    >>> tuple(keras.layers.RNN(cell)(keras.random.normal((2, 50, 4))).shape)
    (2, 32)

    Reference:
        Gulcehre, Chandar, Cho and Bengio 2016, arXiv:1607.00036. Deviations: discrete addressing takes the largest
        weight and passes its gradient straight through, where the paper samples and trains with REINFORCE; the first
        state of the controller is zero and not learned.
    """

    def __init__(
        self,
        units: int,
        memory_slots: int,
        memory_width: int,
        address_width: int = 20,
        *,
        controller: str = "gru",
        num_steps: int = 1,
        lru: bool = True,
        addressing: str = "soft",
        no_op: bool = True,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.memory_slots = positive_integer("memory_slots", memory_slots)
        self.memory_width = positive_integer("memory_width", memory_width)
        self.address_width = positive_integer("address_width", address_width)
        self.controller = one_of("controller", controller, ("gru", "feedforward"))
        self.num_steps = positive_integer("num_steps", num_steps)
        self.lru = bool(lru)
        self.addressing = one_of("addressing", addressing, ("soft", "discrete"))
        self.no_op = bool(no_op)
        self.num_addresses = self.memory_slots + self.no_op
        self.state_size = [self.units, self.memory_slots * self.memory_width]
        self.state_size += [2 * self.num_addresses] * (2 if self.lru else 1)
        self.output_size = self.units

    def build(self, inputs_shape):
        dim, key_size = inputs_shape[-1], self.address_width + self.memory_width
        self.addresses = self.add_weight_of("kernel", "addresses", (self.num_addresses, self.address_width))
        # Blocks side by side, of the read and the write head: key, strength beta and, with `lru`, gate gamma.
        size = key_size + 1 + self.lru
        self.head_kernels = [
            self.add_weight_of("kernel", f"{head}_kernel", (self.units, size)) for head in ("read", "write")
        ]
        self.head_biases = [self.add_weight_of("bias", f"{head}_bias", (size,)) for head in ("read", "write")]
        # Blocks side by side: erase `e`, candidate and its gate alpha.
        self.update_kernel = self.add_weight_of("kernel", "update_kernel", (self.units, 2 * self.memory_width + 1))
        self.update_bias = self.add_weight_of("bias", "update_bias", (2 * self.memory_width + 1,))
        self.candidate_kernel = self.add_weight_of("kernel", "candidate_kernel", (dim, self.memory_width))
        self.gate_kernel = self.add_weight_of("kernel", "gate_kernel", (dim, 1))
        blocks = 3 if self.controller == "gru" else 1
        self.kernel = self.add_weight_of("kernel", "kernel", (dim + key_size, blocks * self.units))
        self.bias = self.add_weight_of("bias", "bias", (blocks * self.units,))
        if self.controller == "gru":
            self.recurrent_kernel = self.add_weight_of(
                "recurrent", "recurrent_kernel", (self.units, blocks * self.units)
            )

    def call(self, inputs, states):
        hidden, contents, _, *recent = self.check_states(inputs, states)
        contents = ops.reshape(contents, (-1, self.memory_slots, self.memory_width))
        # v of the read head, v of the write head
        recent = ops.split(recent[0], 2, axis=-1) if self.lru else [None, None]
        for _ in range(self.num_steps):
            read_weights, recent_read = self.address(0, hidden, contents, recent[0])
            hidden = self._control(inputs, self._read(read_weights, contents), hidden)
            write_weights, recent_written = self.address(1, hidden, contents, recent[1])
            contents = self._write(inputs, hidden, write_weights, contents)
            recent = [recent_read, recent_written]
        heads = [ops.concatenate([read_weights, write_weights], axis=-1)]
        if self.lru:
            heads.append(ops.concatenate(recent, axis=-1))
        return hidden, [hidden, ops.reshape(contents, (-1, self.state_size[1])), *heads]

    def memory_record(self, states: Sequence) -> dict[str, Any]:
        """Name what `record_memory` records: the memory, and the weights of each head, `(batch, 1, slots)`."""
        read_weights, write_weights = ops.split(states[2], 2, axis=-1)
        memory = ops.reshape(states[1], (-1, self.memory_slots, self.memory_width))
        return {"memory": memory, "read_weights": read_weights[:, None], "write_weights": write_weights[:, None]}

    def address(self, head: int, hidden: Any, contents: Any, recent: Any) -> tuple[Any, Any]:
        """Return the weights of a head over the slots, and its next `v`.

        Args:
            head: 0 to read, 1 to write.
            hidden: State of the controller, `(batch, units)`.
            contents: `(batch, memory_slots, memory_width)`.
            recent: `v` of the head, `(batch, slots)`; `None` without `lru`.

        Returns:
            Weights `(batch, slots)` that sum to 1, with that of a no-op slot last, and the new `v`.
        """
        dtype = self.accumulation_dtype()  # 16 bits lose the squares of small norms
        projected = ops.cast(ops.matmul(hidden, self.head_kernels[head]) + self.head_biases[head], dtype)
        key_size = self.address_width + self.memory_width
        key, strength, gate = ops.split(projected, [key_size, key_size + 1], axis=-1)
        if self.no_op:
            contents = ops.concatenate([contents, ops.zeros_like(contents[:, :1])], axis=1)
        similarity = cosine_similarity(key, ops.cast(self.addresses, dtype), ops.cast(contents, dtype))
        logits = (ops.softplus(strength) + 1) * similarity  # z
        if self.lru:
            logits, recent = least_recently_used_logits(logits, ops.cast(recent, dtype), ops.sigmoid(gate))
            recent = ops.cast(recent, self.compute_dtype)
        weights = ops.softmax(logits, axis=-1)
        if self.addressing == "discrete":
            weights = straight_through(weights)
        return ops.cast(weights, self.compute_dtype), recent

    def _read(self, weights, contents):
        weights = weights[:, : self.memory_slots]
        address = ops.matmul(weights, self.addresses[: self.memory_slots])
        return ops.concatenate([address, ops.einsum("bn,bnw->bw", weights, contents)], axis=-1)  # phi

    def _control(self, inputs, read, hidden):
        projected = ops.matmul(ops.concatenate([inputs, read], axis=-1), self.kernel) + self.bias
        if self.controller == "feedforward":
            return ops.tanh(projected)
        update, reset, candidate = ops.split(projected, 3, axis=-1)
        by_update, by_reset, by_candidate = ops.split(ops.matmul(hidden, self.recurrent_kernel), 3, axis=-1)
        update, reset = ops.sigmoid(update + by_update), ops.sigmoid(reset + by_reset)
        return update * hidden + (1 - update) * ops.tanh(candidate + reset * by_candidate)

    def _write(self, inputs, hidden, weights, contents):
        projected = ops.matmul(hidden, self.update_kernel) + self.update_bias
        erase, candidate, gate = ops.split(projected, [self.memory_width, 2 * self.memory_width], axis=-1)
        gate = ops.sigmoid(gate + ops.matmul(inputs, self.gate_kernel))  # alpha
        candidate = ops.relu(candidate + gate * ops.matmul(inputs, self.candidate_kernel))
        weights = weights[:, : self.memory_slots, None]  # u, (batch, slots, 1)
        return (1 - weights * ops.sigmoid(erase)[:, None]) * contents + weights * candidate[:, None]

    def get_config(self):
        names = ("units", "memory_slots", "memory_width", "address_width", "controller", "num_steps")
        names += ("lru", "addressing", "no_op")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
