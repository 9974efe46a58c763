"""The commands under JAX where TensorFlow is not installed, and saved models read on the other backend."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from dmn_keras.asking import Answerer
from dmn_keras.training.fit import train
from tests.training.runs import eagerly, own_data, tensorflow_only, tiny, without_tracing

pytestmark = [tensorflow_only, without_tracing]

ROOT = pathlib.Path(__file__).parents[2]
STORY, QUESTION = "Mary park. John home. Bill office.", "Where is John?"

COMMANDS = """
import sys
sys.modules["tensorflow"] = sys.modules["tensorflow_datasets"] = None  # as where they are not installed
import pathlib
import keras
from dmn_keras import cli
from tests.training.runs import TINY

folder = pathlib.Path(sys.argv[1])
assert keras.backend.backend() == "jax"
source = ["--dataset", "jsonl", "--data-dir", str(folder / "data")]
settings = [part for name, value in TINY.items() for part in ("--set", f"{name}={value}")]
assert cli.main(["train", *source, *settings, "--epochs", "2", "--verbose", "0", "--output", str(folder / "jax")]) == 0
assert cli.main(["evaluate", str(folder / "tensorflow"), *source, "--json", str(folder / "tensorflow.json")]) == 0
for run in ("jax", "tensorflow"):
    ask = ["ask", str(folder / run), "--story", str(folder / "story.txt"), "--question", sys.argv[2], "--json"]
    assert cli.main(ask) == 0

steps, make_train_function = [], keras.Model.make_train_function

def make_and_interrupt(model, force=False):
    make_train_function(model, force)
    step = model.train_function

    def interrupted(*arguments):
        result = step(*arguments)  # from here on the weights that the model knows of are gone
        steps.append(result)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return result

    model.train_function = interrupted

keras.Model.make_train_function = make_and_interrupt
train = ["train", *source, *settings, "--epochs", "9", "--verbose", "0", "--output", str(folder / "interrupted")]
assert cli.main(train) == 130
"""


def test_train_evaluate_and_ask_under_jax_without_tensorflow(tmp_path):
    if importlib.util.find_spec("jax") is None:
        pytest.skip("the jax backend is not installed")
    source = own_data(tmp_path / "data")
    (tmp_path / "story.txt").write_text(STORY)
    with eagerly():
        train(source, tiny(), tmp_path / "tensorflow", verbose=0)
    command = [sys.executable, "-c", COMMANDS, str(tmp_path), QUESTION]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": path}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]

    metrics = json.loads((tmp_path / "interrupted" / "metrics.json").read_text())
    assert (metrics["status"], metrics["epochs"]) == ("interrupted", 1)

    answers = [json.loads(line) for line in result.stdout.splitlines() if line.startswith('{"answer"')]
    assert len(answers) == 2
    for run, other in zip(("jax", "tensorflow"), answers, strict=True):
        own = Answerer(tmp_path / run).ask(STORY, QUESTION)
        assert own.answer == other["answer"]
        assert own.probability == pytest.approx(other["probability"], rel=1e-4)
        np.testing.assert_allclose(own.gates, other["gates"], atol=1e-5)
    measured = json.loads((tmp_path / "tensorflow.json").read_text())["tasks"]["all"]
    tested = json.loads((tmp_path / "tensorflow/metrics.json").read_text())["tasks"]["all"]
    assert measured == {"error": tested["error"], "questions": tested["questions"]}
    metrics = json.loads((tmp_path / "jax/metrics.json").read_text())
    assert metrics["epochs"] == 2
    assert metrics["versions"]["backend"].startswith("jax ")
