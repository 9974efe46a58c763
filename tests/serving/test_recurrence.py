"""The loop of an exported GRU is Keras' GRU."""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported by TensorFlow alone", allow_module_level=True)

import tensorflow as tf

from dmn_keras.serving.recurrence import gru, lean_recurrence


def model_of(*layers):
    sequences = keras.Input((None, 5))
    return keras.Model(sequences, keras.Sequential(layers)(sequences))


def loops(model, lean):
    """The operations in the loops of a model's graph."""
    traced = tf.function(model, input_signature=[tf.TensorSpec([None, None, 5])])
    if lean:
        with lean_recurrence(model):
            graph = traced.get_concrete_function().graph.as_graph_def()
    else:
        graph = traced.get_concrete_function().graph.as_graph_def()
    return sum(len(f.node_def) for f in graph.library.function if "while_body" in f.signature.name)


@pytest.mark.parametrize("steps", [0, 1, 7])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_states_are_those_of_keras(steps, dtype):
    layer = keras.layers.GRU(4, return_sequences=True, bias_initializer="glorot_uniform", dtype=dtype)
    sequences = tf.random.stateless_normal((3, steps, 5), [0, 1], dtype=dtype)
    states = layer(tf.zeros((3, 1, 5), dtype) if steps == 0 else sequences)
    found = gru(layer.cell, sequences, tf.zeros((3, 4), dtype))
    assert found.shape == (3, steps, 4)
    assert found.dtype == dtype
    if steps:
        np.testing.assert_allclose(found, states, atol=1e-6 if dtype == "float32" else 2e-3)


def test_a_traced_model_has_fewer_operations_in_its_loop_and_the_same_states():
    model = model_of(keras.layers.GRU(4, return_sequences=True, bias_initializer="glorot_uniform"))
    assert loops(model, lean=True) < 0.8 * loops(model, lean=False)
    sequences = tf.random.stateless_normal((3, 7, 5), [0, 1])
    with lean_recurrence(model):
        traced = tf.function(model).get_concrete_function(sequences)
    np.testing.assert_allclose(traced(sequences), model(sequences), atol=1e-6)


@pytest.mark.parametrize(
    "other",
    [{"return_sequences": False}, {"go_backwards": True}, {"reset_after": False}, {"use_bias": False}],
    ids=lambda settings: next(iter(settings)),
)
def test_a_gru_that_differs_is_left_to_keras(other):
    model = model_of(keras.layers.GRU(4, **{"return_sequences": True, **other}))
    assert loops(model, lean=True) == loops(model, lean=False)


def test_a_gru_under_a_mask_is_left_to_keras():
    model = model_of(keras.layers.Masking(), keras.layers.GRU(4, return_sequences=True))
    sequences = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
    sequences[:, 4:] = 0
    with lean_recurrence(model):
        masked = model(sequences)
    np.testing.assert_array_equal(masked, model(sequences))


def test_afterwards_keras_runs_its_own():
    model = model_of(keras.layers.GRU(4, return_sequences=True))
    before = loops(model, lean=False)
    with pytest.raises(ZeroDivisionError), lean_recurrence(model):
        1 / 0  # noqa: B018
    assert loops(model, lean=False) == before
