import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import record_memory
from tests.layers.helpers import numpy, randomize
from tests.layers.registry import B, D, F, random
from tests.layers.test_memory_cells import CELLS, each_cell, make_cell, make_rnn

INPUTS = random(B, F, D)
SHAPES = {"NTMCell": 6, "DNCCell": 6, "DynamicNTMCell": 5}
"""How many slots the cells of the registry have, with that of no operation."""


@each_cell
def test_record_holds_inputs_outputs_and_memory_after_every_step(case):
    record = record_memory(make_cell(case), INPUTS)
    rnn = make_rnn(case)
    outputs, *states = rnn(ops.convert_to_tensor(INPUTS))
    np.testing.assert_array_equal(record["inputs"], INPUTS)
    np.testing.assert_allclose(record["outputs"], numpy(outputs), atol=1e-6)
    last = rnn.cell.memory_record(states)
    assert set(record) == {"inputs", "outputs", *last}
    for name, value in last.items():
        assert record[name].shape == (B, F, *value.shape[1:])
        np.testing.assert_allclose(record[name][:, -1], numpy(value), atol=1e-6)


@pytest.mark.parametrize(("name", "slots"), SHAPES.items())
def test_weights_are_recorded_by_head(name, slots):
    record = record_memory(make_cell(CELLS[name]), INPUTS)
    for weights in (record["read_weights"], record["write_weights"]):
        assert weights.shape == (B, F, 1, slots)
        assert np.all(weights.sum(axis=-1) <= 1 + 1e-5)


@pytest.mark.parametrize("name", ["NTMCell", "DNCCell"])
def test_reads_are_those_of_the_recorded_weights(name):
    record = record_memory(make_cell(CELLS[name]), INPUTS)
    reads = np.einsum("btrn,btnw->btrw", record["read_weights"], record["memory"])
    np.testing.assert_allclose(record["reads"], reads, atol=1e-6)


def test_actions_are_recorded_as_they_were_taken():
    cell = make_cell(CELLS["StackRNNCell"], rounding=True)
    record = record_memory(randomize(cell, scale=2.0), INPUTS)
    assert record["entries"].shape == (B, F, 2, F, 1)
    assert set(record["actions"].ravel()) == {0, 1}
    assert np.all(record["actions"].sum(axis=-1) == 1)


def test_record_starts_from_a_given_state():
    cell = make_cell(CELLS["DNCCell"])
    whole, states = record_memory(cell, INPUTS), cell.get_initial_state(B)
    for t in range(2):
        _, states = cell(ops.convert_to_tensor(INPUTS[:, t]), states)
    rest = record_memory(cell, INPUTS[:, 2:], initial_state=states)
    np.testing.assert_allclose(rest["usage"], whole["usage"][:, 2:], atol=1e-6)


def test_record_needs_a_memory_and_steps():
    with pytest.raises(ValueError, match=r"cell must have a method memory_record\(states\). Received: cell=<GRUCell"):
        record_memory(keras.layers.GRUCell(3), INPUTS)
    with pytest.raises(ValueError, match=r"at least one step. Received: shape \(3, 0, 3\)"):
        record_memory(make_cell(CELLS["NTMCell"]), INPUTS[:, :0])
