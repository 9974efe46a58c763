"""The Stack RNN and the List RNN, which act on memories with probabilities."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import ListRNNCell, MemoryRNN, StackRNNCell
from tests.layers.helpers import numpy, randomize
from tests.layers.registry import B, D, U, random
from tests.reference import stacks as reference

T, DEPTH = 6, 3
INPUTS = random(B, T, D)
KINDS = {"stack": StackRNNCell, "list": ListRNNCell}
NAMES = {
    "U": "kernel",
    "P": "read_kernel",
    "R": "recurrent_kernel",
    "b": "bias",
    "A": "action_kernel",
    "b_a": "action_bias",
    "D": "value_kernel",
    "b_v": "value_bias",
}

each_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind, scale=2.0, **arguments):
    cell = KINDS[kind](U, 2, DEPTH, **arguments)
    cell.build((None, D))
    return randomize(cell, scale=scale)


def run(cell, inputs=INPUTS):
    """Outputs and states of the cell in Keras' `RNN`, as arrays."""
    rnn = keras.layers.RNN(cell, return_sequences=True, return_state=True, dtype=cell.dtype_policy)
    return numpy(list(rnn(ops.convert_to_tensor(inputs))))


@each_kind
@pytest.mark.parametrize("rounding", [False, True])
@pytest.mark.parametrize(
    "options", [{}, {"no_op": True, "recurrent": True, "cell_size": 2, "top_k": 3, "empty_value": 0.5}]
)
@pytest.mark.usefixtures("float64")
def test_cell_in_rnn_is_that_of_the_loops(kind, rounding, options):
    cell = make(kind, rounding=rounding, dtype="float64", **options)
    outputs, *states = run(cell, INPUTS.astype("float64"))
    weights = {symbol: numpy(getattr(cell, name)) for symbol, name in NAMES.items() if hasattr(cell, name)}
    for b in range(B):
        expected, memory = reference.run(
            INPUTS[b].astype("float64"),
            weights,
            kind=kind,
            memories=2,
            depth=DEPTH,
            cell_size=cell.cell_size,
            top_k=cell.top_k,
            num_actions=cell.num_actions,
            rounding=rounding,
            empty=cell.empty_value,
        )
        np.testing.assert_allclose(outputs[b], expected, atol=1e-12)
        np.testing.assert_allclose(cell.contents(states)[b], memory, atol=1e-12)


@each_kind
def test_each_memory_has_a_softmax_of_its_own(kind):
    cell = make(kind, no_op=True)
    actions = numpy(cell.action_probabilities(ops.convert_to_tensor(random(B, U))))
    assert actions.shape == (B, 2, cell.num_actions)
    np.testing.assert_allclose(actions.sum(axis=-1), 1, atol=1e-6)


@each_kind
def test_rounding_is_suspended_in_training(kind):
    cell, soft = make(kind, rounding=True), make(kind)
    inputs = ops.convert_to_tensor(INPUTS)
    trained, expected = (keras.layers.RNN(c)(inputs, training=True) for c in (cell, soft))
    np.testing.assert_array_equal(numpy(trained), numpy(expected))
    assert not np.array_equal(numpy(keras.layers.RNN(cell)(inputs)), numpy(expected))


@each_kind
def test_a_depth_below_the_length_is_warned_of_with_both_numbers(kind):
    cell = make(kind)
    with pytest.warns(UserWarning, match=r"^depth=3 is less than the length 4 of the sequences"):
        cell.check_length(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cell.check_length(3)


@each_kind
def test_memory_rnn_warns_of_a_depth_below_the_length(kind):
    cell = make(kind)
    with pytest.warns(UserWarning, match=rf"^depth=3 is less than the length {T} of"):
        found = MemoryRNN(cell)(ops.convert_to_tensor(INPUTS))
    np.testing.assert_allclose(numpy(found), run(cell)[0][:, -1], atol=1e-6)


@pytest.mark.parametrize(("kind", "depth", "most"), [("stack", 2, 2), ("list", 2, 3)])
def test_more_entries_than_there_are_cannot_be_read(kind, depth, most):
    assert KINDS[kind](U, 1, depth, top_k=most).top_k == most
    with pytest.raises(ValueError, match=rf"^top_k must be at most {most}, .* Received: top_k={most + 1}"):
        KINDS[kind](U, 1, depth, top_k=most + 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), True, "none"])
def test_an_empty_value_that_is_no_finite_number_is_refused(value):
    with pytest.raises(ValueError, match=r"^empty_value must be a finite number\. Received: empty_value="):
        StackRNNCell(U, 1, DEPTH, empty_value=value)
