"""The command, in this process: what it finds, leaves, refuses and resumes."""

import json
import re
import shutil
import subprocess
import sys
import time

import keras_tuner
import pytest

from dmn_keras import cli
from dmn_keras.datasets import source as source_module
from dmn_keras.datasets.registry import SPLITS
from dmn_keras.tasks.config import RunConfig
from tests.training.runs import eagerly, snapshot, tensorflow_only, without_tracing
from tests.tuning.searches import ROOT, arguments, history, pretended_training, quiet, trials, write_data
from tuning import search
from tuning.command import run_command

pytestmark = [tensorflow_only, without_tracing, *quiet]


def test_an_error_does_not_control_the_terminal(capsys):
    def mistake():
        raise ValueError("no task \x1b[2Jnamed\nso")

    assert run_command("search", mistake) == 2
    assert capsys.readouterr().err == "search: error: no task  [2Jnamed so\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "own")


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The folder of a random search of two trials with two seeds each, really trained."""
    folder = tmp_path_factory.mktemp("search") / "whole"
    with eagerly():
        assert search.main(arguments(data, folder, executions=2, save=folder.parent / "saved.json")) == 0
    return folder


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "search")


@pytest.fixture
def pretended():
    with pretended_training():
        yield


def best(folder):
    return json.loads((folder / "best.json").read_text())


def test_what_a_search_leaves(whole, data, capsys):
    content = best(whole)
    assert RunConfig().replace(content["settings"]).model.units in (4, 5, 6)
    assert set(content["validation_errors"]) == {"0", "1"}
    assert content["trials"] == {"done": 2, "failed": 0, "cut off": 0}
    assert content["search"]["tasks"] == ["all"]
    assert content["command"].startswith("python tuning/search.py --dataset jsonl --data-dir DIR")
    assert str(data) not in (whole / "best.json").read_text()
    assert content["seconds"] > 0
    assert content["cpu_minutes"] > 0
    assert "keras-tuner" in content["versions"]
    assert json.loads((whole.parent / "saved.json").read_text()) == content
    assert (whole / "trials.md").read_text().count("| done |") == 2
    assert trials(whole) == {"0": "COMPLETED", "1": "COMPLETED"}

    assert cli.main(["evaluate", str(whole / "best"), "--data-dir", str(data), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["mean_error"] == content["test_error"]
    assert not (whole / "best/backup").exists()
    means = {}
    for trial in trials(whole):
        files = (whole / "runs" / trial).glob("seed*/history.json")
        means[trial] = sum(min(epoch["val_error"] for epoch in json.loads(file.read_text())) for file in files) / 2
    assert content["validation_error"] == pytest.approx(100 * min(means.values()))
    assert content["run"] == f"runs/{content['trial']}/seed{content['model_seed']}"
    assert means[content["trial"]] == min(means.values())


def test_a_finished_search_reports_again_without_another_test(copy, data, capsys):
    before = snapshot(copy / "runs") | snapshot(copy / "best")
    assert search.main(arguments(data, copy, executions=2)) == 0
    printed = capsys.readouterr().out
    assert "has ended: a larger --budget or --max-trials resumes it" in printed
    assert "| done |" in printed
    assert "Measuring" not in printed, "the test questions are not asked again"
    assert snapshot(copy / "runs") | snapshot(copy / "best") == before


@pytest.mark.parametrize("tuner", ["random", "hyperband", "bayesian"])
@pytest.mark.usefixtures("pretended")
def test_each_tuner_to_its_end_and_with_more_trials(tuner, data, tmp_path, capsys):
    assert search.main(arguments(data, tmp_path / "out", tuner=tuner, max_trials=5, epochs=3)) == 0
    assert list(trials(tmp_path / "out").values()) == ["COMPLETED"] * 5
    assert capsys.readouterr().out.count(": validation error ") == 5
    assert search.main(arguments(data, tmp_path / "out", tuner=tuner, max_trials=7, epochs=3)) == 0
    assert list(trials(tmp_path / "out").values()) == ["COMPLETED"] * 7
    printed = capsys.readouterr().out
    assert "Trial 0:" not in printed, "what has ended does not run again"
    assert (tmp_path / "out/trials.png").stat().st_size > 10_000
    if tuner == "hyperband":
        contents = [json.loads(path.read_text()) for path in (tmp_path / "out/tuner").glob("trial_*/trial.json")]
        values = next(v for c in contents if "tuner/trial_id" in (v := c["hyperparameters"]["values"]))
        assert (values["tuner/initial_epoch"], values["tuner/epochs"]) == (1, 3)
        assert len(history(tmp_path / "out", values["tuner/trial_id"])) == 3, "trained in the folder of its first"


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"tuner": "bayesian"}, "another tuner"),
        ({"seed": 1}, "another seed"),
        ({"executions": 1}, "another executions"),
        ({"epochs": 3}, "another epochs"),
        ({"space": "full"}, "another space"),
        ({"choices": "l2=0,0.1"}, "another space"),
    ],
)
def test_another_search_in_the_folder_is_refused(changed, name, copy, data, capsys):
    before = snapshot(copy)
    assert search.main(arguments(data, copy, **{"executions": 2, **changed})) == 2
    error = capsys.readouterr().err
    assert f"--output: {copy} holds a search with {name}. Expected: " in error
    assert snapshot(copy) == before


@pytest.mark.usefixtures("pretended")
def test_other_data_are_refused_and_overwrite_replaces(copy, tmp_path, capsys):
    other = write_data(tmp_path / "other")
    (other / "valid.jsonl").write_text((other / "train.jsonl").read_text())
    assert search.main(arguments(other, copy, executions=2)) == 2
    assert "holds a search with another questions" in capsys.readouterr().err
    (copy / "notes.txt").write_text("mine")
    assert search.main(arguments(other, copy, "--overwrite", executions=1, max_trials=1)) == 0
    assert list(trials(copy)) == ["0"]
    assert (copy / "notes.txt").read_text() == "mine"
    assert not (copy / "trials.png").exists(), "one trial is no picture"


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        ("tuner/trial_0/trial.json", r"remove .*trial_0: the trial then counts as failed"),
        ("tuner/oracle.json", r"remove it: the search then resumes from the files of its trials"),
    ],
)
@pytest.mark.usefixtures("pretended")
def test_a_damaged_file_is_named_with_what_to_do(file, remedy, copy, data, capsys):
    (copy / file).write_bytes((copy / file).read_bytes()[:50])
    before = snapshot(copy)
    assert search.main(arguments(data, copy, executions=2, max_trials=4)) == 2
    error = capsys.readouterr().err
    assert f"{copy / file} is damaged" in error
    assert re.search(remedy, error)
    assert error.count("\n") == 1
    assert snapshot(copy) == before
    (copy / file).unlink()
    assert search.main(arguments(data, copy, executions=2, max_trials=4)) == 0
    first = "FAILED" if "trial_0" in file else "COMPLETED"
    assert list(trials(copy).values()) == [first, *["COMPLETED"] * 3]


def test_the_budget_ends_the_search_and_a_larger_one_resumes_it(data, tmp_path, capsys):
    folder, begun = tmp_path / "out", time.monotonic()
    with pretended_training(lambda config, epoch: time.sleep(0.5)):
        assert search.main(arguments(data, folder, budget="10s", epochs=4, max_trials=None)) == 0
        assert time.monotonic() - begun < 10 + 8
        assert "The time is used." in capsys.readouterr().out
        statuses = trials(folder)
        done = {trial: history(folder, trial) for trial, status in statuses.items() if status == "COMPLETED"}
        assert done
        assert list(statuses.values()).count("RUNNING") <= 1
        assert search.main(arguments(data, folder, budget="10s", epochs=4, max_trials=None)) == 0
        assert "has ended" in capsys.readouterr().out
        assert search.main(arguments(data, folder, budget="10m", epochs=4, max_trials=len(statuses) + 1)) == 0
    assert list(trials(folder).values()) == ["COMPLETED"] * (len(statuses) + 1)
    assert {trial: history(folder, trial) for trial in done} == done
    assert all(len(history(folder, trial)) == 4 for trial in trials(folder))


def failing(error, count):
    """A function that raises in the first trainings, each by its settings."""
    seen = []

    def before_epoch(config, epoch):
        if str(config) not in seen:
            seen.append(str(config))
        if seen.index(str(config)) < count:
            raise error

    return before_epoch


@pytest.mark.parametrize(("failed", "status"), [(2, 0), (3, 0), (4, 1)])
def test_nan_fails_the_trial_and_more_than_half_are_said(failed, status, data, tmp_path, capsys):
    error = keras_tuner.errors.FailedTrialError("The loss became nan in epoch 1")
    with pretended_training(failing(error, failed)):
        assert search.main(arguments(data, tmp_path / "out", max_trials=6, epochs=1)) == status
    assert list(trials(tmp_path / "out").values()) == ["FAILED"] * failed + ["COMPLETED"] * (6 - failed)
    assert (tmp_path / "out/trials.md").read_text().count("failed: The loss became nan in epoch 1") == failed
    assert best(tmp_path / "out")["trials"] == {"done": 6 - failed, "failed": failed, "cut off": 0}
    assert ("More than half of the trials failed" in capsys.readouterr().err) == bool(status)


def test_errors_in_a_row_end_the_search_with_their_reason(data, tmp_path, capsys):
    with pretended_training(failing(MemoryError("no room for the model"), 9)):
        assert search.main(arguments(data, tmp_path / "out", max_trials=9)) == 1
    captured = capsys.readouterr()
    assert "3 trials in a row ended with an error, the last one was 2" in captured.err
    assert "More than half of the trials failed" in captured.err
    assert captured.out.count("failed: MemoryError: no room for the model") == 3
    assert list(trials(tmp_path / "out").values()) == ["FAILED"] * 3


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted; the same command resumes it"),
        (OSError(28, "No space left on device"), 1, "No space left on device. The same command resumes the search."),
    ],
)
def test_what_is_not_the_fault_of_a_trial_leaves_it_to_be_resumed(error, status, message, data, tmp_path, capsys):
    words = arguments(data, tmp_path / "out", executions=2, max_trials=3)
    with pretended_training(failing(error, 9)):
        assert search.main(words) == status
    assert message in capsys.readouterr().err
    assert trials(tmp_path / "out") == {"0": "RUNNING"}
    with pretended_training():
        assert search.main(words) == 0
    assert list(trials(tmp_path / "out").values()) == ["COMPLETED"] * 3


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"budget": "0m"}, "--budget: expected a time above 0 such as 90s, 60m or 2h. Received: '0m'"),
        ({"budget": "60"}, "--budget: expected a time above 0"),
        ({"max_trials": None}, "--budget or --max-trials is needed"),
        ({"max_trials": 0}, "--max-trials: expected a whole number of at least 1. Received: '0'"),
        ({"workers": -1}, "--workers: expected a whole number"),
        ({"seed": "x"}, "--seed: expected a whole number"),
        ({"tuner": "hyberband"}, "Did you mean 'hyperband'?"),
        ({"space": "ful"}, "Did you mean 'full'?"),
        ({"dataset": "bab"}, "Did you mean 'babi'?"),
        ({"tasks": "none"}, "tasks"),
        ({"set": "epochs=3"}, "--set epochs: a search has an argument for it, --epochs."),
        ({"set": "unit=3"}, "Did you mean 'units'?"),
        ({"set": "word_vectors=3"}, "word_vectors"),
        ({"choices": "units"}, "--choices must be given as name=value,value"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(more, message, data, tmp_path, capsys):
    try:
        status = search.main(arguments(data, tmp_path / "out", **more))
    except SystemExit as end:  # argparse
        status = end.code
    assert status == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(data, tmp_path, capsys):
    (tmp_path / "out/runs/mine").mkdir(parents=True)
    for more in ([], ["--overwrite"]):
        assert search.main(arguments(data, tmp_path / "out", *more)) == 2
        assert "runs exists and does not belong to a search" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["runs", "mine"]


def test_a_mistake_overwrites_nothing(copy, data):
    before = snapshot(copy)
    for wrong in ("word_vectors=3", "unit=3"):
        assert search.main(arguments(data, copy, "--overwrite", "--set", wrong)) == 2
    assert snapshot(copy) == before


def test_without_keras_tuner_the_error_names_the_extra(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    assert search.main(arguments(data, tmp_path / "out")) == 2
    assert 'pip install ".[tuning]"' in capsys.readouterr().err


@pytest.mark.parametrize("command", [["tuning/search.py"], ["-m", "tuning.search"], ["tuning/compare.py"]])
def test_help_is_quick_and_imports_no_backend(command):
    words = [sys.executable, "-X", "importtime", *command, "--help"]
    result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0
    assert "usage: tuning/" in result.stdout
    assert not {"keras", "tensorflow", "keras_tuner", "numpy"} & set(result.stderr.split())


@pytest.mark.parametrize(
    ("preset", "task"),
    [("tuned_fused", 3), ("tuned_matched", 17), ("tuned_matched", 18), ("tuned_linked", 16), (None, 2)],
)
def test_what_was_found_is_a_preset(preset, task):
    found = RunConfig().replace(json.loads((ROOT / f"tuning/best/babi-10k-{task}.json").read_text())["settings"])
    assert preset is None or RunConfig.preset(preset) == found


SENTENCES = [{"text": f"a {word} film", "label": word} for word in ("good", "bad")]
TAGGED = [{"tokens": ["Go", "home"], "tags": ["VERB", "ADV"]}, {"tokens": ["Stay"], "tags": ["VERB"]}]
SMALL = {
    "text_classification": (SENTENCES, {"num_layers": 0}, ["units=2,3", "num_passes=1,2"]),
    "token_tagging": (TAGGED, {"character_units": None, "embedding_dim": 3}, ["units=2,3", "num_passes=1,2"]),
    "algorithmic": (None, {"cell": "lstm", "redraw": False}, ["units=2,3"]),
    "sort_of_clevr": (None, {"image_size": 8, "filters": 2, "convolutions": 2}, ["units=2,3", "num_passes=1,2"]),
}


@pytest.mark.parametrize("dataset", SMALL)
def test_every_kind_of_task_can_be_searched(dataset, tmp_path, monkeypatch):
    records, settings, choices = SMALL[dataset]
    load = source_module.load
    few = {} if records else {"num_examples": 4}
    monkeypatch.setattr(source_module, "load", lambda name, **options: load(name, **options | few))
    for split in SPLITS if records else ():
        lines = [json.dumps(record) + "\n" for record in records]
        (tmp_path / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    folder = tmp_path / "search"
    words = ["--dataset", dataset, "--tuner", "random", "--max-trials", "1", "--epochs", "1", "--output", str(folder)]
    words += ["--data-dir", str(tmp_path)] if records else []
    words += [word for name, value in settings.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    words += [word for choice in choices for word in ("--choices", choice)]
    with eagerly():
        assert search.main(words) == 0
    content = best(folder)
    assert content["trials"] == {"done": 1, "failed": 0, "cut off": 0}
    assert content["settings"]["model"]["units"] in (2, 3)
    options = ["--data-dir", str(tmp_path)] if records else []
    assert cli.main(["evaluate", str(folder / "best"), *options, "--json", str(tmp_path / "measured.json")]) == 0
    assert json.loads((tmp_path / "measured.json").read_text())["mean_error"] == content["test_error"]
