"""A `keras.layers.RNN` for cells whose states are matrices: masks, shapes and resets of such states."""

import functools
import inspect
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dmn_keras.layers.memory_cell import MemoryCell, shapes_agree, state_shape
from dmn_keras.layers.scan import recomputed_gradient, scan


@keras.saving.register_keras_serializable(package="dmn_keras")
class MemoryRNN(keras.layers.RNN):
    """`keras.layers.RNN` for cells with a memory: states of any rank, a reset to the cell's own initial state.

    Takes the arguments of `keras.layers.RNN` and differs from it where a state is no vector or does not start at zero:

    - Under a mask every state is kept as it is, whatever its rank, on every backend. (Keras' loop on JAX broadcasts the
      mask against matrices from the wrong side.)
    - With `return_state=True` a functional model knows the shape of each state.
    - `reset_state()` of a stateful layer restores `cell.get_initial_state()`, not zeros.
    - A cell with a method `check_length` is called with the length, to warn of one that its memory is too small for.
    - Training runs a cell of this package in a loop that keeps the states alone and computes each step again for its
      gradient: on JAX and TensorFlow less memory, and less time than to keep what a step computes.
    - A sequence without steps leaves the initial states as they are and gives zeros as its last output.

    Masking: a masked step changes no state, and its output is the previous one (zeros with `zero_output_for_mask` and
    `return_sequences`; zeros before the first real step). A padded sequence therefore ends in the states and the output
    of the sequence without its padding, to the bit, and the mask may have holes. Values under the mask are ignored, NaN
    included.

    Args:
        cell: An RNN cell. An entry of its `state_size` is an integer, or a tuple for a state of higher rank, such as
            `(slots, width)`.
        **kwargs: As for `keras.layers.RNN`: `return_sequences`, `return_state`, `go_backwards`, `stateful`, `unroll`,
            `zero_output_for_mask`.

    Call arguments:
        sequences: `(batch, time, features)`.
        initial_state: List of the states, `(batch, *size)` each. Defaults to the cell's initial state.
        mask: Boolean, `(batch, time)`, `True` for a real step; filled in by Keras. `None` means that all are real.

    Returns:
        The last output, `(batch, output_size)`; with `return_sequences` all outputs, `(batch, time, output_size)`; with
        `return_state` a tuple of that and the last states.

    Raises:
        ValueError: If `sequences` has another rank or number of features than the layer was built for, or a mask of
            another shape.

    Example:

    >>> cell = dmn_keras.layers.NTMCell(32, memory_slots=16, memory_width=8)
    >>> rnn = dmn_keras.layers.MemoryRNN(cell, return_sequences=True)
    >>> tuple(rnn(keras.random.normal((2, 5, 4))).shape)
    (2, 5, 40)
    """

    def __init__(self, cell: keras.Layer, **kwargs: Any):
        super().__init__(cell, **kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, sequences_shape, initial_state_shape=None):
        super().build(sequences_shape, initial_state_shape)
        self.input_spec = keras.layers.InputSpec(ndim=3, axes={-1: sequences_shape[-1]})

    def get_initial_state(self, batch_size):
        # A copy, since PyTorch cannot assign to the variable of a stateful layer whose value is a broadcast view.
        return keras.tree.map_structure(ops.copy, super().get_initial_state(batch_size))

    def reset_state(self) -> None:
        if self.states is None:
            return
        initial = self.get_initial_state(self._expected_batch_size)
        for variable, value in zip(keras.tree.flatten(self.states), keras.tree.flatten(initial), strict=True):
            variable.assign(value)

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if sequences.shape[1] is not None and hasattr(self.cell, "check_length"):
            self.cell.check_length(sequences.shape[1])
        if mask is not None and not shapes_agree(mask.shape, sequences.shape[:2]):
            raise ValueError(f"mask must have the shape {tuple(sequences.shape[:2])}. Received: {tuple(mask.shape)}")
        if sequences.shape[1] != 0:
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        # One masked step in place of none.
        batch, dim = ops.shape(sequences)[0], sequences.shape[2]
        step, mask = ops.zeros((batch, 1, dim), dtype=sequences.dtype), ops.zeros((batch, 1), dtype="bool")
        results = super().call(step, initial_state=initial_state, mask=mask, training=training)
        if not self.return_sequences:
            return results
        return (results[0][:, :0], *results[1:]) if self.return_state else results[:, :0]

    def inner_loop(
        self, sequences: Any, initial_state: Sequence, mask: Any, training: bool = False
    ) -> tuple[Any, Any, Sequence]:
        cell, states = self.cell, initial_state
        if mask is not None:
            # No backend's loop sees the mask: it is one more feature of the sequence.
            sequences = ops.concatenate([sequences, ops.cast(mask, sequences.dtype)[..., None]], axis=-1)
            output = ops.zeros((ops.shape(sequences)[0], cell.output_size), dtype=cell.compute_dtype)
            states = [output, *initial_state]
            cell = _MaskedCell(cell, self.zero_output_for_mask and self.return_sequences, training)
        if self._recomputes(training):
            last_output, outputs, states = self._recomputing_loop(cell, sequences, states, training)
        else:
            rnn = keras.layers.RNN(
                cell,
                return_sequences=self.return_sequences,
                go_backwards=self.go_backwards,
                stateful=self.stateful,
                unroll=self.unroll,
            )
            last_output, outputs, states = rnn.inner_loop(sequences, states, None, training)
        return last_output, outputs, states if mask is None else list(states)[1:]

    def _recomputes(self, training):
        """Return whether the loop is one that keeps the states alone, whose steps are functions of cell and states."""
        known = isinstance(self.cell, MemoryCell) and keras.backend.backend() != "torch"
        return training and known and not self.unroll

    def _recomputing_loop(self, cell, sequences, states, training):
        variables = self.cell.weights
        call = cell if isinstance(cell, _MaskedCell) else functools.partial(cell, **_options(cell, training))

        def step(weights, states, inputs):
            with keras.StatelessScope(state_mapping=zip(variables, weights, strict=True)):
                output, states = call(inputs, states)
            return states, output, ()

        sequences = ops.transpose(ops.cast(sequences, self.cell.compute_dtype), (1, 0, 2))
        sequences = ops.flip(sequences, axis=0) if self.go_backwards else sequences
        weights = [ops.convert_to_tensor(variable) for variable in variables]
        states, outputs = scan(step, states, sequences, weights=weights, gradient=recomputed_gradient(step))
        return outputs[-1], ops.transpose(outputs, (1, 0, 2)), states

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        batch, time = sequences_shape[:2]
        size = self.cell.output_size
        output_shape = (batch, time, size) if self.return_sequences else (batch, size)
        if not self.return_state:
            return output_shape
        return output_shape, *(_state_shape(batch, size) for size in self.state_size)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return super().from_config(dict(config), custom_objects)  # Keras takes the cell out of what it gets


class _MaskedCell:
    """A step that does nothing where the last feature of its inputs, the mask, is 0.

    Its first state is the previous output, after which those of the cell follow.
    """

    def __init__(self, cell, zero_output, training):
        self.cell = cell
        self.zero_output = zero_output
        self.options = _options(cell, training)
        self.state_size = cell.state_size
        self.output_size = cell.output_size

    def call(self, inputs, states):
        previous_output, *states = states
        inputs, real = inputs[:, :-1], inputs[:, -1] > 0
        # Zeros under the mask, so that no gradient goes through a value that is not finite there.
        inputs = _where(real, inputs, ops.zeros_like(inputs))
        output, new_states = self.cell(inputs, states, **self.options)
        new_states = [*new_states] if keras.tree.is_nested(new_states) else [new_states]
        states = keras.tree.map_structure(lambda new, old: _where(real, new, old), new_states, states)
        kept_output = _where(real, output, previous_output)
        output = _where(real, output, ops.zeros_like(output)) if self.zero_output else kept_output
        return output, [kept_output, *states]

    __call__ = call


def _options(cell, training):
    """Return the keyword arguments of a cell's call."""
    return {"training": training} if "training" in inspect.signature(cell.call).parameters else {}


def _where(real, new, old):
    """Choose between two tensors `(batch, ...)` row by row, `real` being `(batch,)`."""
    return ops.where(ops.reshape(real, (-1,) + (1,) * (len(new.shape) - 1)), new, old)


def _state_shape(batch, size):
    """Return the shape of a state, or a list of shapes for those of one cell among stacked ones."""
    if isinstance(size, list):
        return [_state_shape(batch, part) for part in size]
    return (batch, *state_shape(size))
