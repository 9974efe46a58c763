"""A task of any kind is exported: arrays or texts in, the outputs of its prediction network out."""

import dataclasses

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported by TensorFlow alone", allow_module_level=True)

import tensorflow as tf

from dmn_keras.losses import GateCrossentropy
from dmn_keras.serving import SAMPLES, raw_inputs, served
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.preprocessor import Preprocessor
from dmn_keras.tasks.question_answering import QuestionAnsweringPreprocessor
from dmn_keras.tasks.target import Target
from dmn_keras.tasks.task import Task
from dmn_keras.text import join_sentences
from tests.layers.helpers import randomize
from tests.training.runs import tiny


class FactFinder(Task):
    """Finds the fact that a question is about."""

    preprocessor_class = QuestionAnsweringPreprocessor

    def build_network(self):
        dmn = self.config.model.build(len(self.preprocessor.vocabulary))
        return keras.Model(dmn.input, {"logits": dmn.output["gate_logits"][:, -1]})

    def prediction_network(self):
        logits = self.network.output["logits"]
        return keras.Model(self.network.input, {"fact": keras.ops.argmax(logits, axis=1), "logits": logits})

    def targets(self):
        value = lambda example: np.eye(len(example.story), dtype="float32")[example.supporting_facts[-1]]  # noqa: E731
        return [Target("logits", FeatureSpec("float32", ("facts",), -1), value, GateCrossentropy("softmax"))]

    def decode(self, outputs, encoded):
        return [example.facts[row["fact"]] for row, example in zip(outputs, encoded, strict=True)]


@dataclasses.dataclass(frozen=True)
class Walk:
    """Steps in the plane, and how long they take."""

    steps: tuple[tuple[float, float], ...]
    seconds: int

    @classmethod
    def from_record(cls, record, place):
        return cls(**record)


class WalkPreprocessor(Preprocessor):
    example_class = Walk
    is_adapted = True
    specs = {"steps": FeatureSpec("float32", ("steps", 2)), "seconds": FeatureSpec("int32")}  # noqa: RUF012

    def adapt(self, data):
        """There is nothing to learn."""

    def encode(self, examples):
        return list(examples)

    def get_config(self):
        return {}


class Modulo(keras.layers.Layer):
    """Divides integers by a weight, an integer too; gives the remainder."""

    def build(self, input_shape):
        self.divisor = self.add_weight(shape=(), dtype="int32", initializer="ones", trainable=False)

    def call(self, x):
        return keras.ops.mod(x, self.divisor)


class Distance(Task):
    """Estimates where a walk ends; its answers are those of no text."""

    preprocessor_class = WalkPreprocessor

    def build_network(self):
        inputs = {
            "steps": keras.Input((None, 2), name="steps"),
            "seconds": keras.Input((), dtype="int32", name="seconds"),
        }
        end = keras.layers.Dense(1)(keras.ops.sum(inputs["steps"], axis=1))
        return keras.Model(inputs, {"end": end, "second": Modulo()(inputs["seconds"])})

    def targets(self):
        return [Target("end", FeatureSpec("float32", (1,)), lambda example: [0.0], keras.losses.MeanSquaredError())]

    def decode(self, outputs, encoded):
        return [float(row["end"][0]) for row in outputs]


WALKS = [{"steps": [[1.0, 2.0]], "seconds": 7}, {"steps": [[0.0, 1.0], [3.0, 3.0]], "seconds": 9}]


@pytest.fixture(scope="module")
def finder():
    task = FactFinder(tiny(num_passes=2), preprocessor=QuestionAnsweringPreprocessor(max_facts=4))
    task.adapt(SAMPLES)
    randomize(task.network)
    return task


@pytest.fixture(scope="module")
def distance():
    task = Distance(tiny())
    randomize(task.network)
    [divisor] = [weight for weight in task.network.weights if weight.dtype == "int32"]
    divisor.assign(5)
    return task


def run(signature, **inputs):
    return {name: value.numpy() for name, value in signature(**{n: tf.constant(v) for n, v in inputs.items()}).items()}


def test_arrays_and_texts_give_what_the_prediction_network_gives(finder, tmp_path):
    signatures = tf.saved_model.load(str(finder.export(tmp_path, questions=SAMPLES[:2], warmup=False))).signatures
    assert set(signatures) == {"serving_default", "text"}
    arrays = {
        name: np.pad(ids, [(0, 0), *[(0, 3)] * (ids.ndim - 1)]) for name, ids in finder.preprocessor(SAMPLES).items()
    }
    expected = finder.prediction_network().predict(arrays, verbose=0)
    outputs = run(signatures["serving_default"], **arrays)
    assert outputs.keys() == expected.keys() == {"fact", "logits"}
    np.testing.assert_array_equal(outputs["fact"], expected["fact"])
    np.testing.assert_allclose(outputs["logits"], expected["logits"], atol=1e-5)
    texts = {"story": [join_sentences(e.story) for e in SAMPLES], "question": [e.question for e in SAMPLES]}
    outputs = run(signatures["text"], **texts)
    found = [facts[number].decode() for facts, number in zip(outputs["facts"], outputs["fact"], strict=True)]
    assert found == finder.predict(SAMPLES)
    assert len(set(outputs["fact"].tolist())) > 1
    for name, inputs in (("serving_default", arrays), ("text", texts)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must have the same batch size"):
            run(signatures[name], story=inputs["story"][:1], question=inputs["question"])


def test_a_task_without_text_in_half_the_size(distance, tmp_path):
    prediction_log = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    path = distance.export(tmp_path, questions=WALKS, dtype="bfloat16")
    signatures = tf.saved_model.load(str(path)).signatures
    assert set(signatures) == {"serving_default"}
    arrays = distance.preprocessor(WALKS)
    outputs, expected = run(signatures["serving_default"], **arrays), distance.network.predict(arrays, verbose=0)
    assert outputs["second"].tolist() == expected["second"].tolist() == [2, 4]
    np.testing.assert_allclose(outputs["end"], expected["end"], rtol=0.02, atol=0.05)
    stored = tf.train.load_checkpoint(str(path / "variables/variables")).get_variable_to_dtype_map()
    weights = [dtype for name, dtype in stored.items() if "weights" in name]
    assert sorted(weights, key=str) == [tf.bfloat16, tf.bfloat16, tf.int32]
    requests = tf.data.TFRecordDataset(str(path / "assets.extra" / "tf_serving_warmup_requests"))
    sizes = []
    for data in requests:
        inputs = prediction_log.PredictionLog.FromString(data.numpy()).predict_log.request.inputs
        sizes.append(tf.make_ndarray(inputs["steps"]).shape)
    assert sizes == [(1, 1, 2), (1, 2, 2), (2, 2, 2)]


@pytest.mark.parametrize("signature", ["serving_default", "text"])
def test_a_task_whose_outputs_differ_is_not_exported(signature, finder, tmp_path, monkeypatch):
    ServedTask, TextOps = served.ServedTask, raw_inputs.TextOps

    def wrong_weights(task, **options):
        made = ServedTask(task, **options)
        for weight in made.variables:
            if weight.dtype.is_floating:
                weight.assign(-weight)
        return made

    if signature == "text":
        monkeypatch.setattr(raw_inputs, "TextOps", lambda vocabulary, max_facts: TextOps(vocabulary, 1))
    else:
        monkeypatch.setattr(served, "ServedTask", wrong_weights)
    with pytest.raises(RuntimeError, match=rf"gives other \w+ of {signature} than the model. Nothing was exported"):
        finder.export(tmp_path, questions=SAMPLES, warmup=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"questions": None}, "questions must hold examples of Distance to compare on. Received: None"),
        ({"questions": []}, "questions must hold at least one"),
        ({"questions": WALKS, "top": 2}, "top is for a QuestionAnswerer: leave it out for a Distance. Received: top=2"),
    ],
)
def test_mistakes_in_the_arguments_write_nothing(options, message, distance, tmp_path):
    with pytest.raises(ValueError, match=message):
        distance.export(tmp_path / "model", warmup=False, **options)
    assert not (tmp_path / "model").exists()


def test_a_task_that_is_not_adapted_is_not_exported(tmp_path):
    with pytest.raises(ValueError, match=r"call adapt\(training_data\) or fit first"):
        FactFinder().export(tmp_path / "model", warmup=False)
    assert not (tmp_path / "model").exists()
