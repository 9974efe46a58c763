"""The benchmarks: their formulas against independent counts, their scripts on tiny sizes."""

import dataclasses
import importlib.util
import json
import math
import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from benchmarks import (
    devices,
    first_step,
    floor,
    import_time,
    invariance,
    long_stories,
    mixed_precision,
    parts,
    pipeline,
    precision,
    report,
    serving,
    serving_load,
    ship,
    tables,
    time_to_accuracy,
    training_step,
)
from dmn_keras import cli
from dmn_keras.asking import Answerer
from dmn_keras.datasets import registry
from dmn_keras.training.answers import RawAnswer, answer_questions
from dmn_keras.training.batches import StoryBatches
from dmn_keras.training.calibration import calibrate
from dmn_keras.training.config import Config
from dmn_keras.training.data import Source
from dmn_keras.training.fit import build, make_recipe, train
from dmn_keras.training.run_folder import RunFolder
from tests.layers.helpers import randomize
from tests.training.runs import eagerly, own_data, tiny, without_tracing, write_stories

ROOT = pathlib.Path(__file__).parents[1]
BABI = ROOT.parent / "shared" / "data" / "babi"
TINY = {"batch": 3, "facts": 4, "words": 5, "question_words": 2, "units": 6, "passes": 3, "vocabulary": 11}


def run(*arguments, **variables):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, *arguments]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


# The floor


def test_products_of_size_one_counted_by_hand():
    ones = dict.fromkeys(TINY, 1)
    word_gru = 3 * 2 + 3 * 2  # three gates, a story of one word and a question of one word: W x and U h
    gate_once = 1 + 5  # c W; W1's blocks for c, q, c*q, |c-q| and c W q
    gate_each_pass = 4 + 1  # W1's blocks for m, c*m, |c-m| and c W m; W2
    attention_gru = 3 + 3
    memory_update = 3 + 3
    answer = 2  # [m; q]
    forward = word_gru + gate_once + gate_each_pass + attention_gru + memory_update + answer
    assert floor.Floor(floor.products(**ones)).flops == 3 * 2 * forward


def test_products_are_those_that_jax_traces():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("the jax backend is not installed")
    printed = run(__file__, KERAS_BACKEND="jax")
    expected = [sum(product.flops for product in floor.products(**TINY, form=form)) for form in training_step.FORMS]
    assert [int(word) for word in printed.split()[-2:]] == expected


def count_traced_products(form):
    """Count the operations of all matrix products in the gradient of `dmn`, as JAX traces it."""
    import jax

    from dmn_keras.losses import AnswerCrossentropy

    model = training_step.build({**TINY, "form": form})
    story = np.ones((TINY["batch"], TINY["facts"], TINY["words"]), "int32")
    question, answer = np.ones((TINY["batch"], TINY["question_words"]), "int32"), np.ones(TINY["batch"], "int32")
    fixed = [variable.value for variable in model.non_trainable_variables]

    def loss(trained):
        outputs, _ = model.stateless_call(trained, fixed, {"story": story, "question": question}, training=True)
        return AnswerCrossentropy()(answer, outputs["answer"])

    return _flops(jax.make_jaxpr(jax.grad(loss))([variable.value for variable in model.trainable_variables]).jaxpr)


def _flops(jaxpr):
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            left = equation.invars[0].aval.shape
            ((summed, _), _) = equation.params["dimension_numbers"]
            total += 2 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in summed)
        inner = [getattr(value, "jaxpr", value) for value in equation.params.values()]
        times = equation.params["length"] if equation.primitive.name == "scan" else 1
        total += times * sum(_flops(part) for part in inner if hasattr(part, "eqns"))
    return total


@pytest.mark.parametrize("library", ["numpy", "tensorflow", "jax"])
def test_floor_computes_each_product_and_its_gradients(library):
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    products = [floor.Product("one", rows=5, inner=3, columns=2, times=2), floor.Product("two", 4, 1, 3)]
    timed = floor.Floor(products, library)
    assert timed.flops == 2 * 3 * 2 * (5 * 3 * 2) + 3 * 2 * (4 * 1 * 3)
    rng = np.random.default_rng(0)
    for product, (y, dx, dk) in zip(products, timed(), strict=True):
        rows, inner, columns = product.rows, product.inner, product.columns
        x, k, dy = (rng.standard_normal(shape) for shape in ((rows, inner), (inner, columns), (rows, columns)))
        np.testing.assert_allclose(y, np.einsum("ri,ic->rc", x, k), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(dx, np.einsum("rc,ic->ri", dy, k), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(dk, np.einsum("ri,rc->ic", x, dy), rtol=1e-4, atol=1e-5)


# The scripts


def test_training_step_measures_and_prints_what_it_writes(tmp_path, capsys):
    backend = keras.backend.backend()
    if backend == "torch":
        pytest.skip("training_step measures TensorFlow and JAX")
    file = tmp_path / "sub" / "step.json"
    sizes = ["--facts", "2", "3", "--batch-size", "2", "--words", "3", "--units", "4", "--passes", "1"]
    options = ["--backend", backend, *sizes, "--repeats", "3", "--json", str(file)]
    printed = run("-m", "benchmarks.training_step", *options)
    result = json.loads(file.read_text())
    assert [row["facts"] for row in result["rows"]] == [2, 3]
    assert result["command"].startswith(f"python -m benchmarks.training_step --backend {backend} --facts 2 3")
    assert result["machine"]["cores_used"] == 1
    assert result["versions"]["backend"].startswith(backend)
    for row in result["rows"]:
        assert row["step"]["cpu_ms"] == sorted(row["step"]["all_cpu_ms"])[1]
        assert row["floor"]["cpu_ms"] == min(row["floors"][library]["cpu_ms"] for library in ("numpy", backend))
        assert row["ratio"] > 1  # of sizes as small as these the products are the least part
    assert training_step.table([result]) in printed
    training_step.main(["--table", str(file)])
    assert capsys.readouterr().out.strip() == training_step.table([result])


def test_the_peer_learns_and_takes_turns(tmp_path):
    pytest.importorskip("torch")
    if keras.backend.backend() == "torch":
        pytest.skip("training_step measures TensorFlow and JAX")
    from benchmarks import peer

    step = peer.training_step(TINY, TINY["facts"])
    losses = [step() for _ in range(200)]
    assert losses[-1] < 0.5 * losses[0]  # one batch each time
    file = tmp_path / "step.json"
    sizes = ["--facts", "2", "--batch-size", "2", "--words", "3", "--units", "4", "--passes", "1", "--repeats", "1"]
    run("-m", "benchmarks.training_step", "--backend", keras.backend.backend(), "--peer", *sizes, "--json", str(file))
    (row,) = json.loads(file.read_text())["rows"]
    assert row["of_peer"] == round(row["step"]["cpu_ms"] / row["peer"]["cpu_ms"], 2)


def test_parts_are_differences_and_answers_are_timed(tmp_path, capsys):
    backend, file = keras.backend.backend(), tmp_path / "parts.json"
    if backend == "torch":
        pytest.skip("parts measures TensorFlow and JAX")
    options = ["--backend", backend, "--facts", "2", "--units", "4", "--repeats", "1"]
    printed = run("-m", "benchmarks.parts", *options, "--json", str(file))
    result = json.loads(file.read_text())
    (row,) = result["parts"]
    named = ("encoder, question and answer", "fusion", "gates and updates", "episodes", "optimizer")
    assert sum(row[name] for name in named) == pytest.approx(row["step"], abs=0.1)
    assert all(result["answers"][0][str(size)] > 0 for size in parts.BATCHES)
    assert parts.tables([result]) in printed
    parts.main(["--table", str(file)])
    assert capsys.readouterr().out.strip() == parts.tables([result])


def test_long_stories_are_measured_with_and_without_recomputing(tmp_path):
    backend, file = keras.backend.backend(), tmp_path / "long.json"
    if backend == "torch":
        pytest.skip("long_stories measures TensorFlow and JAX")
    options = ["--backend", backend, "--facts", "3", "--units", "4", "--json", str(file)]
    printed = run("-m", "benchmarks.long_stories", *options)
    result = json.loads(file.read_text())
    assert [(row["facts"], row["recompute"]) for row in result["rows"]] == [(3, False), (3, True)]
    assert all(row["us_a_fact"] == pytest.approx(1000 * row["ms"] / 12, abs=10) for row in result["rows"])
    assert long_stories.table(result) in printed


def test_import_adds_little_to_keras(tmp_path, capsys):
    file = tmp_path / "import.json"
    import_time.main(["--backends", keras.backend.backend(), "--repeats", "1", "--json", str(file)])
    (row,) = json.loads(file.read_text())["rows"]
    assert row["dmn_keras_cpu_s"] < 1
    assert row["imported"] == []
    assert import_time.table([{"rows": [row]}]) in capsys.readouterr().out


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_devices_measures_what_it_prints(backend, tmp_path, capsys):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    file = tmp_path / "devices.json"
    sizes = ["--batch-sizes", "4", "--units", "6", "--facts", "3", "--words", "3", "--passes", "1", "--steps", "6"]
    sizes += ["--rounds", "2"]
    options = ["--backend", backend, *sizes, "--dtypes", "mixed_bfloat16", "--json", str(file)]
    printed = run("-m", "benchmarks.devices", *options, CUDA_VISIBLE_DEVICES="-1")
    result = json.loads(file.read_text())
    [row] = result["rows"]
    assert (row["batch_size"], row["units"], row["facts"], row["devices"]) == (4, 6, 3, 1)
    assert row["examples_per_second"] == pytest.approx(4000 / row["step_ms"], rel=0.01)
    assert row["waiting"] == pytest.approx(max(1 - row["busy_ms"] / row["step_ms"], 0), abs=0.01)
    assert devices.table(result) in printed
    devices.main(["--table", str(file)])
    assert capsys.readouterr().out.strip() == devices.table(result)
    result["rows"][0] = {**TINY, "units": 6, "facts": 3, "dtype": "float32", "batch_size": 4, "failed": "out of memory"}
    assert "| out of memory |" in devices.table(result)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_the_pipeline_is_compared_with_the_quickest_model(backend, tmp_path, capsys):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    file = tmp_path / "pipeline.json"
    sizes = ["--facts", "3", "--words", "3", "--units", "4", "--batch-size", "4", "--steps", "3", "--rounds", "1"]
    printed = run("-m", "benchmarks.pipeline", "--backend", backend, *sizes, "--json", str(file))
    result = json.loads(file.read_text())
    [row] = result["rows"]
    assert set(row["models"]) == set(pipeline.PRESETS)
    assert row["models"][row["fastest"]] == max(row["models"].values())
    assert row["ratio"] == pytest.approx(row["pipeline"] / row["models"][row["fastest"]], abs=0.01)
    assert pipeline.table([result]) in printed
    pipeline.main(["--table", str(file)])
    assert capsys.readouterr().out.strip() == pipeline.table([result])


def test_the_moments_before_the_first_step_come_one_after_another(tmp_path, capsys, monkeypatch):
    backend = keras.backend.backend()
    if backend == "torch":
        pytest.skip("first_step measures TensorFlow and JAX")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write_stories(tmp_path / "data")
    own = ["--dataset", "jsonl", "--data-dir", str(tmp_path / "data"), *_settings(TINY_RUN)]
    file = tmp_path / "first.json"
    first_step.main(["--backend", backend, "--repeats", "1", "--json", str(file), "--", *own])
    result = json.loads(file.read_text())
    for kind in ("seconds", "cpu_seconds"):
        moments = [result[kind][name] for name in first_step.MOMENTS]
        assert moments == sorted(moments)
        assert moments[0] > 0
    assert "DIR" in result["command"]
    assert first_step.table([result]) in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="The command ended with status 2, before: imports"):
        first_step.measure(backend, ["--dataset", "none"])


@pytest.mark.parametrize(("goal", "reached"), [(2.0, True), (-1.0, False)])
def test_a_run_ends_at_its_goal_or_its_limit(goal, reached, tmp_path, capsys, monkeypatch):
    backend = keras.backend.backend()
    if backend == "torch":
        pytest.skip("time_to_accuracy measures TensorFlow and JAX")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    write_stories(tmp_path / "data")
    own = ["--dataset", "jsonl", "--data-dir", str(tmp_path / "data"), *_settings({**TINY_RUN, "epochs": 10**6})]
    monkeypatch.setattr(time_to_accuracy, "train_arguments", lambda *_: own)
    monkeypatch.setitem(time_to_accuracy.GOALS, 1, goal)
    file = tmp_path / "accuracy.json"
    time_to_accuracy.main(["--backend", backend, "--limit", "0", "--json", str(file)])
    result = json.loads(file.read_text())
    [row] = result["rows"]
    assert row["reached"] is reached
    assert row["seconds"] > 0
    assert row["epochs"] == 1 if reached else row["epochs"] >= 1
    assert 0 <= row["validation_error"] <= 100
    assert time_to_accuracy.table([result]) in capsys.readouterr().out
    assert ("| not in " in time_to_accuracy.table([result])) is not reached


def test_the_commands_that_are_timed_are_of_the_public_command():
    for settings, more in time_to_accuracy.SETTINGS.items():
        arguments = time_to_accuracy.train_arguments("DIR", 2, settings)
        assert cli._parser().parse_args(["train", *arguments]).tasks == "2"
        assert arguments[-len(more) :] == list(more) or not more
        cli._config(cli._parser().parse_args(["train", *arguments]), {})


TINY_RUN = {"units": 4, "num_passes": 1, "episode": "soft", "fact_encoder": "position", "patience": 10**6}


def _settings(settings):
    return [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]


@without_tracing
def test_mixed_precision_trains_under_each_policy(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    monkeypatch.setattr(registry, "STORIES_NUM_EXAMPLES", {"train": 40, "valid": 10, "test": 10})
    file = tmp_path / "mixed.json"
    small = ["--set", "epochs=1", "--set", "units=4", "--set", "num_passes=1", "--set", "num_buckets=1"]
    options = ["--backend", keras.backend.backend(), "--tasks", "two facts", "--seeds", "2", *small]
    with eagerly():
        mixed_precision.main([*options, "--json", str(file)])
    result = json.loads(file.read_text())
    assert [row["policy"] for row in result["rows"]] == list(mixed_precision.POLICIES)
    assert all(len(row["errors"]) == len(row["losses"]) == 2 for row in result["rows"])
    assert len({tuple(row["losses"]) for row in result["rows"]}) == 3
    assert mixed_precision.table(result) in capsys.readouterr().out


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


def test_invariance_finds_no_changed_answer(run_folder, tmp_path, capsys):
    file = tmp_path / "invariance.json"
    options = ["--questions", "9", "--batch-sizes", "4", "--json", str(file)]
    assert invariance.main([str(run_folder.path), *options]) == 0
    result = json.loads(file.read_text())
    variants = result["runs"]["two"]["variants"]
    names = ["batches of 4", "in reversed order", "more padding"]
    assert [variant["name"] for variant in variants] == names
    assert result["runs"]["two"]["questions"] == 9
    assert result["changed"] == 0
    assert max(variant["gate_difference"] for variant in variants) < 1e-5
    assert invariance.table(result) in capsys.readouterr().out


def test_invariance_really_pads(run_folder):
    encoded = invariance.load_questions(run_folder, limit=3)
    model, _, recipe = run_folder.load()
    padded = invariance.answer_padded(model, recipe, encoded, more_facts=5)
    plain = answer_questions(model, recipe, encoded)
    assert all(a.gates.shape[1] >= b.gates.shape[1] + 5 for a, b in zip(padded, plain, strict=True))
    assert all(not a.gates[:, b.gates.shape[1] :].any() for a, b in zip(padded, plain, strict=True))


def test_invariance_pads_answers_of_several_words_as_they_are_asked(run_folder, monkeypatch):
    batches, seen = [], StoryBatches.__init__

    def watch(self, encoded, **options):
        batches.append(options)
        seen(self, encoded, **options)

    monkeypatch.setattr(StoryBatches, "__init__", watch)
    model, _, recipe = run_folder.load()
    encoded = invariance.load_questions(run_folder, limit=1)
    recipe = dataclasses.replace(recipe, answer_words=2)
    answer_questions(model, recipe, encoded)
    invariance.answer_padded(model, recipe, encoded)
    assert batches[0] == batches[1]
    assert batches[1]["answer_words"] == 2


def test_invariance_counts_changed_answers(run_folder, monkeypatch):
    def answer(word, gate):
        return RawAnswer((word,), 0.5, np.full((1, 2), gate))

    found = invariance.compare("x", [answer(3, 0.25), answer(4, 0.25)], [answer(3, 0.5), answer(5, 0.25)])
    assert found == {"name": "x", "changed": 1, "gate_difference": 0.25, "probability_difference": 0.0}
    monkeypatch.setattr(invariance, "measure", lambda *_: {"questions": 2, "variants": [found]})
    assert invariance.main([str(run_folder.path), "--questions", "2"]) == 1


def test_command_is_one_that_can_be_typed():
    assert report.command("floor", ["--json", "a b.json"]) == "python -m benchmarks.floor --json 'a b.json'"
    assert report.command("floor", ["--data-dir", "/here/data"]) == "python -m benchmarks.floor --data-dir DIR"


def test_readme_shows_the_tables_of_the_measured_files():
    readme = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert tables.filled(readme) == readme, "run python -m benchmarks.tables"
    both = (ROOT / "README.md").read_text(encoding="utf-8") + readme
    assert sorted(re.findall(r"<!-- table: ([\w-]+) -->", both)) == sorted(tables.TABLES), "each stands in one place"


if __name__ == "__main__":
    print(*(count_traced_products(form) for form in training_step.FORMS))


# Shipped models


@without_tracing
def test_a_calibrated_run_is_shipped_without_its_optimizer(tmp_path):
    source = own_data(tmp_path / "data")
    run = RunFolder(tmp_path / "run")
    with eagerly():
        train(source, tiny(epochs=20, learning_rate=0.03), run.path, verbose=0, say=lambda line: None)
        with pytest.raises(FileNotFoundError, match=r"calibration\.json"):
            ship.ship(run.path, tmp_path / "shipped")
        assert not (tmp_path / "shipped").exists()
        calibrate(run, source)
        ship.ship(run.path, tmp_path / "shipped")
        shipped, trained = Answerer(tmp_path / "shipped"), Answerer(run.path)
        assert shipped.ask("Mary park. John home.", "Where is John?") == trained.ask(
            "Mary park. John home.", "Where is John?"
        )
    assert not hasattr(keras.models.load_model(tmp_path / "shipped" / "model.keras"), "optimizer")
    card = (tmp_path / "shipped" / "README.md").read_text()
    assert card == ship.card(tmp_path / "shipped")
    run.calibration.unlink()
    with pytest.raises(FileNotFoundError, match=r"calibration\.json is missing: .*calibrate it"):
        ship.ship(run.path, tmp_path / "other")
    [error] = [row["error"] for row in json.loads(run.metrics.read_text())["tasks"].values()]
    assert f"| all | {error:.1f} | 7 |" in card


# Serving


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """The shipped model as a SavedModel, among the models of a server."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("exported by TensorFlow alone")
    from dmn_keras.serving import export

    return export(Answerer(), tmp_path_factory.mktemp("models") / "babi-joint", warmup=False)


def test_speed_of_an_exported_model(shipped, monkeypatch, tmp_path):
    from dmn_keras.serving.text_ops import TextOps

    monkeypatch.setattr(serving, "REQUESTS", 5)
    monkeypatch.setattr(serving, "BATCHES", (1, 3))
    text = serving._module_of(TextOps(Answerer().vocabulary), tmp_path / "text")
    found = serving.speed(shipped, text)
    assert found["median_ms"] <= found["p99_ms"]
    assert 0 < found["text_share_3"] < 1
    story = serving.long_story(shipped, 20)
    assert story["facts"] == 20
    assert story["ms"] > 0
    content = {"speed": {"without": found, "with": found}, "stories": [story]}
    assert "| 20 |" in serving.tables(content)


def test_answers_of_a_server_under_load_are_counted(shipped):
    pytest.importorskip("tensorflow_serving.apis")
    from tests.serving.server import serving as standing_in

    asked = [("Mary went to the kitchen.", "Where is Mary?"), ("John went to the garden.", "Where is John?")]
    with standing_in(shipped.parents[1]) as (models, addresses):
        for address in addresses:
            row = serving_load._ask(address, "babi-joint", 12, asked, ["kitchen", "garden"], None)
            assert (row["requests"], row["lost"], row["wrong"]) == (12, 0, 0)
        mixed_up = serving_load._ask(addresses[1], "babi-joint", 12, asked, ["garden", "garden"], None)
        assert mixed_up["wrong"] == 6
        models.loaded.clear()
        gone = serving_load._ask(addresses[1], "babi-joint", 12, asked, ["kitchen", "garden"], None)
        assert (gone["lost"], gone["wrong"]) == (12, 0)
    assert "| gRPC | 12 | 0 | 6 |" in serving_load.table({"rows": [mixed_up]})


def test_smaller_weights_are_measured(monkeypatch):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("exported by TensorFlow alone")
    if not BABI.exists():
        pytest.skip("the shipped model's data is not here")
    monkeypatch.setattr(precision, "REPEATS", 1)
    rows = {row["form"]: row for row in precision.measure(None, BABI, limit=2)}
    assert rows["SavedModel, float32"]["changed"] == 0
    assert rows["LiteRT, float32"]["changed"] == 0
    assert rows["SavedModel, float16"]["weight_bytes"] < 0.6 * rows["SavedModel, float32"]["weight_bytes"]
    assert rows["LiteRT, 8-bit integers"]["bytes"] < 0.5 * rows["LiteRT, float32"]["bytes"]
    assert all(0 <= row["error"] <= 100 for row in rows.values())
    assert precision.table({"rows": list(rows.values())}).count("\n") == len(rows) + 1
