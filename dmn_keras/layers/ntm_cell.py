"""The Neural Turing Machine: a controller whose heads read and write a memory by content and by location."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dmn_keras.layers import addressing
from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.layers.controller_cell import ControllerCell

MEMORY_CONSTANT = 1e-6
FOCUS_LOGIT = 5.0


@keras.saving.register_keras_serializable(package="dmn_keras")
class NTMCell(ControllerCell):
    """One step of a Neural Turing Machine.

    The controller sees the input and the last read vectors. For each head it emits a key `k`, a key strength
    `beta = softplus`, an interpolation gate `g = sigmoid`, a softmax `s` over shifts, and a sharpening exponent
    `gamma = 1 + softplus`; for a write head also `e = sigmoid` to erase and `a = tanh` to add. With memory `M`:

    - `w_c = softmax(beta * cosine(k, M))` (equation 5), `w_g = g * w_c + (1 - g) * w` (7),
      `w~ = s * w_g`, a circular convolution (8), `w' = w~^gamma / sum w~^gamma` (9),
    - `M' = M * (1 - w' e^T) + w' a^T` (3 and 4); several write heads first all erase, then all add,
    - `r = w' M'` (2), or `w' M` with `read_first`.

    All heads address the memory before the write. The weights of a head start as a learned softmax.

    For `MemoryRNN`, whose masks leave the memory as it is. Addressing is computed in float32 also under mixed
    precision.

    Args:
        units: Positive integer, size of the controller's output.
        memory_slots: Positive integer, number of slots. Defaults to 128.
        memory_width: Positive integer, size of a slot. Defaults to 20.
        read_heads: Positive integer. Defaults to 1.
        write_heads: Positive integer. Defaults to 1.
        shift_range: Positive integer: a head moves by up to so many slots in a step. The `2 * shift_range + 1` shifts
            must be no more than the slots. Defaults to 1.
        controller: `"feedforward"` (a `tanh` layer), `"gru"` or `"lstm"`. Defaults to `"lstm"`.
        memory_init: The memory before the first step: `"constant"` (1e-6); `"random"`, drawn once, uniform within
            `1 / sqrt(memory_slots + memory_width)`, and kept; or `"learned"`, the same but trained. Defaults to
            `"constant"`.
        weights_init: How the learned first weights of all heads start: `"focused"` on slot 0 (a logit of 5), or
            `"uniform"`. Uniform weights over a constant memory are symmetric in the slots and do not learn. Defaults to
            `"focused"`.
        read_first: Whether the memory is read before it is written. Defaults to `False`.
        clip: Positive number, the largest absolute value of what the controller emits for the heads, before the
            activations. Defaults to 20.
        **kwargs: Initializers and regularizers, as in `keras.layers.GRU`, and arguments of every layer.

    Call arguments:
        inputs: `(batch, dim)`.
        states: List: memory `(batch, slots, width)`; weights `(batch, heads, slots)`, read heads first; read vectors
            `(batch, read_heads, width)`; the states of the controller, `(batch, units)`: none, one or two.

    Returns:
        The controller's output and the read vectors, `(batch, units + read_heads * memory_width)`; the new states.

    Raises:
        ValueError: If an argument is out of range, or a state has another shape.

    Example:

    >>> cell = dmn_keras.layers.NTMCell(100, memory_slots=128, memory_width=20)
    >>> tuple(dmn_keras.layers.MemoryRNN(cell, return_sequences=True)(keras.random.normal((2, 5, 8))).shape)
    (2, 5, 120)

    Reference:
        Graves et al. 2014, arXiv:1410.5401. Initialisation and clipping: Collier and Beel 2018, arXiv:1807.08518.
    """

    def __init__(
        self,
        units: int,
        memory_slots: int = 128,
        memory_width: int = 20,
        *,
        read_heads: int = 1,
        write_heads: int = 1,
        shift_range: int = 1,
        controller: str = "lstm",
        memory_init: str = "constant",
        weights_init: str = "focused",
        read_first: bool = False,
        clip: float = 20.0,
        **kwargs: Any,
    ):
        super().__init__(
            units,
            memory_slots,
            memory_width,
            read_heads=read_heads,
            write_heads=write_heads,
            controller=controller,
            clip=clip,
            **kwargs,
        )
        self.shift_range = positive_integer("shift_range", shift_range)
        if 2 * self.shift_range + 1 > self.memory_slots:
            expected = f"so small that 2 * shift_range + 1 shifts are at most memory_slots={self.memory_slots}"
            raise ValueError(f"shift_range must be {expected}. Received: shift_range={self.shift_range}")
        self.memory_init = one_of("memory_init", memory_init, ("constant", "random", "learned"))
        self.weights_init = one_of("weights_init", weights_init, ("focused", "uniform"))
        self.read_first = bool(read_first)
        self.num_heads = self.read_heads + self.write_heads
        slots, width = self.memory_slots, self.memory_width
        self.memory_state_size = ((slots, width), (self.num_heads, slots), (self.read_heads, width))
        self.head_sizes = (width, 1, 1, 2 * self.shift_range + 1, 1)
        self.interface_size = self.num_heads * sum(self.head_sizes) + self.write_heads * 2 * width

    def build(self, inputs_shape):
        super().build(inputs_shape)
        slots, width = self.memory_slots, self.memory_width
        if self.memory_init != "constant":
            bound = (slots + width) ** -0.5
            self.initial_memory = self.add_weight(
                shape=(slots, width),
                initializer=keras.initializers.RandomUniform(-bound, bound),
                trainable=self.memory_init == "learned",
                name="initial_memory",
            )
        self.initial_weight_logits = self.add_weight(
            shape=(self.num_heads, slots),
            initializer=_focused if self.weights_init == "focused" else "zeros",
            name="initial_weight_logits",
        )

    def get_initial_state(self, batch_size=None):
        """Return the states before the first step; the read vectors are read with the first weights."""
        if not self.built:
            raise ValueError("The initial states are weights of the cell: build it first, or call it in a layer.")
        zeros = super().get_initial_state(batch_size)
        memory = MEMORY_CONSTANT if self.memory_init == "constant" else ops.cast(self.initial_memory, zeros[0].dtype)
        memory = zeros[0] + memory
        weights = zeros[1] + ops.cast(ops.softmax(self.initial_weight_logits, axis=-1), zeros[1].dtype)
        return [memory, weights, ops.matmul(weights[:, : self.read_heads], memory), *zeros[3:]]

    def call(self, inputs, states):
        memory, weights, reads, *controller_states = self.check_states(inputs, states)
        output, interface, controller_states = self.run_controller(inputs, reads, controller_states)
        memory, weights = (ops.cast(state, self.accumulation_dtype()) for state in (memory, weights))
        shapes = [(self.num_heads, size) for size in self.head_sizes]
        vectors = [(self.write_heads, self.memory_width)] * 2
        *head, erase, add = self.split(interface, *shapes, *vectors)
        weights = _address(memory, weights, *head)
        written = addressing.erase_and_add(
            memory, weights[:, self.read_heads :], ops.sigmoid(erase), ops.tanh(add)
        )  # M'
        reads = ops.matmul(weights[:, : self.read_heads], memory if self.read_first else written)
        return self.results(output, reads, (written, weights, reads), controller_states)

    def memory_record(self, states: Sequence) -> dict[str, Any]:
        """Name what `record_memory` records of the states: memory, read weights, write weights, read vectors."""
        memory, weights, reads = states[:3]
        return {
            "memory": memory,
            "read_weights": weights[:, : self.read_heads],
            "write_weights": weights[:, self.read_heads :],
            "reads": reads,
        }

    def get_config(self):
        names = ("shift_range", "memory_init", "weights_init", "read_first")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _address(memory, previous, keys, strengths, gates, shifts, exponents):
    """Return the new weights of all heads, `(batch, heads, slots)`, from what the controller emits for them."""
    content = addressing.content_weights(memory, ops.tanh(keys), ops.softplus(strengths))  # w_c
    weights = addressing.interpolate(content, previous, ops.sigmoid(gates))  # w_g
    weights = addressing.circular_shift(weights, ops.softmax(shifts, axis=-1))  # w~
    return addressing.sharpen(weights, 1 + ops.softplus(exponents))


def _focused(shape, dtype=None):
    return FOCUS_LOGIT * ops.one_hot(ops.zeros(shape[:1], dtype="int32"), shape[1], dtype=dtype)
