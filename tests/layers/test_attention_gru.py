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

each_mode = pytest.mark.parametrize("mode", ["mix", "update"])


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
def test_cell_stepped_gives_the_same(mode):
    layer = make(mode)
    cell = make_cell(mode, layer.weights)
    state = ops.zeros((B, U))
    for t in range(F):
        inputs = np.concatenate([FACTS[:, t], GATES[:, t, None]], axis=-1)
        output, states = cell(ops.convert_to_tensor(inputs), [state])
        state = states[0]
        np.testing.assert_array_equal(numpy(output), numpy(state))
    np.testing.assert_allclose(numpy(state), episode(layer), atol=1e-6)


@each_mode
def test_projecting_once_gives_the_same(mode):
    layer = make(mode)
    projected = layer.project(ops.convert_to_tensor(FACTS))
    assert tuple(projected.shape) == (F, B, U * (3 if mode == "mix" else 2))
    again = layer.run(projected, ops.convert_to_tensor(GATES))
    np.testing.assert_allclose(numpy(again), episode(layer), atol=1e-6)


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


@each_mode
def test_a_one_hot_gate_gives_one_fact_alone(mode):
    layer = make(mode)
    gates = np.eye(F, dtype="float32")[[1, 4, 0]]
    alone = episode(layer, FACTS[range(B), [1, 4, 0]][:, None], np.ones((B, 1), "float32"))
    np.testing.assert_allclose(episode(layer, gates=gates), alone, atol=1e-6)


def test_a_full_gate_in_update_form_is_the_candidate():
    layer = make("update")
    weights = attention_gru_weights(layer.cell)
    candidate = np.tanh(FACTS[:, 0] @ weights["W"][:, U:] + weights["b"][U:])  # r * (U_h 0) = 0
    np.testing.assert_allclose(episode(layer, FACTS[:, :1], np.ones((B, 1), "float32")), candidate, atol=1e-6)


@each_mode
def test_facts_with_gate_zero_change_nothing(mode):
    layer = make(mode)
    facts = np.concatenate([FACTS[:, :2], 9 * random(B, 3, D), FACTS[:, 2:]], axis=1)
    gates = np.concatenate([GATES[:, :2], np.zeros((B, 3), "float32"), GATES[:, 2:]], axis=1)
    np.testing.assert_allclose(episode(layer, facts, gates), episode(layer), atol=1e-6)


@pytest.mark.parametrize("layer", [AttentionGRU, AttentionGRUCell])
def test_errors(layer):
    with pytest.raises(ValueError, match=r"units must be a positive integer. Received: units=1.5"):
        layer(1.5)
    with pytest.raises(ValueError, match=r"mode must be one of mix, update. Received: 'mixed'. Did you mean 'mix'\?"):
        layer(3, mode="mixed")
