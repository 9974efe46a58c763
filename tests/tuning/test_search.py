"""The command, in this process: what it finds, leaves, refuses and goes on with."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

from dmn_keras import cli
from dmn_keras.losses import AnswerCrossentropy
from dmn_keras.training.callbacks import BestWeights
from dmn_keras.training.config import Config
from dmn_keras.training.data import Source
from dmn_keras.training.fit import train
from tests.training.runs import eagerly, snapshot, tensorflow_only, without_tracing
from tests.tuning.searches import ROOT, arguments, history, quiet, trials, write_data
from tuning import clock, search
from tuning.tuner import SearchTuner

pytestmark = [tensorflow_only, without_tracing, *quiet]


@pytest.fixture(autouse=True)
def _eager(monkeypatch):
    monkeypatch.setattr(clock, "INTERVAL", 0.05)
    monkeypatch.setattr(search, "_BEGUN", time.monotonic())
    with eagerly():
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "own")


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """The folder of a random search of two trials with two seeds each."""
    folder = tmp_path_factory.mktemp("search") / "whole"
    with eagerly():
        assert search.main(arguments(data, folder, executions=2, save=folder.parent / "saved.json")) == 0
    return folder


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "search")


def best(folder):
    return json.loads((folder / "best.json").read_text())


def test_what_a_search_leaves(whole, data, capsys):
    content = best(whole)
    config = Config.from_dict(content["settings"])
    assert config.units in (4, 5, 6)
    assert set(content["validation_errors"]) == {"0", "1"}
    assert content["trials"] == {"done": 2, "failed": 0, "cut off": 0}
    assert content["search"]["tasks"] == ["all"]
    assert content["command"].startswith("python tuning/search.py --dataset jsonl --data-dir DIR")
    assert str(data) not in (whole / "best.json").read_text()
    assert content["seconds"] > 0
    assert content["cpu_minutes"] > 0
    assert {"keras-tuner", "keras", "dmn_keras"} <= set(content["versions"])
    assert json.loads((whole.parent / "saved.json").read_text()) == content
    assert (whole / "trials.png").stat().st_size > 10_000
    assert (whole / "trials.md").read_text().count("| done |") == 2
    assert trials(whole) == {"0000": "COMPLETED", "0001": "COMPLETED"}

    assert cli.main(["evaluate", str(whole / "best"), "--data-dir", str(data), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["mean_error"] == content["test_error"]
    assert not (whole / "best/backup").exists()


def test_the_choice_is_by_validation_and_its_model_is_that_of_its_run(whole):
    content = best(whole)
    runs = {path.parent.name: path for path in (whole / "runs").glob("*/seed0")}
    means = {}
    for trial in runs:
        lowest = []
        for seed in (0, 1):
            epochs = json.loads((whole / "runs" / trial / f"seed{seed}/history.json").read_text())
            lowest.append(min(epoch["val_error"] for epoch in epochs))
        means[trial] = sum(lowest) / 2
    assert means[content["trial"]] == min(means.values())
    assert content["validation_error"] == pytest.approx(100 * means[content["trial"]])
    metrics = json.loads((whole / "best/metrics.json").read_text())
    assert content["run"] == f"runs/{content['trial']}/seed{metrics['seed']}"
    assert metrics["tasks"]["all"]["validation_error"] == pytest.approx(
        content["validation_errors"][str(metrics["seed"])]
    )


def test_a_trial_can_be_trained_again_with_the_command_for_training(whole, data, tmp_path):
    content = best(whole)
    config = Config.from_dict({**content["settings"], "seed": content["model_seed"]})
    metrics = train(Source("jsonl", ("all",), str(data)), config, tmp_path / "run", verbose=0)
    assert metrics["mean_error"] == content["test_error"]
    again = json.loads((tmp_path / "run/history.json").read_text())
    assert [epoch["val_loss"] for epoch in again] == history(whole, content["trial"], content["model_seed"])


@pytest.mark.parametrize("tuner", ["hyperband", "bayesian"])
def test_the_other_tuners(tuner, data, tmp_path):
    assert search.main(arguments(data, tmp_path / "out", tuner=tuner, max_trials=5, epochs=3)) == 0
    assert set(trials(tmp_path / "out").values()) == {"COMPLETED"}
    assert len(trials(tmp_path / "out")) == 5
    if tuner == "hyperband":
        content = json.loads((tmp_path / "out/tuner/trial_0003/trial.json").read_text())
        values = content["hyperparameters"]["values"]
        assert values["tuner/initial_epoch"] == 1
        assert len(history(tmp_path / "out", values["tuner/trial_id"])) == 3, "it went on in the folder of its first"
        assert not (tmp_path / "out/runs/0003").exists()


def test_a_finished_search_says_so_and_reports_again(copy, data, capsys):
    before = snapshot(copy / "runs") | snapshot(copy / "best") | snapshot(copy / "tuner")
    assert search.main(arguments(data, copy, executions=2)) == 0
    printed = capsys.readouterr().out
    assert "has ended: a larger --budget or --max-trials goes on with it" in printed
    assert "| done |" in printed
    assert "Measuring" not in printed, "the test questions are not asked again"
    assert snapshot(copy / "runs") | snapshot(copy / "best") | snapshot(copy / "tuner") == before


def test_more_trials_go_on_with_it(copy, data, capsys):
    assert search.main(arguments(data, copy, executions=2, max_trials=3)) == 0
    assert trials(copy) == dict.fromkeys(("0000", "0001", "0002"), "COMPLETED")
    assert "Trial 0000:" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"tuner": "bayesian"}, "tuner"),
        ({"seed": 1}, "questions|seed"),
        ({"executions": 1}, "executions"),
        ({"epochs": 3}, "space.base.epochs"),
        ({"space": "full"}, "space.choices"),
        ({"choices": "num_passes=1,2"}, "--choices num_passes"),
        ({"choices": "l2=0,0.1"}, "space.choices"),
    ],
)
def test_another_search_in_the_folder_is_refused(changed, name, copy, data, capsys):
    before = snapshot(copy)
    assert search.main(arguments(data, copy, **{"executions": 2, **changed})) == 2
    error = capsys.readouterr().err
    assert "--output:" in error or "--choices" in error
    assert any(part in error for part in name.split("|"))
    assert snapshot(copy) == before


def test_other_data_are_refused_and_overwrite_replaces(copy, tmp_path, capsys):
    other = write_data(tmp_path / "other")
    (other / "valid.jsonl").write_text((other / "train.jsonl").read_text())
    assert search.main(arguments(other, copy, executions=2)) == 2
    assert "holds a search with another questions" in capsys.readouterr().err
    (copy / "notes.txt").write_text("mine")
    assert search.main(arguments(other, copy, "--overwrite", executions=1, max_trials=1)) == 0
    assert list(trials(copy)) == ["0000"]
    assert (copy / "notes.txt").read_text() == "mine"
    assert not (copy / "trials.png").exists(), "one trial is no picture"


@pytest.mark.parametrize(
    ("file", "remedy"),
    [
        ("tuner/trial_0000/trial.json", r"remove .*trial_0000: the trial then counts as failed"),
        ("tuner/oracle.json", r"remove it: the search then goes on from the files of its trials"),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(file, remedy, copy, data, capsys):
    (copy / file).write_bytes((copy / file).read_bytes()[:50])
    before = snapshot(copy)
    assert search.main(arguments(data, copy, executions=2, max_trials=3)) == 2
    error = capsys.readouterr().err
    assert file in error
    assert "is damaged" in error
    import re

    assert re.search(remedy, error)
    assert snapshot(copy) == before
    remove = copy / file
    if "trial_0000" in file:
        shutil.rmtree(remove.parent)
    else:
        remove.unlink()
    assert search.main(arguments(data, copy, executions=2, max_trials=3)) == 0
    statuses = trials(copy)
    assert statuses["0001"] == statuses["0002"] == "COMPLETED"
    assert statuses["0000"] == ("FAILED" if "trial_0000" in file else "COMPLETED")


def test_another_damaged_file_of_the_search(copy, data, capsys):
    (copy / "search.json").write_text("{}")
    assert search.main(arguments(data, copy, executions=2)) == 2
    assert "search.json is damaged or was written by another version" in capsys.readouterr().err


def test_the_time_is_kept_and_what_was_begun_goes_on(data, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "out"
    slow = BestWeights.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        slow(self, batch, logs)
        time.sleep(0.5)

    with monkeypatch.context() as patch:
        patch.setattr(BestWeights, "on_train_batch_end", on_train_batch_end)
        begun = time.monotonic()
        assert search.main(arguments(data, folder, budget="6s", epochs=4, max_trials=None)) in (0, 1)
        assert time.monotonic() - begun < 6 + 10
    assert "The time is up." in capsys.readouterr().out
    statuses = trials(folder)
    running = [trial for trial, status in statuses.items() if status == "RUNNING"]
    assert len(running) <= 1
    assert f"{len(running)} cut off" in _last_report(folder, data, "6s", capsys)
    before = {trial: history(folder, trial) for trial, status in statuses.items() if status == "COMPLETED"}
    limit = len(statuses) + 1
    assert search.main(arguments(data, folder, budget="10m", epochs=4, max_trials=limit)) == 0
    assert list(trials(folder).values()) == ["COMPLETED"] * limit
    assert {trial: history(folder, trial) for trial in before} == before
    assert all(len(history(folder, trial)) == 4 for trial in trials(folder))


def _last_report(folder, data, budget, capsys):
    search.main(arguments(data, folder, budget=budget, epochs=4, max_trials=None))
    printed = capsys.readouterr().out
    assert "has ended" in printed
    return printed


def test_trials_that_turn_nan_are_failed_and_the_search_goes_on(data, tmp_path, monkeypatch, capsys):
    original, built = AnswerCrossentropy.call, []
    build = SearchTuner._execute

    def execute(self, *arguments):
        built.append(arguments)
        return build(self, *arguments)

    def call(self, y_true, y_pred):
        return original(self, y_true, y_pred) * (float("nan") if len(built) < 5 else 1.0)

    monkeypatch.setattr(SearchTuner, "_execute", execute)
    monkeypatch.setattr(AnswerCrossentropy, "call", call)
    assert search.main(arguments(data, tmp_path / "out", max_trials=5, epochs=1)) == 0
    assert list(trials(tmp_path / "out").values()) == ["FAILED"] * 4 + ["COMPLETED"]
    table = (tmp_path / "out/trials.md").read_text()
    assert table.count("failed: The loss became nan in epoch 1") == 4
    assert best(tmp_path / "out")["trials"] == {"done": 1, "failed": 4, "cut off": 0}


def test_errors_in_a_row_end_the_search_with_their_reason(data, tmp_path, monkeypatch, capsys):
    def execute(self, *_, **__):
        raise MemoryError("no room for the model")

    monkeypatch.setattr("tuning.hypermodel.DMNHyperModel.build", execute)
    assert search.main(arguments(data, tmp_path / "out", max_trials=9)) == 1
    captured = capsys.readouterr()
    assert "trial after trial ended with an error, the last one was 0002" in captured.err
    assert captured.out.count("failed: MemoryError: no room for the model") == 3
    assert list(trials(tmp_path / "out").values()) == ["FAILED"] * 3


def test_ctrl_c_leaves_a_search_that_goes_on(data, tmp_path, monkeypatch, capsys, whole):
    with monkeypatch.context() as patch:
        calls = []

        def on_epoch_end(self, epoch, logs=None):
            original(self, epoch, logs)
            calls.append(epoch)
            if len(calls) == 3:
                raise KeyboardInterrupt

        original = BestWeights.on_epoch_end
        patch.setattr(BestWeights, "on_epoch_end", on_epoch_end)
        assert search.main(arguments(data, tmp_path / "out", executions=2)) == 130
    assert "interrupted; the same command goes on" in capsys.readouterr().err
    assert search.main(arguments(data, tmp_path / "out", executions=2)) == 0
    for trial in ("0000", "0001"):
        for seed in (0, 1):
            assert history(tmp_path / "out", trial, seed) == history(whole, trial, seed)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"budget": "0m"}, "--budget must be a time above 0"),
        ({"budget": "soon"}, "--budget must be a time above 0"),
        ({"max_trials": None}, "--budget or --max-trials is needed"),
        ({"max_trials": 0}, "--max-trials must be a positive integer. Received: 0"),
        ({"epochs": 0}, "--epochs must be a positive integer"),
        ({"executions": -1}, "--executions must be a positive integer"),
        ({"workers": -1}, "--workers must not be negative"),
        ({"seed": -1}, "--seed must not be negative"),
        ({"tuner": "hyberband"}, "Did you mean 'hyperband'?"),
        ({"space": "ful"}, "Did you mean 'full'?"),
        ({"dataset": "bab"}, "Did you mean 'babi'?"),
        ({"tasks": "none"}, "tasks"),
        ({"set": "epochs=3"}, "--set epochs: a search has an argument for it, --epochs."),
        ({"set": "unit=3"}, "Did you mean 'units'?"),
        ({"choices": "units"}, "--choices must be given as name=value,value"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(more, message, data, tmp_path, capsys):
    assert search.main(arguments(data, tmp_path / "out", **more)) == 2
    error = capsys.readouterr().err
    assert error.startswith("tuning/search.py: error: ")
    assert message in error
    assert not (tmp_path / "out").exists()


def test_supervision_where_no_fact_is_named_is_told_before_anything_is_written(tmp_path, capsys):
    data = write_data(tmp_path / "data")
    for path in data.glob("*.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for record in records:
            record.pop("supporting_facts")
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert search.main(arguments(data, tmp_path / "out", "--supervise-gates")) == 2
    assert "supervise_gates needs questions that name supporting facts" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_in_it_is_left_alone(data, tmp_path, capsys):
    (tmp_path / "out/runs/mine").mkdir(parents=True)
    for more in ([], ["--overwrite"]):
        assert search.main(arguments(data, tmp_path / "out", *more)) == 2
        assert "runs is there already, and no search wrote it: choose another --output." in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["runs", "mine"]


def test_a_mistake_overwrites_nothing(copy, data, capsys):
    before = snapshot(copy)
    assert search.main(arguments(data, copy, "--overwrite", "--set", "word_vectors=3")) == 2
    assert (
        search.main(arguments(data, copy, "--overwrite", "--set", "supervise_gates=true", "--set", "fact_level=word"))
        == 2
    )
    assert snapshot(copy) == before


def test_an_output_that_is_a_file(data, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert search.main(arguments(data, tmp_path / "out")) == 2
    assert "is a file; expected a folder" in capsys.readouterr().err


def test_without_keras_tuner_the_error_names_the_extra(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    assert search.main(arguments(data, tmp_path / "out")) == 2
    assert 'pip install ".[tuning]"' in capsys.readouterr().err


@pytest.mark.parametrize("command", [["tuning/search.py"], ["-m", "tuning.search"], ["tuning/compare.py"]])
def test_help_is_quick_and_imports_no_backend(command):
    code = (
        "import runpy, sys\n"
        "try:\n"
        "    sys.argv = [sys.argv[1], '--help']\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n"
        "    assert not {'keras', 'tensorflow', 'keras_tuner', 'numpy'} & set(sys.modules)\n"
    )
    words = ["-c", code, str(ROOT / command[0])] if len(command) == 1 else [*command, "--help"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "usage: tuning/" in result.stdout


@pytest.mark.parametrize(
    ("preset", "task"),
    [("tuned_fused", 3), ("tuned_matched", 17), ("tuned_matched", 18), ("tuned_linked", 16)],
)
def test_what_was_found_is_a_preset(preset, task):
    found = json.loads(pathlib.Path(ROOT, f"tuning/best/babi-10k-{task}.json").read_text())["settings"]
    assert Config.preset(preset) == Config.from_dict(found)


def test_the_shipped_findings_are_configurations():
    for path in pathlib.Path(ROOT, "tuning/best").glob("*.json"):
        content = json.loads(path.read_text())
        assert Config.from_dict(content["settings"])
        assert content["search"]["tasks"]
