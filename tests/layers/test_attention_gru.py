import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import AttentionGRU, AttentionGRUCell
from tests.layers.helpers import attention_gru_weights, compiled, numpy, randomize
from tests.layers.registry import B, D, F, U, random
from tests.reference import attention

FACTS = random(B, F, D)
GATES = np.random.default_rng(2).random((B, F)).astype("float32")

each_mode = pytest.mark.parametrize("mode", ["gated_gru", "attention_gru"])


def make(mode):
    layer = AttentionGRU(U, mode=mode)
    layer.build((None, None, D))
    return randomize(layer)


def make_cell(mode, weights):
    cell = AttentionGRUCell(U, mode=mode)
    cell.build((None, D + 1))
    cell.set_weights([ops.convert_to_numpy(w) for w in weights])
    return cell


def episode(layer, facts=FACTS, gates=GATES):
    return numpy(layer(ops.convert_to_tensor(facts), ops.convert_to_tensor(gates)))


@each_mode
def test_episode_is_that_of_the_equations(mode):
    layer = make(mode)
    weights = attention_gru_weights(layer.cell)
    expected = np.stack([attention.attention_gru(*row, weights, mode) for row in zip(FACTS, GATES, strict=True)])
    np.testing.assert_allclose(episode(layer), expected, atol=1e-6)
    np.testing.assert_allclose(compiled(layer, {"facts": FACTS, "gates": GATES})[0], expected, atol=1e-6)


@each_mode
def test_cell_in_rnn_gives_the_same(mode):
    layer = make(mode)
    rnn = keras.layers.RNN(make_cell(mode, layer.weights))
    inputs = np.concatenate([FACTS, GATES[..., None]], axis=-1)
    np.testing.assert_allclose(numpy(rnn(ops.convert_to_tensor(inputs))), episode(layer), atol=1e-6)


@each_mode
def test_cell_in_rnn_carries_its_state_and_skips_masked_facts(mode):
    cell = make_cell(mode, make(mode).weights)
    inputs = np.concatenate([FACTS, GATES[..., None]], axis=-1)
    [start] = cell.get_initial_state(B)
    assert tuple(start.shape) == (B, U)
    assert not numpy(start).any()
    rnn = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    states, last = numpy(rnn(ops.convert_to_tensor(inputs)))
    np.testing.assert_array_equal(states[:, -1], last)
    _, masked = numpy(rnn(ops.convert_to_tensor(inputs), mask=ops.convert_to_tensor(np.arange(F) < [[2], [2], [2]])))
    np.testing.assert_allclose(masked, states[:, 1], atol=1e-6)
    loaded = keras.layers.RNN.from_config(rnn.get_config())
    assert loaded.cell.get_config() == cell.get_config()


@each_mode
def test_gates_of_zero_keep_the_state_to_the_bit(mode):
    cell = make_cell(mode, make(mode).weights)
    state = ops.convert_to_tensor(random(B, U, seed=9))
    inputs = ops.convert_to_tensor(np.concatenate([FACTS[:, 0], np.zeros((B, 1), "float32")], axis=-1))
    np.testing.assert_array_equal(numpy(cell(inputs, [state])[0]), numpy(state))
    rnn = keras.layers.RNN(cell)
    story = ops.convert_to_tensor(np.concatenate([FACTS, np.zeros((B, F, 1), "float32")], axis=-1))
    np.testing.assert_array_equal(numpy(rnn(story, initial_state=[state])), numpy(state))
    assert np.all(episode(make(mode), gates=np.zeros_like(GATES)) == 0)
