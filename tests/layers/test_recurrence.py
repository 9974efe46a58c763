"""Recurrences and their own gradients, beside NumPy and automatic differentiation."""

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import recurrence
from dmn_keras.layers.gru import GRU
from dmn_keras.layers.scan import scan
from tests.layers.helpers import gradients, gru_weights, numpy, randomize, weighted_sum
from tests.reference import gru

T, B, D, U = 7, 3, 5, 4
rng = np.random.default_rng(0)


def draw(*shape):
    return rng.normal(size=shape).astype("float32")


CASES = {
    "gru": (recurrence.GRU, (draw(U, 3 * U), draw(3 * U)), (draw(T, B, 3 * U),)),
    "attention_gru": (recurrence.ATTENTION_GRU, (draw(U, 2 * U),), (draw(T, B, 2 * U), rng.random((T, B, 1)))),
    "leaky": (recurrence.LEAKY, (), (abs(np.tanh(draw(T, B, U))), draw(T, B, U))),
    "gated_gru": (recurrence.ATTENTION_GRU, (draw(U, 3 * U),), (draw(T, B, 3 * U), rng.random((T, B, 1)))),
}


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


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("with_product", [True, False], ids=["product", "projected"])
def test_own_gradients_are_those_of_automatic_differentiation(case, with_product):
    if with_product and not CASES[case][1]:
        pytest.skip("no kernel")
    cell, weights, inputs, state = arguments(case, with_product)
    num_weights = len(weights)

    def result(gradient, recompute=False):
        def function(*arrays):
            weights, xs, init = arrays[:num_weights], arrays[num_weights:-1], arrays[-1]
            options = {"weights": weights, "gradient": gradient, "recompute": recompute}
            return weighted_sum(scan(cell.step, init, xs, **options))

        return gradients(function, (*weights, *inputs, state))

    results = result(cell.gradient), result(cell.gradient, recompute=True), result(None)
    for kept, recomputed, automatic in zip(*results, strict=True):
        np.testing.assert_allclose(kept, automatic, atol=2e-5)
        np.testing.assert_allclose(recomputed, automatic, atol=2e-5)


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
