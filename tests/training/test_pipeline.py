import keras
import numpy as np
import pytest

from dmn_keras.training.batches import EpochSequence
from dmn_keras.training.pipeline import evaluation_data, training_data
from tests.training.test_batches import batches, many

tensorflow_only = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data is for TensorFlow")


def assert_same(dataset, sequence):
    """Compare all of a sequence's batches with the next ones of a dataset's iterator."""
    for i in range(len(sequence)):
        for one, other in zip(next(dataset), sequence[i], strict=True):
            assert set(one) == set(other)
            for name in one:
                array = np.asarray(one[name])
                np.testing.assert_array_equal(array, other[name])
                assert array.dtype == other[name].dtype


@tensorflow_only
@pytest.mark.parametrize("options", [{}, {"answer_words": 2, "gate_targets": "file", "learned_stop": True}])
def test_tf_data_gives_the_batches_of_the_sequence_epoch_after_epoch(options):
    made = batches(many(), **options)
    epochs = []
    own = {"seed": 3, "epoch": lambda: len(epochs), "curriculum": 3}
    arguments = training_data(made, **own)
    sequence = EpochSequence(made, **own)
    assert len(arguments["x"]) == len(sequence) == len(made)
    assert arguments["shuffle"] is False
    for _ in range(3):
        sequence.on_epoch_begin()
        dataset = iter(arguments["x"])
        assert_same(dataset, sequence)
        assert next(dataset, None) is None
        epochs.append("done")


@tensorflow_only
def test_evaluation_is_one_pass_in_order():
    made = batches(many())
    dataset = evaluation_data(made)
    assert len(dataset) == len(made)
    iterator = iter(dataset)
    assert_same(iterator, EpochSequence(made))
    assert next(iterator, None) is None


@tensorflow_only
def test_one_trace_serves_all_buckets():
    inputs, targets, weights = evaluation_data(batches(many())).element_spec
    for spec in (*inputs.values(), *targets.values(), *weights.values()):
        assert set(spec.shape) == {None}


def test_other_backends_read_the_same_batches_as_arrays(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    made = batches(many())
    own = {"seed": 3, "epoch": lambda: 1, "curriculum": 3}
    arguments = training_data(made, **own)
    sequence = EpochSequence(made, **own)
    assert isinstance(arguments["x"], keras.utils.PyDataset)
    assert arguments["shuffle"] is False
    assert_same((arguments["x"][i] for i in range(len(sequence))), sequence)
    held = evaluation_data(made)
    assert_same((held[i] for i in range(len(held))), EpochSequence(made))
