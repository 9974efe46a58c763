"""Tests that every cell with a memory must pass in `MemoryRNN` and in Keras' own `RNN`."""

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import MemoryRNN
from dmn_keras.layers.memory_cell import MemoryCell, state_shape
from tests.layers.helpers import each_policy, gradients, numpy, randomize, weighted_sum
from tests.layers.registry import CASES, B, D, F, random

INPUTS = random(B, F, D)
HOLES = np.array([[1, 0, 1, 1, 0], [0, 0, 1, 0, 1], [1, 1, 1, 1, 1]], bool)

CELLS = {name: case for name, case in CASES.items() if issubclass(case.layer, MemoryCell)}
each_cell = pytest.mark.parametrize("case", CELLS.values(), ids=CELLS)
tensorflow_alone = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports with TensorFlow")


def make_cell(case, **changes):
    cell = case.layer(**{**case.arguments, **changes})
    cell.build((None, D))
    return randomize(cell)


def make_rnn(case, layer=MemoryRNN, **options):
    return layer(make_cell(case), return_sequences=True, return_state=True, **options)


def call(rnn, inputs=INPUTS, mask=None, initial_state=None):
    mask = None if mask is None else ops.convert_to_tensor(mask)
    return numpy(list(rnn(ops.convert_to_tensor(inputs), mask=mask, initial_state=initial_state)))


def assert_close(left, right, atol=1e-5):
    for a, b in zip(left, right, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@each_cell
def test_mask_equals_the_sequence_without_masked_steps_to_the_bit(case):
    rnn = make_rnn(case)
    outputs, *states = call(rnn, np.where(HOLES[..., None], INPUTS, np.nan).astype("float32"), HOLES)
    for row, real in enumerate(HOLES):
        alone, *alone_states = call(rnn, INPUTS[:, real])
        np.testing.assert_array_equal(outputs[row][real], alone[row])
        for state, alone_state in zip(states, alone_states, strict=True):
            np.testing.assert_array_equal(state[row], alone_state[row])


@each_cell
def test_keras_own_rnn_gives_the_same(case):
    assert_close(call(make_rnn(case, keras.layers.RNN)), call(make_rnn(case)), atol=1e-6)


@each_cell
def test_stateful_layer_continues_and_resets_to_the_first_state(case):
    whole, rnn = call(make_rnn(case)), make_rnn(case, stateful=True)
    first, second = call(rnn, INPUTS[:, :2]), call(rnn, INPUTS[:, 2:])
    assert_close([np.concatenate([first[0], second[0]], axis=1), *second[1:]], whole)
    rnn.reset_state()
    assert_close(call(rnn, INPUTS[:, :2]), first, atol=0)
    with pytest.raises(ValueError, match="batch size"):
        call(rnn, INPUTS[:2])


@pytest.mark.slow
@each_cell
def test_xla_trains_under_a_mask_to_the_same_weights(case):
    if keras.backend.backend() == "torch":
        pytest.skip("XLA compiles for TensorFlow and JAX")
    padded, trained = np.where(HOLES[..., None], INPUTS, 0).astype("float32"), []
    for jit_compile in (False, True):
        rnn = MemoryRNN(make_cell(case), return_sequences=True)
        model = keras.Sequential([keras.Input((None, D)), keras.layers.Masking(), rnn])
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=jit_compile)
        before = [numpy(weight) for weight in model.trainable_weights]
        model.train_on_batch(padded, np.ones((B, F, rnn.cell.output_size), "float32"))
        trained.append([numpy(weight) for weight in model.trainable_weights])
        assert all(np.isfinite(weight).all() for weight in trained[-1])
        assert not any(np.array_equal(a, b) for a, b in zip(before, trained[-1], strict=True))
    assert_close(*trained)


@pytest.mark.slow
@each_cell
def test_the_loop_of_training_has_the_results_and_gradients_of_the_other(case):
    rnn = make_rnn(case, go_backwards=True)

    def call(sequences, training):
        return list(rnn(sequences, mask=ops.convert_to_tensor(HOLES), training=training))

    assert_close(*(numpy(call(ops.convert_to_tensor(INPUTS), training)) for training in (False, True)), atol=1e-6)
    losses = [lambda x, training=training: weighted_sum(call(x, training)) for training in (False, True)]
    assert_close(*(gradients(loss, [INPUTS], rnn.trainable_variables) for loss in losses), atol=1e-4)


def masked_model(case):
    """A model of unknown batch and length that returns outputs and states."""
    inputs = keras.Input((None, D))
    return keras.Model(inputs, make_rnn(case)(keras.layers.Masking()(inputs)))


@pytest.mark.slow
@each_cell
def test_saved_model_gives_the_same_at_other_sizes(case, tmp_path):
    model = masked_model(case)
    sizes = [state_shape(size) for size in make_cell(case).state_size]
    assert [tuple(x.shape) for x in model.outputs[1:]] == [(None, *size) for size in sizes]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for sequences in (INPUTS, INPUTS[:2, :3]):
        found, kept = (m.predict_on_batch(sequences) for m in (loaded, model))
        assert_close(map(np.asarray, found), map(np.asarray, kept), atol=0)


@pytest.mark.slow
@tensorflow_alone
@each_cell
def test_exported_model_runs_at_other_sizes(case, tmp_path):
    import tensorflow as tf

    model = masked_model(case)
    model.export(tmp_path / "exported", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "exported"))
    longer = np.concatenate([INPUTS, INPUTS], axis=1)
    for sequences in (INPUTS, longer[:2]):
        assert_close(map(numpy, served.serve(sequences)), model.predict_on_batch(sequences))


@each_cell
@each_policy
def test_gradients_in_mixed_precision_are_finite_from_the_first_memory(case, policy):
    rnn = MemoryRNN(make_cell(case, dtype=policy), return_sequences=True, dtype=policy)
    found = gradients(lambda: weighted_sum(rnn(INPUTS)), variables=rnn.trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in found)


@each_cell
def test_nan_stays_in_its_row(case):
    rnn, inputs = make_rnn(case), INPUTS.copy()
    inputs[1, 2] = np.nan
    found, expected = call(rnn, inputs), call(rnn)
    assert np.isnan(found[0][1, 2:]).any()
    assert_close([x[[0, 2]] for x in found], [x[[0, 2]] for x in expected], atol=1e-6)


@each_cell
@pytest.mark.parametrize("change", [lambda s: [x[:1] for x in s], lambda s: s[:1], lambda s: s[::-1]])
def test_states_of_another_shape_are_refused(case, change):
    cell = make_cell(case)
    with pytest.raises(ValueError, match=r"states must have the shapes \[\(3, .* Received: shapes \[\("):
        cell(ops.convert_to_tensor(INPUTS[:, 0]), change(cell.get_initial_state(B)))


@each_cell
def test_no_steps_give_the_first_states(case):
    rnn = make_rnn(case)
    outputs, *states = call(rnn, INPUTS[:, :0])
    assert outputs.shape == (B, 0, rnn.cell.output_size)
    assert_close(states, numpy(rnn.get_initial_state(B)), atol=0)
