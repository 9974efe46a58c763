"""A simple RNN with soft stacks."""

from typing import Any

import keras

from dmn_keras.layers.action_memory_cell import ActionMemoryCell
from dmn_keras.layers.stacks import stack_update


@keras.saving.register_keras_serializable(package="dmn_keras")
class StackRNNCell(ActionMemoryCell):
    """One step of a simple RNN that reads the tops of soft stacks, and pushes onto them or pops from them.

    With input `x`, the `k` upper entries `s^k` of the stacks, and previous hidden state `h`:

    - `h' = sigmoid(U x + P s^k + R h + b)`
    - `a = softmax(A h' + b_a)`, over the actions push, pop and, with `no_op`, no-op: one softmax for each stack
    - `v = sigmoid(D h' + b_v)`
    - `s' = stack_update(s, a, v)`

    The entries are numbers in the paper, and vectors with `cell_size` above 1. Delétang et al. (2022) use vectors of 8
    numbers, no-op, `activation="relu"`, `value_activation="linear"`, `top_k=1`, `recurrent=True` and `empty_value=0`;
    their code has one softmax over the actions of all stacks, which this cell has not.

    For `MemoryRNN`, which calls `check_length`, or `keras.layers.RNN`. A masked step leaves the states as they are. The
    initial states are zeros: the state holds each entry less `empty_value`; `contents` returns the entries themselves.

    Args:
        units: Positive integer, size of the hidden state, which is the output.
        num_stacks: Positive integer.
        depth: Positive integer, number of entries of a stack. A push onto a full stack loses the lowest entry, so that
            a stack should be as deep as the sequences are long; `check_length` warns where it is not.
        cell_size: Positive integer, size of an entry. Defaults to `1`.
        top_k: Positive integer of at most `depth`, number of entries that are read, from the top. Defaults to `2`.
        no_op: Whether a stack can also be left as it is. Defaults to `False`.
        recurrent: Whether the hidden state depends on the previous one (`R`) and not through the stacks alone. Defaults
            to `False`, as on the paper's counting tasks.
        rounding: Whether the most probable action is taken alone, except in training. Defaults to `False`.
        activation: Activation of the hidden state. Defaults to `"sigmoid"`.
        value_activation: Activation of the value to push. Defaults to `"sigmoid"`.
        empty_value: Number that an empty stack reads as. Defaults to `-1.0`.
        **kwargs: Initializers and regularizers, as in `keras.layers.SimpleRNN`: of `R` (recurrent), of the other
            matrices (kernel) and of the biases. Arguments of every layer.

    Call arguments:
        inputs: `(batch, dim)`.
        states: List of the hidden state `(batch, units)` and the stacks `(batch, num_stacks * depth * cell_size)`.
        training: Whether `rounding` is suspended. Defaults to `False`.

    Returns:
        The new hidden state `(batch, units)`, and the new states as a list.

    Raises:
        ValueError: If an argument is out of range, or a state has not the batch size of the inputs.

    Example:

    >>> cell = dmn_keras.layers.StackRNNCell(40, num_stacks=10, depth=60, rounding=True)
    >>> tuple(keras.layers.RNN(cell, return_sequences=True)(keras.random.normal((2, 50, 4))).shape)
    (2, 50, 40)

    Reference:
        Joulin and Mikolov 2015, arXiv:1503.01007, equations 1 to 5. Deviation: biases, which the paper has not.
        Delétang et al. 2022, "Neural Networks and the Chomsky Hierarchy", arXiv:2207.02098.
    """

    memory_argument = "num_stacks"
    actions = ("push", "pop")

    def __init__(
        self,
        units: int,
        num_stacks: int,
        depth: int,
        *,
        cell_size: int = 1,
        top_k: int = 2,
        no_op: bool = False,
        recurrent: bool = False,
        rounding: bool = False,
        activation: str = "sigmoid",
        value_activation: str = "sigmoid",
        empty_value: float = -1.0,
        **kwargs: Any,
    ):
        super().__init__(
            units,
            num_stacks,
            depth,
            cell_size=cell_size,
            top_k=top_k,
            no_op=no_op,
            recurrent=recurrent,
            rounding=rounding,
            activation=activation,
            value_activation=value_activation,
            empty_value=empty_value,
            **kwargs,
        )

    @property
    def num_entries(self) -> int:
        return self.depth

    @property
    def num_readable(self) -> int:
        return self.depth

    def read(self, memory: Any) -> Any:
        return memory[:, :, : self.top_k]

    def update(self, memory: Any, actions: Any, values: Any) -> Any:
        return stack_update(memory, actions, values, empty_value=0.0)
