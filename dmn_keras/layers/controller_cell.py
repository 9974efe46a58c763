"""What the cells with a controller and a memory of slots share: controller, interface, checks of states."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import one_of, positive_integer, positive_number
from dmn_keras.layers.memory_cell import MemoryCell

CONTROLLERS = ("feedforward", "gru", "lstm")


class ControllerCell(MemoryCell):
    """An RNN cell whose controller sees the input and what the heads have read, and emits an interface to the memory.

    A subclass defines `memory_state_size`, the sizes of all states before those of the controller, and
    `interface_size`. The output is the controller's, followed by what the heads have read: a `Dense` layer on top is
    the papers' output layer.

    Args:
        units: Positive integer, size of the controller's output.
        memory_slots: Positive integer, number of slots.
        memory_width: Positive integer, size of a slot.
        read_heads: Positive integer.
        write_heads: Positive integer.
        controller: `"feedforward"` (a `tanh` layer), `"gru"` or `"lstm"`.
        clip: Positive number, the largest absolute value of an entry of the interface before its activation.
        **kwargs: Initializers and regularizers, as in `keras.layers.GRU`, and arguments of every layer.
    """

    def __init__(
        self,
        units: int,
        memory_slots: int,
        memory_width: int,
        *,
        read_heads: int,
        write_heads: int,
        controller: str,
        clip: float,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.memory_slots = positive_integer("memory_slots", memory_slots)
        self.memory_width = positive_integer("memory_width", memory_width)
        self.read_heads = positive_integer("read_heads", read_heads)
        self.write_heads = positive_integer("write_heads", write_heads)
        self.controller = one_of("controller", controller, CONTROLLERS)
        self.clip = positive_number("clip", clip)
        self.output_size = self.units + self.read_heads * self.memory_width

    @property
    def state_size(self) -> list[int | tuple[int, ...]]:
        num_controller_states = CONTROLLERS.index(self.controller)  # 0, 1 and 2
        return [*self.memory_state_size, *[self.units] * num_controller_states]

    def build(self, inputs_shape):
        dim = inputs_shape[-1] + self.read_heads * self.memory_width
        if self.controller == "feedforward":
            options = self.sublayer_options("kernel", "bias")
            self.controller_layer = keras.layers.Dense(self.units, "tanh", name="controller", **options)
        else:
            cell = keras.layers.GRUCell if self.controller == "gru" else keras.layers.LSTMCell
            self.controller_layer = cell(self.units, name="controller", **self.sublayer_options())
        options = self.sublayer_options("kernel", "bias")
        self.interface_layer = keras.layers.Dense(self.interface_size, name="interface", **options)
        self.controller_layer.build((None, dim))
        self.interface_layer.build((None, self.units))

    def run_controller(self, inputs: Any, reads: Any, states: Sequence) -> tuple[Any, Any, Sequence]:
        """Return the controller's output, the interface in the memory's precision, and the controller's states."""
        reads = ops.reshape(reads, (-1, self.read_heads * self.memory_width))
        inputs = ops.concatenate([inputs, reads], axis=-1)
        if self.controller == "feedforward":
            output = self.controller_layer(inputs)
        else:
            output, states = self.controller_layer(inputs, list(states))
        interface = ops.clip(self.interface_layer(output), -self.clip, self.clip)
        return output, ops.cast(interface, self.accumulation_dtype()), states

    def results(
        self, output: Any, reads: Any, memory_states: Iterable, controller_states: Iterable
    ) -> tuple[Any, list]:
        """Return the cell's output and its states, in its compute dtype."""
        states = [ops.cast(state, self.compute_dtype) for state in (*memory_states, *controller_states)]
        reads = ops.reshape(ops.cast(reads, self.compute_dtype), (-1, self.read_heads * self.memory_width))
        return ops.concatenate([output, reads], axis=-1), states

    def split(self, interface: Any, *shapes: tuple[int, int]) -> list:
        """Cut an interface into parts of these shapes, `(batch, *shape)` each."""
        ends = list(itertools.accumulate(map(math.prod, shapes)))
        parts = ops.split(interface, ends[:-1], axis=-1)
        return [ops.reshape(part, (-1, *shape)) for part, shape in zip(parts, shapes, strict=True)]

    def get_config(self):
        names = ("units", "memory_slots", "memory_width", "read_heads", "write_heads", "controller", "clip")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
