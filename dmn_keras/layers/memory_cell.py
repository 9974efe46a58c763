"""What the cells with a memory share: weights, the first states, checks of states."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dmn_keras.layers.weighted_layer import WeightedLayer


class MemoryCell(WeightedLayer):
    """An RNN cell whose states start at zero, unless a subclass overrides `get_initial_state`.

    A subclass defines `output_size`, an integer; `state_size`, a list with an integer or a tuple of integers for each
    state; and `memory_record(states)`, a dict of what `record_memory` records.
    """

    def get_initial_state(self, batch_size=None):
        """Return the states before the first step, zeros."""
        return [ops.zeros((batch_size, *state_shape(size)), dtype=self.compute_dtype) for size in self.state_size]

    def check_states(self, inputs: Any, states: Sequence) -> Sequence:
        """Return the states if their number and shapes are right.

        Args:
            inputs: `(batch, dim)`.
            states: What the caller passed.

        Raises:
            ValueError: If the number of states, or the batch or size of one, is not that of the inputs and the cell.
        """
        expected = [(inputs.shape[0], *state_shape(size)) for size in self.state_size]
        received = [tuple(state.shape) for state in states]
        if len(expected) != len(received) or not all(map(shapes_agree, expected, received)):
            raise ValueError(f"states must have the shapes {expected}. Received: shapes {received}")
        return states

    def accumulation_dtype(self) -> str:
        """Return float32 under mixed precision, else the cell's dtype: a memory is addressed in no less."""
        return keras.backend.result_type(self.compute_dtype, "float32")


def state_shape(size):
    """Return the shape of a state, without the batch, from its entry in `state_size`."""
    return (size,) if isinstance(size, int) else tuple(size)


def shapes_agree(left, right):
    """Tell whether two shapes may be the same; `None` is any size."""
    return len(left) == len(right) and all(None in (a, b) or a == b for a, b in zip(left, right, strict=True))
