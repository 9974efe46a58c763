"""A simple RNN with soft lists."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.action_memory_cell import ActionMemoryCell
from dmn_keras.layers.stacks import list_update


@keras.saving.register_keras_serializable(package="dmn_keras")
class ListRNNCell(ActionMemoryCell):
    """One step of a simple RNN that reads soft lists at their heads, inserts into them or moves the heads.

    With input `x`, the `k` entries `l^k` at the heads and left of them, and previous hidden state `h`:

    - `h' = sigmoid(U x + P l^k + R h + b)`
    - `a = softmax(A h' + b_a)`, over the actions insert, left, right and, with `no_op`, no-op: one for each list
    - `v = sigmoid(D h' + b_v)`
    - `l' = list_update(l, a, v, head)`

    The head is the middle of `2 * depth + 1` entries. An insertion moves the entries at the head and left of it to the
    left, as a push moves a stack's entries down; left brings them back.

    For `MemoryRNN`, which calls `check_length`, or `keras.layers.RNN`. A masked step leaves the states as they are. The
    initial states are zeros: the state holds each entry less `empty_value`; `contents` returns the entries themselves.

    Args:
        units: Positive integer, size of the hidden state, which is the output.
        num_lists: Positive integer.
        depth: Positive integer, number of entries on each side of the head. Entries that leave the list at an end are
            lost, so that `depth` should be the length of the sequences; `check_length` warns where it is less.
        cell_size: Positive integer, size of an entry. Defaults to `1`.
        top_k: Positive integer of at most `depth + 1`, number of entries that are read, from the head to the left.
            Defaults to `2`.
        no_op: Whether a list can also be left as it is. Defaults to `False`.
        recurrent: Whether the hidden state depends on the previous one (`R`) and not through the lists alone. Defaults
            to `False`.
        rounding: Whether the most probable action is taken alone, except in training. Defaults to `False`.
        activation: Activation of the hidden state. Defaults to `"sigmoid"`.
        value_activation: Activation of the value to insert. Defaults to `"sigmoid"`.
        empty_value: Number that an empty list reads as. Defaults to `-1.0`.
        **kwargs: Initializers and regularizers, as in `keras.layers.SimpleRNN`: of `R` (recurrent), of the other
            matrices (kernel) and of the biases. Arguments of every layer.

    Call arguments:
        inputs: `(batch, dim)`.
        states: List of the hidden state `(batch, units)` and the lists
            `(batch, num_lists * (2 * depth + 1) * cell_size)`.
        training: Whether `rounding` is suspended. Defaults to `False`.

    Returns:
        The new hidden state `(batch, units)`, and the new states as a list.

    Raises:
        ValueError: If an argument is out of range, or a state has not the batch size of the inputs.

    Example:

    >>> cell = dmn_keras.layers.ListRNNCell(40, num_lists=5, depth=60)
    >>> tuple(keras.layers.RNN(cell, return_sequences=True)(keras.random.normal((2, 50, 4))).shape)
    (2, 50, 40)

    Reference:
        Joulin and Mikolov 2015, arXiv:1503.01007, section 3.2, "Doubly linked list". The paper leaves open which
        entries are read; here they are those that a stack would read. Deviation: biases, which the paper has not.
    """

    memory_argument = "num_lists"
    actions = ("insert", "left", "right")

    def __init__(
        self,
        units: int,
        num_lists: int,
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
            num_lists,
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
        return 2 * self.depth + 1

    @property
    def num_readable(self) -> int:
        return self.depth + 1

    def read(self, memory: Any) -> Any:
        return ops.flip(memory[:, :, self.num_readable - self.top_k : self.num_readable], axis=2)

    def update(self, memory: Any, actions: Any, values: Any) -> Any:
        return list_update(memory, actions, values, head=self.depth, empty_value=0.0)
