"""The loop over time beside NumPy, and its own gradients beside automatic differentiation."""

import gc
import weakref

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers.scan import recomputed_gradient, scan
from tests.layers.helpers import gradients, numpy, weighted_sum

T, B, N, U = 5, 3, 2, 4
rng = np.random.default_rng(0)
MEMORY, CLOCK = rng.standard_normal((B, N, U)).astype("float32"), np.zeros((B, 1), "float32")
KEYS, VALUES = (rng.standard_normal((T, B, size)).astype("float32") for size in (N, U))
WEIGHT = rng.standard_normal(U).astype("float32")
each_direction = pytest.mark.parametrize("reverse", [False, True])


def write(weights, state, x):
    """A memory of several slots and a clock, in a nested state of tensors of different rank."""
    (weight,), (memory, clock) = weights, (state["memory"], state["clock"])
    written = x["key"][:, :, None] * (x["value"] * weight)[:, None, :]
    following = {"memory": 0.5 * memory + written, "clock": clock + 1}
    return following, {"total": ops.sum(following["memory"], axis=1), "clock": clock}, (written,)


def write_gradient(weights, state, x, residuals, d_next, d_y):
    (weight,), (written,) = weights, residuals
    d_memory = d_next["memory"] + d_y["total"][:, None, :]
    d_value = ops.sum(d_memory * x["key"][:, :, None], axis=1)
    d_key = ops.sum(d_memory * (x["value"] * weight)[:, None, :], axis=2)
    d_state = {"memory": 0.5 * d_memory, "clock": d_next["clock"] + d_y["clock"]}
    # The residual is the product of three; the weight's part of it is left where the weight is divided out.
    d_weight = ops.sum(d_memory * written / weight, axis=(0, 1))
    return (d_weight,), d_state, {"key": d_key, "value": d_value * weight}


def run(*arrays, **options):
    weight, memory, clock, keys, values = map(ops.convert_to_tensor, arrays)
    init, xs = {"memory": memory, "clock": clock}, {"key": keys, "value": values}
    return scan(write, init, xs, weights=(weight,), **options)


ARRAYS = (WEIGHT, MEMORY, CLOCK, KEYS, VALUES)


@each_direction
@pytest.mark.parametrize("options", [{}, {"gradient": write_gradient}], ids=["automatic", "own"])
def test_nested_states_are_those_of_numpy(reverse, options):
    memory, totals, clocks = MEMORY.astype("float64"), [None] * T, [None] * T
    for step, t in enumerate(reversed(range(T)) if reverse else range(T)):
        memory = 0.5 * memory + KEYS[t][:, :, None] * (VALUES[t] * WEIGHT)[:, None, :]
        totals[t], clocks[t] = memory.sum(1), np.full((B, 1), step)
    last, ys = numpy(run(*ARRAYS, reverse=reverse, **options))
    np.testing.assert_allclose(last["memory"], memory, atol=1e-5)
    np.testing.assert_array_equal(last["clock"], np.full((B, 1), T))
    np.testing.assert_allclose(ys["total"], totals, atol=1e-5)
    np.testing.assert_array_equal(ys["clock"], clocks)


@each_direction
def test_own_gradients_of_nested_states_are_those_of_automatic_differentiation(reverse):
    def found(**options):
        return gradients(lambda *arrays: weighted_sum(run(*arrays, reverse=reverse, **options)), ARRAYS)

    expected = found()
    for gradient, recompute in ((write_gradient, False), (write_gradient, True), (recomputed_gradient(write), False)):
        for own, automatic in zip(found(gradient=gradient, recompute=recompute), expected, strict=True):
            np.testing.assert_allclose(own, automatic, atol=1e-4)


def test_an_own_gradient_is_the_one_that_is_used():
    if keras.backend.backend() == "torch":
        pytest.skip("this backend differentiates every loop")

    def thrice(*arguments):
        return keras.tree.map_structure(lambda d: 3 * d, write_gradient(*arguments))

    own, other = (
        gradients(lambda *arrays, g=g: ops.sum(run(*arrays, gradient=g)[1]["total"][-1]), ARRAYS)
        for g in (write_gradient, thrice)
    )
    np.testing.assert_allclose(other[-1][-1], 3 * own[-1][-1], rtol=1e-5)


@pytest.mark.parametrize("gradient", [None, lambda weights, h, x, residuals, d_next, d_y: ((), d_next, d_next)])
def test_a_step_may_yield_nothing(gradient):
    def add(weights, h, x):
        return h + x, (), ()

    last, ys = scan(add, ops.zeros((2,)), ops.ones((4, 2)), gradient=gradient)
    np.testing.assert_array_equal(numpy(last), [4, 4])
    assert ys == ()


@pytest.mark.parametrize("options", [{}, {"gradient": write_gradient}], ids=["automatic", "own"])
def test_no_steps_leave_the_state(options):
    last, ys = numpy(run(WEIGHT, MEMORY, CLOCK, KEYS[:0], VALUES[:0], **options))
    np.testing.assert_array_equal(last["memory"], MEMORY.astype("float64"))
    assert ys["total"].shape == (0, B, U)


def test_gradients_of_weights_are_summed_in_float32():
    """300 gradients of 1: 16-bit addition would stop at 256."""
    if keras.backend.backend() == "torch":
        pytest.skip("automatic differentiation sums on this backend")

    def multiply(weights, state, x):
        return x * weights[0], (), ()

    def ones(weights, state, x, residuals, d_next, d_y):
        return (ops.ones((1,), d_next.dtype),), d_next * 0, d_next * weights[0]

    def function(weight):
        weight, xs, state = (ops.cast(x, "bfloat16") for x in (weight, np.ones((300, 1, 1)), np.zeros((1, 1))))
        return ops.sum(scan(multiply, state, xs, weights=(weight,), gradient=ones)[0])

    (gradient,) = gradients(function, (np.ones(1, "float32"),))
    assert gradient[0] == 300


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs are TensorFlow's")
@each_direction
def test_a_graph_with_its_own_gradient_is_freed_and_differentiated_from_outside(reverse):
    import tensorflow as tf

    graphs = []

    def last_memory(gradient, *arrays):
        graphs.append(weakref.ref(tf.compat.v1.get_default_graph()))
        return run(*arrays, gradient=gradient, reverse=reverse)[0]["memory"]

    def found(gradient):
        traced = tf.function(lambda *arrays: last_memory(gradient, *arrays))
        # The tape is outside: the gradient is looked up by the operations of a graph that is already there.
        return gradients(lambda *tensors: ops.sum(traced(*tensors)), ARRAYS)

    for own, automatic in zip(found(write_gradient), found(None), strict=True):
        np.testing.assert_allclose(own, automatic, atol=1e-4)
    gc.collect()
    assert [graph() for graph in graphs] == [None] * len(graphs)
