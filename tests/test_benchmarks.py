"""The benchmarks: scripts on tiny sizes, tables against the measured files."""

import importlib
import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

from benchmarks import base, invariance, mixed_precision, precision, serving, ship
from dmn_keras.asking import Answerer
from dmn_keras.datasets import registry
from dmn_keras.training.answers import RawAnswer
from dmn_keras.training.calibration import calibrate
from dmn_keras.training.config import Config
from dmn_keras.training.data import Source
from dmn_keras.training.fit import build, make_recipe, train
from dmn_keras.training.run_folder import RunFolder
from tests.layers.helpers import randomize
from tests.training.runs import eagerly, own_data, tiny, without_tracing

ROOT = pathlib.Path(__file__).parents[1]
BABI = ROOT.parent / "shared" / "data" / "babi"
TINY = {"batch": 3, "facts": 4, "words": 5, "question_words": 2, "units": 6, "passes": 3, "vocabulary": 11}
tensorflow_alone = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exported by TensorFlow alone")


def run(*arguments, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


# The scripts


def written(script, file, printed):
    """What a script wrote, which holds how it was made, and whose table it printed."""
    result = json.loads(file.read_text())
    assert result["command"].startswith(f"python -m benchmarks.{script} ")
    assert result["machine"]["cores_used"] >= 1
    assert result["versions"]["backend"].startswith(keras.backend.backend())
    assert importlib.import_module(f"benchmarks.{script}").table(result) in printed
    return result


SIZES = ["--words", "3", "--units", "4"]
ONE_MODEL = {
    "training_step": ["--facts", "2", "3", "--batch-size", "2", *SIZES, "--passes", "1", "--repeats", "3"],
    "long_stories": ["--facts", "3", "--units", "4"],
}


@pytest.mark.parametrize("script", ONE_MODEL)
def test_training_is_measured(script, tmp_path):
    backend, file = keras.backend.backend(), tmp_path / "sub" / "file.json"
    if backend == "torch":
        pytest.skip("measures TensorFlow and JAX")
    peer = ["--peer"] if script == "training_step" and importlib.util.find_spec("torch") else []
    arguments = ["--backend", backend, *ONE_MODEL[script], *peer, "--json", str(file)]
    result = written(script, file, run("-m", f"benchmarks.{script}", *arguments, CUDA_VISIBLE_DEVICES="-1"))
    if script == "training_step":
        assert [row["facts"] for row in result["rows"]] == [2, 3]
        for row in result["rows"]:
            assert row["step"]["cpu_ms"] == sorted(row["step"]["all_cpu_ms"])[1]
            assert not peer or row["of_peer"] == round(row["step"]["cpu_ms"] / row["peer"]["cpu_ms"], 2)
    else:
        assert [(row["facts"], row["recompute"]) for row in result["rows"]] == [(3, False), (3, True)]
        assert all(row["us_a_fact"] == pytest.approx(1000 * row["ms"] / 12, abs=10) for row in result["rows"])


def test_the_peer_learns():
    pytest.importorskip("torch")
    from benchmarks import peer

    step = peer.training_step(TINY, TINY["facts"])
    losses = [step() for _ in range(200)]
    assert losses[-1] < 0.5 * losses[0]  # one batch each time


@without_tracing
def test_mixed_precision_trains_under_each_policy(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    monkeypatch.setattr(registry, "STORIES_NUM_EXAMPLES", {"train": 40, "valid": 10, "test": 10})
    file = tmp_path / "mixed.json"
    small = ["--set", "epochs=1", "--set", "units=4", "--set", "num_passes=1", "--set", "num_buckets=1"]
    options = ["--backend", keras.backend.backend(), "--tasks", "two facts", "--seeds", "1", *small]
    with eagerly():
        mixed_precision.main([*options, "--json", str(file)])
    result = written("mixed_precision", file, capsys.readouterr().out)
    assert [row["policy"] for row in result["rows"]] == list(mixed_precision.POLICIES)
    assert all(len(row["errors"]) == len(row["losses"]) == 1 for row in result["rows"])
    assert len({tuple(row["losses"]) for row in result["rows"]}) == 3


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run folder whose weights are random: its answers are as good as any to be compared, and none is a tie."""
    source = Source("stories", ("two-supporting-facts",))
    examples = source.load("test")[source.tasks[0]][:200]
    recipe = make_recipe(source, Config(units=8, num_passes=1), examples)
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "two")
    folder.create(recipe)
    model = randomize(build(recipe))
    model.optimizer.build(model.trainable_variables)  # as `fit` does
    folder.save_model(model)
    return folder


def test_answers_that_depend_on_the_batch_are_counted(run_folder, tmp_path, capsys, monkeypatch):
    file = tmp_path / "invariance.json"
    options = ["--questions", "9", "--batch-sizes", "4", "--json", str(file)]
    assert invariance.main([str(run_folder.path), *options]) == 0
    result = written("invariance", file, capsys.readouterr().out)
    variants = result["runs"]["two"]["variants"]
    assert [variant["name"] for variant in variants] == ["batches of 4", "in reversed order"]
    assert (result["runs"]["two"]["questions"], result["changed"]) == (9, 0)
    assert max(variant["gate_difference"] for variant in variants) < 1e-5

    def answer(word, gate):
        return RawAnswer((word,), 0.5, np.full((1, 2), gate))

    found = invariance.compare("x", [answer(3, 0.25), answer(4, 0.25)], [answer(3, 0.5), answer(5, 0.25)])
    assert found == {"name": "x", "changed": 1, "gate_difference": 0.25, "probability_difference": 0.0}
    monkeypatch.setattr(invariance, "measure", lambda *_: {"questions": 2, "variants": [found]})
    assert invariance.main([str(run_folder.path)]) == 1


@without_tracing
def test_a_calibrated_run_is_shipped_without_its_optimizer(tmp_path):
    source = own_data(tmp_path / "data")
    run = RunFolder(tmp_path / "run")
    with eagerly():
        train(source, tiny(epochs=3, learning_rate=0.03), run.path, verbose=0, say=lambda line: None)
        with pytest.raises(FileNotFoundError, match=r"calibration\.json is missing: .*calibrate it"):
            ship.ship(run.path, tmp_path / "shipped")
        assert not (tmp_path / "shipped").exists()
        calibrate(run, source)
        ship.main([str(run.path), str(tmp_path / "shipped")])
        asked = "Mary park. John home.", "Where is John?"
        assert Answerer(tmp_path / "shipped").ask(*asked) == Answerer(run.path).ask(*asked)
    assert not hasattr(keras.models.load_model(tmp_path / "shipped" / "model.keras"), "optimizer")
    [error] = [row["error"] for row in json.loads(run.metrics.read_text())["tasks"].values()]
    assert f"| all | {error:.1f} | 7 |" in (tmp_path / "shipped" / "README.md").read_text()


# Serving


@tensorflow_alone
@pytest.mark.xdist_group("export")
def test_speed_of_an_exported_model(pretrained, monkeypatch):
    monkeypatch.setattr(serving, "BATCHES", (1, 3))
    _, path = pretrained
    speed, story = serving.speed(path, 5), serving.long_story(path, 20)
    assert 0 < speed["median_ms"] <= speed["p99_ms"]
    assert story["facts"] == 20
    assert story["ms"] > 0
    assert "| 20 |" in serving.table({"speed": {"without": speed, "with": speed}, "stories": [story]})


@tensorflow_alone
@pytest.mark.skipif(not BABI.exists(), reason="the data of the model that comes with the package is not here")
def test_smaller_weights_are_measured(tmp_path, capsys, monkeypatch):
    names = ("SavedModel, float32", "LiteRT, 8-bit integers")
    monkeypatch.setattr(precision, "FORMS", {name: precision.FORMS[name] for name in names})
    file = tmp_path / "precision.json"
    precision.main(["--data-dir", str(BABI), "--questions", "2", "--repeats", "1", "--json", str(file)])
    result = written("precision", file, capsys.readouterr().out)
    rows = {row["form"]: row for row in result["rows"]}
    assert rows["SavedModel, float32"]["changed"] == 0
    assert rows["LiteRT, 8-bit integers"]["weight_bytes"] < rows["SavedModel, float32"]["weight_bytes"]
    assert all(0 <= row["error"] <= 100 for row in rows.values())


@pytest.mark.parametrize("readme", ["README.md", "benchmarks/README.md"])
def test_tables_are_those_of_the_measured_files(readme):
    cogapp = pytest.importorskip("cogapp")
    command = "python -m cogapp -r README.md benchmarks/README.md"
    assert cogapp.Cog().main(["cog", "--check", str(ROOT / readme)]) == 0, f"run {command}"


def test_numbers_are_rounded_as_on_paper():
    assert base.decimals([0.045, 1234.5, None], 2) == ["0.05", "1,234.50", "-"]
    assert base.markdown(["a", "b"], [["x", 1]]).splitlines() == ["| a | b |", "| --- | ---: |", "| x | 1 |"]


def test_a_command_can_be_typed_and_names_no_folder_of_this_machine():
    command = base.record("serving", ["--json", "a b.json", "--data-dir", "/here/data", "/there/run"])["command"]
    assert command == "python -m benchmarks.serving --json 'a b.json' --data-dir DIR run"
