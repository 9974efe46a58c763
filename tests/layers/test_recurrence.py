"""Loops over time and their own gradients, beside NumPy and automatic differentiation."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import recurrence
from dmn_keras.layers.gru import GRU
from tests.layers.helpers import gradients, gru_weights, numpy, randomize, weighted_sum
from tests.reference import gru

T, B, D, U = 7, 3, 5, 4
rng = np.random.default_rng(0)


def draw(*shape):
    return rng.normal(size=shape).astype("float32")


CASES = {
    "gru": (recurrence.GRU, (draw(U, 3 * U), draw(3 * U)), (draw(T, B, 3 * U),)),
    "attention, update": (recurrence.ATTENTION_GRU, (draw(U, 2 * U),), (draw(T, B, 2 * U), rng.random((T, B, 1)))),
    "attention, mix": (recurrence.ATTENTION_GRU, (draw(U, 3 * U),), (draw(T, B, 3 * U), rng.random((T, B, 1)))),
}
each_case = pytest.mark.parametrize("case", CASES)
each_result = pytest.mark.parametrize("every_state", [True, False], ids=["states", "last"])
each_input = pytest.mark.parametrize("with_product", [True, False], ids=["product", "projected"])


def arguments(case, with_product):
    """The cell and its weights, inputs and first state as arrays."""
    cell, weights, (first, *others) = CASES[case]
    if with_product:
        width = first.shape[-1]
        cell, weights, first = (
            recurrence.with_input_product(cell),
            (draw(D, width), draw(width), *weights),
            draw(T, B, D),
        )
    return cell, weights, (first, *(other.astype("float32") for other in others)), draw(B, U)


@each_case
@each_result
@each_input
@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
def test_own_gradients_are_those_of_automatic_differentiation(case, every_state, with_product, recompute):
    cell, weights, inputs, state = arguments(case, with_product)
    num_weights = len(weights)

    def result(training):
        def function(*arrays):
            out = recurrence.run(
                cell,
                arrays[:num_weights],
                arrays[num_weights:-1],
                arrays[-1],
                every_state=every_state,
                training=training,
                recompute=recompute,
            )
            return weighted_sum(out)

        return gradients(function, (*weights, *inputs, state))

    for own, automatic in zip(result(training=True), result(training=False), strict=True):
        np.testing.assert_allclose(own, automatic, atol=2e-5)


@pytest.mark.parametrize("training", [True, False])
@each_result
def test_states_of_a_loop_counted_by_hand(training, every_state):
    add = recurrence.Cell(
        lambda weights, state, inputs: (state + weights[0] * inputs[0], ()),
        lambda weights, state, inputs, kept, d: (d, (ops.sum(d * inputs[0], axis=0),), (d * weights[0],)),
    )
    inputs = ops.reshape(ops.arange(3, dtype="float32"), (3, 1, 1))
    weights = (ops.ones((1,)) * 2,)
    out = recurrence.run(add, weights, (inputs,), ops.ones((1, 1)), every_state=every_state, training=training)
    np.testing.assert_array_equal(numpy(out), np.reshape([1, 3, 7], (3, 1, 1)) if every_state else [[7]])


def test_gradients_of_weights_are_summed_in_float32():
    """A thousand gradients of 1, then 16-bit addition would stop at 256."""
    if keras.backend.backend() == "torch":
        pytest.skip("automatic differentiation sums on this backend")
    add = recurrence.Cell(
        lambda weights, state, inputs: (inputs[0] * weights[0], ()),
        lambda weights, state, inputs, kept, d: (d * 0, (ops.ones((1,), d.dtype),), (d * weights[0],)),
    )
    inputs = np.ones((1000, 1, 1), "float32")

    def function(weight):
        cast = [ops.cast(x, "bfloat16") for x in (weight, inputs, np.zeros((1, 1)))]
        return ops.sum(recurrence.run(add, cast[:1], cast[1:2], cast[2], every_state=False, training=True))

    (gradient,) = gradients(function, (np.ones(1, "float32"),))
    assert gradient[0] == 1000


def make(keras_own=False, **options):
    layer = keras.layers.GRU(U, return_sequences=True, **options) if keras_own else GRU(U, **options)
    layer.build((None, None, D))
    return randomize(layer)


@pytest.mark.parametrize("training", [True, False])
def test_states_are_those_of_the_equations(training):
    layer, sequences = make(), draw(B, T, D)
    states = numpy(layer(ops.convert_to_tensor(sequences), training=training))
    every_step = np.ones(T, bool)
    expected = np.stack([gru.facts_at_words(row, every_step, gru_weights(layer.cell)) for row in sequences])
    np.testing.assert_allclose(states, expected, atol=1e-6)


def test_a_gradient_reaches_every_weight_as_in_keras():
    sequences, layers = draw(B, T, D), (make(), make(keras_own=True))
    found, expected = (
        gradients(lambda x, layer=layer: weighted_sum(layer(x, training=True)), (sequences,), layer.trainable_variables)
        for layer in layers
    )
    for own, of_keras in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, of_keras, atol=1e-5)


def test_under_a_mask_and_from_a_first_state_it_is_keras_gru():
    layer, of_keras, sequences = make(), make(keras_own=True), draw(B, T, D)
    mask = np.arange(T) < np.array([[7], [3], [1]])
    for other in ({"mask": ops.convert_to_tensor(mask)}, {"initial_state": ops.convert_to_tensor(draw(B, U))}):
        np.testing.assert_allclose(numpy(layer(sequences, **other)), numpy(of_keras(sequences, **other)), atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs are TensorFlow's")
def test_a_graph_with_its_own_gradient_is_freed_and_differentiated_from_outside():
    import tensorflow as tf

    cell, weights, inputs, state = arguments("gru", with_product=False)
    graphs = []

    def last_state(training, *arrays):
        graphs.append(weakref.ref(tf.compat.v1.get_default_graph()))
        return recurrence.run(cell, arrays[:2], arrays[2:-1], arrays[-1], every_state=False, training=training)

    def found(training):
        traced = tf.function(lambda *arrays: last_state(training, *arrays))
        # The tape is outside: the gradient is looked up by the operations of a graph that is already there.
        return gradients(lambda *tensors: ops.sum(traced(*tensors)), [*weights, *inputs, state])

    for own, automatic in zip(found(True), found(False), strict=True):
        np.testing.assert_allclose(own, automatic, atol=1e-5)
    gc.collect()
    assert [graph() for graph in graphs] == [None] * len(graphs)
