"""A simple RNN that acts on memories with a softmax of actions: what the Stack RNN and the List RNN share."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import activation as check_activation
from dmn_keras.layers.checks import number, positive_integer
from dmn_keras.layers.memory_cell import MemoryCell


class ActionMemoryCell(MemoryCell):
    """One step: read the memories' tops, compute the hidden state, let it act on the memories.

    A subclass sets `memory_argument`, the constructor's argument for the number of memories, `actions`, `num_entries`,
    and `num_readable`, how many of the entries can be read, and defines `read(memory)` and
    `update(memory, actions, values)`. `StackRNNCell` and `ListRNNCell` document the arguments.
    """

    memory_argument = "num_memories"
    actions: tuple[str, ...] = ()

    def __init__(
        self,
        units: int,
        num_memories: int,
        depth: int,
        *,
        cell_size: int,
        top_k: int,
        no_op: bool,
        recurrent: bool,
        rounding: bool,
        activation: str,
        value_activation: str,
        empty_value: float,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.num_memories = positive_integer(self.memory_argument, num_memories)
        self.depth = positive_integer("depth", depth)
        self.cell_size = positive_integer("cell_size", cell_size)
        self.top_k = positive_integer("top_k", top_k)
        self.no_op = bool(no_op)
        self.recurrent = bool(recurrent)
        self.rounding = bool(rounding)
        self.activation = check_activation("activation", activation)
        self.value_activation = check_activation("value_activation", value_activation)
        self.empty_value = number("empty_value", empty_value)
        self.num_actions = len(self.actions) + self.no_op
        self.memory_shape = (self.num_memories, self.num_entries, self.cell_size)
        if self.top_k > self.num_readable:
            readable = f"at most {self.num_readable}, the entries that can be read with depth={self.depth}"
            raise ValueError(f"top_k must be {readable}. Received: top_k={self.top_k}")
        self.state_size = [self.units, self.num_memories * self.num_entries * self.cell_size]
        self.output_size = self.units

    def build(self, inputs_shape):
        values, actions = self.num_memories * self.cell_size, self.num_memories * self.num_actions
        self.kernel = self.add_weight_of("kernel", "kernel", (inputs_shape[-1], self.units))
        self.read_kernel = self.add_weight_of("kernel", "read_kernel", (values * self.top_k, self.units))
        if self.recurrent:
            self.recurrent_kernel = self.add_weight_of("recurrent", "recurrent_kernel", (self.units, self.units))
        self.bias = self.add_weight_of("bias", "bias", (self.units,))
        self.action_kernel = self.add_weight_of("kernel", "action_kernel", (self.units, actions))
        self.action_bias = self.add_weight_of("bias", "action_bias", (actions,))
        self.value_kernel = self.add_weight_of("kernel", "value_kernel", (self.units, values))
        self.value_bias = self.add_weight_of("bias", "value_bias", (values,))

    def call(self, inputs, states, training=False):
        previous, memory = self.check_states(inputs, states)
        memory = ops.reshape(memory, (-1, *self.memory_shape))
        # The state holds the entries less the value of an empty one, so that zeros are an empty memory.
        tops = ops.reshape(self.read(memory) + self.empty_value, (-1, self.read_kernel.shape[0]))
        hidden = ops.matmul(inputs, self.kernel) + ops.matmul(tops, self.read_kernel) + self.bias  # U x + P s
        if self.recurrent:
            hidden = hidden + ops.matmul(previous, self.recurrent_kernel)  # R h
        hidden = self.activation(hidden)
        values = self.value_activation(ops.matmul(hidden, self.value_kernel) + self.value_bias)  # D h
        values = ops.reshape(values, (-1, self.num_memories, self.cell_size)) - self.empty_value
        memory = self.update(memory, self.action_probabilities(hidden, training), values)
        return hidden, [hidden, ops.reshape(memory, (-1, self.state_size[1]))]

    def action_probabilities(self, hidden: Any, training: bool = False) -> Any:
        """Return what a hidden state does to each memory.

        Args:
            hidden: Outputs of the cell, `(batch, units)`.
            training: Whether `rounding` is suspended.

        Returns:
            Probabilities `(batch, memories, actions)`, in the order of `actions`, no-op last; with `rounding`, 1 for
            the most probable and 0 for the others.
        """
        logits = ops.matmul(hidden, self.action_kernel) + self.action_bias  # A h
        # A softmax for each memory, not one over the actions of all of them.
        logits = ops.reshape(logits, (-1, self.num_memories, self.num_actions))
        if self.rounding and not training:
            return ops.one_hot(ops.argmax(logits, axis=-1), self.num_actions, dtype=logits.dtype)
        return ops.softmax(logits, axis=-1)

    def contents(self, states: Sequence) -> Any:
        """Return the entries of the memories, `(batch, memories, entries, cell_size)`, from the cell's states."""
        return ops.reshape(states[1], (-1, *self.memory_shape)) + self.empty_value

    def memory_record(self, states: Sequence) -> dict[str, Any]:
        """Name what `record_memory` records of the states: the entries, and the actions that led to them."""
        return {"entries": self.contents(states), "actions": self.action_probabilities(states[0])}

    def check_length(self, length: int) -> None:
        """Warn if a sequence can put more into a memory than it holds.

        Args:
            length: Number of steps.
        """
        if self.depth < length:
            warnings.warn(
                f"depth={self.depth} is less than the length {length} of the sequences: entries are lost where more "
                f"than {self.depth} are stored.",
                stacklevel=2,
            )

    def get_config(self):
        names = ("units", "depth", "cell_size", "top_k", "no_op", "recurrent", "rounding", "empty_value")
        return {
            **super().get_config(),
            self.memory_argument: self.num_memories,
            **{name: getattr(self, name) for name in names},
            "activation": keras.activations.serialize(self.activation),
            "value_activation": keras.activations.serialize(self.value_activation),
        }
