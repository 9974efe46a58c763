"""The benchmark of sequence transduction on a tiny experiment."""

import dataclasses
import json

import numpy as np
import pytest

from benchmarks import memory_pictures, sequence_card
from benchmarks import sequence_transduction as benchmark
from dmn_keras.datasets.registry import load
from dmn_keras.tasks.sequence_transduction import SequenceTransducer

QUICK = {"num_buckets": 1, "jit_compile": False}
TINY = benchmark.Experiment(
    about="tiny",
    dataset="formal_languages",
    lessons=("anbn,length=1", "anbn,length=1-3"),
    models={"Stack, RNN": {"cell": "stack_rnn", "units": 4, "num_stacks": 1, "depth": 16, **QUICK}},
    tests={3: "anbn,length=3", 5: "anbn,length=5,sequences=2"},
    trained_to=3,
    epochs=2,
    num_tests=2,
    epochs_per_lesson=1,
    num_examples=8,
    variants={"soft": {"rounding": False, "depth": 32}, "rounding": {"rounding": True, "depth": 32}},
)


def test_models_are_trained_measured_and_saved(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(benchmark.EXPERIMENTS, "tiny", TINY)
    arguments = ["tiny", "--seeds", "1", "--runs", str(tmp_path), "--json", str(tmp_path / "result.json")]
    benchmark.main(arguments)
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["command"].endswith(f"--runs {tmp_path.name} --json result.json")
    rows = result["models"]["Stack, RNN"]
    assert [row["seed"] for row in rows] == [1]
    assert rows[0]["epochs"] == 2
    assert [*rows[0]["variants"]["soft"]["tests"]] == ["3", "5"]
    assert "| Stack, RNN, soft | 1 |" in capsys.readouterr().out

    saved = SequenceTransducer.from_preset(tmp_path / "tiny" / "Stack-RNN" / "1")
    assert saved.config.model.stack.depth == 32
    examples = load("formal_languages", task="all", split="test", config="anbn,length=3", num_examples=2)
    measured = rows[0]["variants"]["rounding"]["tests"]["3"]
    assert saved.score(examples, saved.predict(examples))["exact"] == measured["exact"]

    monkeypatch.setitem(sequence_card.TEXTS, "tiny", ("A tiny stack.", "anbn", "It is tiny."))
    where = [str(tmp_path / "result.json"), str(tmp_path), "tiny", "Stack, RNN", "1", str(tmp_path / "pretrained")]
    sequence_card.main(["tiny", *where])
    card = (tmp_path / "pretrained" / "README.md").read_text()
    assert f"{rows[0]['parameters']} parameters" in card
    assert "| 5 | 2 |" in card
    assert " kB. Settings" in card
    pretrained = SequenceTransducer.from_preset(tmp_path / "pretrained")
    np.testing.assert_array_equal(pretrained.network.get_weights()[0], saved.network.get_weights()[0])

    monkeypatch.setattr(benchmark, "train", None)
    benchmark.main(arguments)  # what was measured is not trained again
    assert json.loads((tmp_path / "result.json").read_text())["models"] == result["models"]


def test_of_restarts_the_lengths_that_are_not_solved_are_kept():
    task = SequenceTransducer(cell="lstm", units=2)
    task.adapt(benchmark.load(TINY, "valid", "anbn", 2))
    scores = benchmark.measure(dataclasses.replace(TINY, restarts=True), task, {})
    wrong = [n for n, test in benchmark.measure(TINY, task, {})["tests"].items() if test["exact"] < 100]
    assert scores["wrong_lengths"] == wrong
    assert scores["percent_of_lengths"] == 50.0 * (2 - len(wrong))


def row(seed, cost, exact):
    tests = {str(n): {"exact": value} for n, value in zip((3, 5), exact, strict=True)}
    percent = 50.0 * sum(value == 100 for value in exact)
    scores = {"validation": {"bits_per_sequence": cost}, "tests": tests, "percent_of_lengths": percent}
    scores["wrong_lengths"] = [n for n, value in zip((3, 5), exact, strict=True) if value < 100]
    return {"seed": seed, "parameters": 7, "seconds": 10 * seed, "variants": {"soft": scores, "rounding": scores}}


def test_of_restarts_the_one_counts_that_is_best_on_the_trained_lengths():
    """Trained to length 3: mistakes there come before the validation cost, and those at length 5 play no part."""
    restarts = [row(0, 0.5, (100, 100)), row(1, 0.1, (100, 0)), row(2, 0.01, (90, 0))]
    table = benchmark.table(dataclasses.replace(TINY, restarts=True), {"Stack, RNN": restarts})
    assert "| Stack, RNN, soft | 3 | 7 | 10 | 50.0 |" in table


def test_of_seeds_the_median_and_the_worst_are_shown():
    rows = {"Stack, RNN": [row(0, 0.5, (100, 100)), row(1, 0.1, (100, 0)), row(2, 0.1, (90, 80))]}
    assert "| Stack, RNN, rounding | 3 | 7 | 10 | 100 (90) | 80 (0) |" in benchmark.table(TINY, rows)


def test_what_has_no_actions_is_not_rounded():
    experiment = dataclasses.replace(TINY, models={**TINY.models, "LSTM": {"cell": "lstm"}})
    rows = {"Stack, RNN": [row(0, 0.5, (100, 100))], "LSTM": [row(0, 0.5, (100, 0))]}
    names = [line.split(" | ")[0] for line in benchmark.table(experiment, rows).splitlines()[2:]]
    assert names == ["| Stack, RNN, soft", "| LSTM", "| Stack, RNN, rounding"]


@pytest.mark.parametrize("name", memory_pictures.LENGTHS)
def test_every_model_is_drawn_by_length(tmp_path, name):
    memory_pictures.draw_lengths(name, tmp_path / "lengths.svg")
    drawn = (tmp_path / "lengths.svg").read_text()
    experiment = benchmark.EXPERIMENTS[name]
    for label in (*experiment.models, f"trained to {experiment.trained_to}"):
        assert label in drawn


@pytest.mark.parametrize("name", [*benchmark.EXPERIMENTS])
def test_every_experiment_has_data_and_settings(name):
    experiment = benchmark.EXPERIMENTS[name]
    configs = [c for c in experiment.tests.values() if "london" not in c]
    for config in [*experiment.lessons, configs[0], configs[-1]]:
        assert benchmark.load(experiment, "train", config, 1)
    for settings in experiment.models.values():
        for changes in experiment.variants.values():
            SequenceTransducer(**{**settings, **changes})


@pytest.mark.parametrize(
    ("name", "dataset", "config"),
    [
        ("dnc-traversal", "graphs", "traversal,nodes=8,degree=1-3,length=1"),
        ("ntm-copy", "algorithmic", "copy,length=40"),
        ("stack-rnn-anbncn", "formal_languages", "anbncn,length=60"),
    ],
)
def test_a_pretrained_model_answers_sequences_that_it_never_saw(name, dataset, config):
    examples = load(dataset, task="all", split="test", config=config, num_examples=8)
    transducer = SequenceTransducer.from_preset(name)
    assert transducer.score(examples, transducer.predict(examples))["exact"] == 100
