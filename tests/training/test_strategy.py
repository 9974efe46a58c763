"""Which devices train; that several of them give the losses of one; and what they save."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.training.strategy import DistributionContext, get_distribution
from dmn_keras.training.trainer import train
from tests.training.runs import eagerly, history, own_data, tensorflow_only, tiny, without_tracing

pytestmark = without_tracing
ROOT = pathlib.Path(__file__).parents[2]
STORY, QUESTION = "Mary park. John home. Bill office.", "Where is John?"


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def run(code, folder, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1", **variables}
    command = [sys.executable, "-c", code, str(folder)]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]


def assert_same_losses(one, other, rel=1e-4):
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        assert b == pytest.approx(a, rel=rel)


TENSORFLOW = """
import pathlib, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from dmn_keras.training.trainer import train
from dmn_keras.training.strategy import get_distribution
from tests.training.runs import eagerly, own_data, tiny

folder = pathlib.Path(sys.argv[1])
assert get_distribution("mirrored").num_devices == 2
assert [get_distribution(*a).num_devices for a in (["auto"], ["one"], ["auto", "cpu:1"])] == [1, 1, 1]
source = own_data(folder / "data", train=23)  # batches of 9, 9 and 5, none of which divides by 2
settings = {"dropout": 0, "epochs": 2, "batch_size": 9}
train(source, tiny(**settings, steps_per_execution=2), folder / "steps", strategy="mirrored", verbose=0)
with eagerly():
    train(source, tiny(**settings), folder / "one", strategy="one", verbose=0)
    train(source, tiny(**settings), folder / "mirrored", devices=(0, 1), verbose=0)
    # Dropout draws from states that are mirrored too, and so is the scale of the loss.
    train(source, tiny(epochs=1, dtype="mixed_float16"), folder / "dropout", strategy="mirrored", verbose=0)
"""


@tensorflow_only
def test_two_devices_give_the_losses_of_one_under_tensorflow(tmp_path):
    run(TENSORFLOW, tmp_path)
    one = history(tmp_path / "one")
    assert_same_losses(one, history(tmp_path / "mirrored"))
    assert_same_losses(one, history(tmp_path / "steps"))
    assert np.isfinite(history(tmp_path / "dropout")[0]["loss"])


JAX = """
import contextlib, os, pathlib, sys
sys.modules["tensorflow"] = sys.modules["tensorflow_datasets"] = None  # as where they are not installed
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"
import keras
from dmn_keras import cli
from dmn_keras.training.trainer import train
from dmn_keras.training.strategy import get_distribution
from tests.training.runs import own_data, tiny

folder = pathlib.Path(sys.argv[1])
assert get_distribution("auto").num_devices == get_distribution("one").num_devices == 1
source = own_data(folder / "data", train=13)
settings = {"epochs": 2, "batch_size": 5}
train(source, tiny(**settings), folder / "one", strategy="one", verbose=0)
train(source, tiny(**settings, steps_per_execution=2), folder / "two", devices="cpu:0,cpu:2", verbose=0)
float16 = tiny(**settings, dtype="mixed_float16")
train(source, float16.replace(epochs=1), folder / "float16", strategy="mirrored", verbose=0)
train(source, float16, folder / "float16", devices=[1], resume=True, verbose=0)
for mistake in ({"devices": "7"}, {"strategy": "tpu"}):
    try:
        train(source, tiny(**settings), folder / "no", **mistake)
    except ValueError as error:
        print(error)

of_tensorflow = str(folder / "tensorflow")
assert cli.main(["evaluate", of_tensorflow, "--json", str(folder / "evaluated.json")]) == 0
with open(folder / "answer.json", "w") as file, contextlib.redirect_stdout(file):
    story = str(folder / "story.txt")
    assert cli.main(["ask", of_tensorflow, "--story", story, "--question", "Where is John?", "--json"]) == 0

steps, make_train_function = [], keras.Model.make_train_function

def make_and_interrupt(model, force=False):
    make_train_function(model, force)
    step = model.train_function

    def interrupted(*arguments):
        steps.append(step(*arguments))  # from here on the weights that the model knows of are gone
        if len(steps) == 3:
            raise KeyboardInterrupt
        return steps[-1]

    model.train_function = interrupted

keras.Model.make_train_function = make_and_interrupt
metrics = train(source, tiny(epochs=9), folder / "interrupted", strategy="one", verbose=0)
assert (metrics["status"], metrics["epochs"]) == ("interrupted", 1), metrics
"""


@pytest.fixture(scope="module")
def jax_runs(tmp_path_factory):
    """Folder of a run of this backend, and runs trained with JAX on one device and on several, without TensorFlow."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("the jax backend is not installed")
    folder = tmp_path_factory.mktemp("jax")
    (folder / "story.txt").write_text(STORY)
    with eagerly():
        train(own_data(folder / "data", train=13), tiny(), folder / "tensorflow", verbose=0)
    run(JAX, folder, KERAS_BACKEND="jax")
    return folder


def test_devices_give_the_losses_of_one_under_jax(jax_runs):
    # With dropout: what JAX draws does not depend on where.
    assert_same_losses(history(jax_runs / "one"), history(jax_runs / "two"), rel=1e-5)
    # The first epoch on four devices, the second, resumed, on another one.
    assert_same_losses(history(jax_runs / "one"), history(jax_runs / "float16"), rel=0.02)


@tensorflow_only
def test_a_run_of_tensorflow_is_evaluated_and_asked_under_jax(jax_runs):
    answer = json.loads((jax_runs / "answer.json").read_text())
    own = QuestionAnswerer.from_preset(jax_runs / "tensorflow").ask(STORY, QUESTION)
    assert answer["answer"] == own.answer
    assert answer["probability"] == pytest.approx(own.probability, rel=1e-4)
    np.testing.assert_allclose(answer["gates"], own.gates, atol=1e-5)
    files = (jax_runs / "evaluated.json", jax_runs / "tensorflow/metrics.json")
    measured, tested = (json.loads(file.read_text())["tasks"]["all"] for file in files)
    assert measured == {name: tested[name] for name in ("error", "questions", "accuracy", "gate_recall")}
    assert json.loads((jax_runs / "one/metrics.json").read_text())["versions"]["backend"].startswith("jax ")


@tensorflow_only
@pytest.mark.parametrize("name", ["two", "float16"])
def test_what_jax_saves_answers_and_exports_under_tensorflow(jax_runs, name, tmp_path):
    import tensorflow as tf

    from dmn_keras.serving import export

    one, other = (QuestionAnswerer.from_preset(jax_runs / run).ask(STORY, QUESTION) for run in ("one", name))
    tolerance = 0.03 if name == "float16" else 1e-4
    assert other.probability == pytest.approx(one.probability, rel=tolerance)
    np.testing.assert_allclose(other.gates, one.gates, atol=tolerance)
    if name == "two":
        return
    served = tf.saved_model.load(str(export(QuestionAnswerer.from_preset(jax_runs / name), tmp_path, warmup=False)))
    said = served.signatures["serving_default"](story=tf.constant([STORY]), question=tf.constant([QUESTION]))
    assert said["answer"].numpy()[0].decode() == other.answer


@pytest.mark.parametrize("strategy", ["mirrored", "multi_worker", "tpu"])
def test_pytorch_trains_on_one_device(monkeypatch, strategy):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setenv("TF_CONFIG", CLUSTER)
    with pytest.raises(ValueError, match=f"strategy '{strategy}' does not run on the torch backend.*KERAS_BACKEND=jax"):
        get_distribution(strategy)
    with pytest.raises(ValueError, match="devices needs the TensorFlow or JAX backend"):
        get_distribution("one", devices="0")
    assert get_distribution("one") == DistributionContext()


@tensorflow_only
@pytest.mark.parametrize(
    ("strategy", "reason"),
    [
        ("multi_worker", r"fails .* \(keras-team/keras#20585\)"),
        ("auto", r"fails .* \(keras-team/keras#20585\)"),  # several workers in the environment are never ignored
        ("tpu", "without TPU support"),
    ],
)
def test_what_tensorflow_cannot_run_is_named_with_what_can(monkeypatch, strategy, reason):
    monkeypatch.setenv("TF_CONFIG", CLUSTER)
    with pytest.raises(ValueError, match=f"does not run on the tensorflow backend: .*{reason}.*KERAS_BACKEND=jax"):
        get_distribution(strategy)


@tensorflow_only
def test_one_worker_in_the_environment_trains_by_itself(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}')
    assert get_distribution("auto").num_workers == 1


CLUSTER = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}'


@pytest.mark.parametrize(
    ("strategy", "devices", "message"),
    [
        ("auto", "gpu:9", r"devices: there is no device 'gpu:9'\. There are: cpu:0, cpu:1"),
        ("auto", "5", "devices: there is no device 'cpu:5'"),
        ("auto", (0, "cpu:0"), "devices names cpu:0 twice"),
        ("auto", (), "devices must name at least one device"),
        ("auto", ",", "devices must name at least one device"),
        ("one", "0,1", r"strategy 'one' takes one device\. Received: devices=cpu:0, cpu:1"),
    ],
)
def test_devices_that_cannot_be_used(monkeypatch, strategy, devices, message):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: ["cpu:0", "cpu:1"])
    with pytest.raises(ValueError, match=message):
        get_distribution(strategy, devices)


def test_a_batch_smaller_than_the_number_of_devices_overwrites_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr("dmn_keras.training.trainer.get_distribution", lambda *_: DistributionContext(num_devices=9))
    with pytest.raises(ValueError, match=r"batch_size must be at least the number of devices .*, 9\. Received: .*=8"):
        train(own_data(tmp_path / "data"), tiny(), tmp_path / "run", overwrite=True, verbose=0)
    assert not (tmp_path / "run").exists()
