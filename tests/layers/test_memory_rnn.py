from typing import ClassVar

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import MemoryRNN
from tests.layers.helpers import gradients, numpy, weighted_sum

B, T, D, N, W = 3, 5, 4, 4, 3
"""The slots are as many as the features and differ from the batch: a mask on the wrong axis would fit or fail."""

SEQUENCES = np.random.default_rng(0).standard_normal((B, T, D)).astype("float32")
END = np.arange(T) < np.array([[3], [5], [1]])
HOLES = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 0, 1], [1, 1, 1, 1, 1]], bool)
ATOL = 2e-7 if keras.backend.backend() == "jax" else 0.0
"""JAX compiles a loop, and rounds with a mask in it not as without."""


@keras.saving.register_keras_serializable(package="tests")
class MatrixCell(keras.layers.Layer):
    """Writes its input to a matrix that starts at ones, through one weight, and counts its steps."""

    state_size: ClassVar = [(N, W), 1]
    output_size = W

    def get_initial_state(self, batch_size):
        matrix = ops.broadcast_to(ops.ones((1, N, W), dtype=self.compute_dtype), (batch_size, N, W))
        return [matrix, ops.zeros((batch_size, 1), dtype=self.compute_dtype)]

    def build(self, inputs_shape):
        self.kernel = self.add_weight(shape=(D, W), initializer=keras.initializers.GlorotUniform(seed=0), name="kernel")

    def call(self, inputs, states):
        matrix, steps = states
        add = ops.tanh(ops.matmul(inputs, self.kernel))
        matrix = 0.7 * matrix + ops.sigmoid(inputs)[:, :, None] * add[:, None, :]
        return ops.mean(matrix, axis=1), [matrix, steps + 1]


def make(**options):
    return MemoryRNN(MatrixCell(), return_sequences=True, return_state=True, **options)


def call(rnn, sequences=SEQUENCES, mask=None, **options):
    mask = None if mask is None else ops.convert_to_tensor(mask)
    return numpy(rnn(ops.convert_to_tensor(sequences), mask=mask, **options))


@pytest.mark.parametrize("unroll", [False, True])
def test_mask_equals_the_sequence_without_masked_steps(unroll):
    outputs, *states = call(make(unroll=unroll), mask=HOLES)
    for row, real in enumerate(HOLES):
        expected, *expected_states = call(make(unroll=unroll), SEQUENCES[:, real])
        np.testing.assert_allclose(outputs[row][real], expected[row], rtol=0, atol=ATOL)
        for state, expected_state in zip(states, expected_states, strict=True):
            np.testing.assert_allclose(state[row], expected_state[row], rtol=0, atol=ATOL)


def test_masked_step_repeats_the_output_or_gives_zeros():
    repeated, *_ = call(make(), mask=HOLES)
    np.testing.assert_array_equal(repeated[0, 1], repeated[0, 0])
    np.testing.assert_array_equal(repeated[1, :2], np.zeros((2, W)))
    zeros, *states = call(make(zero_output_for_mask=True), mask=HOLES)
    np.testing.assert_array_equal(zeros, np.where(HOLES[..., None], repeated, 0))
    assert np.all(states[1][:, 0] == HOLES.sum(axis=1))


def test_last_output_is_that_of_the_last_real_step():
    whole, *_ = call(make(), mask=END)
    last = MemoryRNN(MatrixCell(), zero_output_for_mask=True)
    np.testing.assert_array_equal(call(last, mask=END), whole[:, -1])


def test_backwards_under_a_mask():
    forwards = call(make(), SEQUENCES[:, ::-1].copy(), HOLES[:, ::-1].copy())
    for a, b in zip(call(make(go_backwards=True), mask=HOLES), forwards, strict=True):
        np.testing.assert_array_equal(a, b)


def test_values_under_the_mask_do_not_reach_results_or_gradients():
    rnn = make()
    noise = np.where(HOLES[..., None], SEQUENCES, np.nan).astype("float32")
    for a, b in zip(call(rnn, noise, HOLES), call(rnn, mask=HOLES), strict=True):
        np.testing.assert_array_equal(a, b)

    def loss(sequences):
        return weighted_sum(rnn(sequences, mask=ops.convert_to_tensor(HOLES)))

    found, expected = (gradients(loss, [x], rnn.trainable_variables) for x in (noise, SEQUENCES))
    assert np.all(found[0][~HOLES] == 0)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_functional_model_declares_and_returns_states():
    inputs = keras.Input((None, D))
    results = make()(keras.layers.Masking()(inputs))
    assert [x.shape for x in results] == [(None, None, W), (None, N, W), (None, 1)]
    padded = np.where(END[..., None], SEQUENCES, 0).astype("float32")
    for a, b in zip(keras.Model(inputs, results).predict_on_batch(padded), call(make(), mask=END), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_stacked_cells():
    cell = keras.layers.StackedRNNCells([keras.layers.GRUCell(D), MatrixCell()])
    rnn = MemoryRNN(cell, return_state=True)
    output, first, second = rnn(keras.Input((None, D)))
    assert output.shape == (None, W)
    assert first.shape == (None, D)
    assert [x.shape for x in second] == [(None, N, W), (None, 1)]
    outputs = call(rnn, mask=END)
    expected = call(rnn, SEQUENCES[[2], :1])
    np.testing.assert_allclose(outputs[0][2], expected[0][0], atol=1e-6)


def test_state_is_kept_between_batches_and_reset_to_the_initial_one():
    rnn, whole = make(stateful=True), call(make())
    first, *_ = call(rnn, SEQUENCES[:, :2])
    second, *states = call(rnn, SEQUENCES[:, 2:])
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole[0], atol=1e-6)
    np.testing.assert_allclose(states[0], whole[1], atol=1e-6)
    rnn.reset_state()
    np.testing.assert_array_equal(numpy(rnn.states[0].value), np.ones((B, N, W)))
    np.testing.assert_array_equal(call(rnn, SEQUENCES[:, :2])[0], first)


def test_no_steps_give_the_initial_states():
    outputs, *states = call(make(), SEQUENCES[:, :0])
    assert outputs.shape == (B, 0, W)
    np.testing.assert_array_equal(states[0], np.ones((B, N, W)))
    np.testing.assert_array_equal(call(MemoryRNN(MatrixCell()), SEQUENCES[:, :0]), np.zeros((B, W)))


def test_given_initial_state_is_where_it_starts():
    rnn = make()
    _, *middle = call(rnn, SEQUENCES[:, :2])
    outputs, *_ = call(rnn, SEQUENCES[:, 2:], initial_state=[ops.cast(state, "float32") for state in middle])
    np.testing.assert_allclose(outputs, call(rnn)[0][:, 2:], atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "mask_shape", "message"),
    [
        ((2, 5, 4), None, "expected axis -1 of input shape to have value 3"),
        ((2, 5), None, "expected ndim=3"),
        ((2, 5, 3), (2, 4), r"mask must have the shape \(2, 5\)\. Received: \(2, 4\)"),
        ((2, 5, 3), (2, 5, 1), r"mask must have the shape \(2, 5\)\. Received: \(2, 5, 1\)"),
    ],
)
def test_sequences_and_masks_of_other_shapes_are_refused(shape, mask_shape, message):
    layer = MemoryRNN(keras.layers.GRUCell(2))
    layer(np.zeros((2, 5, 3), "float32"))
    with pytest.raises(ValueError, match=message):
        layer(np.zeros(shape, "float32"), mask=None if mask_shape is None else np.ones(mask_shape, "bool"))


def test_saved_and_loaded_it_computes_the_same(tmp_path):
    inputs = keras.Input((None, D))
    model = keras.Model(inputs, make()(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for a, b in zip(loaded.predict_on_batch(SEQUENCES), model.predict_on_batch(SEQUENCES), strict=True):
        np.testing.assert_array_equal(a, b)
