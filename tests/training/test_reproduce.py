"""Tables trained again: on tiny stories, with the runs, the choice and the resumption looked at."""

import contextlib
import dataclasses
import io
import json
import logging
import pathlib
import shutil

import pytest

from dmn_keras import TokenTagger, cli
from dmn_keras.datasets import Source, task_names
from dmn_keras.tasks.config import NAMED_SETTINGS, RunConfig
from dmn_keras.training import reproduce as module
from dmn_keras.training.reproduce import collect, command_of, plan, reproduce
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.training.tables import TABLES, Runs, Table
from tests.training.runs import TINY, eagerly, snapshot, tensorflow_only, without_tracing, write_stories
from tests.training.test_trainer import stop_in_batch

pytestmark = [tensorflow_only, without_tracing]

PLAIN = {**NAMED_SETTINGS["_plain"], **TINY}
SMALL = Table(
    "tiny stories", "jsonl", None, (Runs("a", "all", PLAIN, seeds=(0, 1)), Runs("b", "all", {**PLAIN, "l2": 0.1}))
)
RESULTS = pathlib.Path(__file__).parents[2] / "benchmarks/results"
QUIET = {"verbose": 0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TABLES, "small", SMALL)
        yield str(write_stories(tmp_path_factory.mktemp("data")))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """The folder into which the command trained the small table, and what it printed."""
    folder, out = tmp_path_factory.mktemp("trained") / "out", io.StringIO()
    with eagerly(), contextlib.redirect_stdout(out):
        assert cli.main(["reproduce", "small", "--data-dir", data, "--output", str(folder), "--verbose", "0"]) == 0
    return folder, out.getvalue()


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_a_table_is_trained_and_not_trained_twice(trained, data):
    folder, out = trained
    runs, content = snapshot(folder), results(folder)
    with eagerly():
        assert reproduce("small", folder, data_dir=data, **QUIET) == content
    assert snapshot(folder) == runs
    *_, header, printed, _ = out.splitlines()
    [row] = content["tasks"].values()
    assert (header.split(), printed.split()) == (
        ["task", "questions", "error", "%"],
        ["all", "7", f"{row['error']:.1f}"],
    )
    assert [(run["run"], run["seed"]) for run in row["runs"]] == [
        ("a/seed0/all", 0),
        ("a/seed1/all", 1),
        ("b/seed0/all", 0),
    ]
    errors = sorted(run["error"] for run in row["runs"])
    assert [row["best"], row["median"], row["worst"]] == errors
    assert row["error"] == next(run["error"] for run in row["runs"] if run["run"] == row["run"])
    assert content["about"] == "tiny stories"


def test_an_interrupted_table_goes_on_where_it_stopped(trained, tmp_path, data, monkeypatch):
    with eagerly():
        with monkeypatch.context() as patch:
            stop_in_batch(patch, KeyboardInterrupt, 1, 0)
            with pytest.raises(KeyboardInterrupt):
                reproduce("small", tmp_path / "out", data_dir=data, **QUIET)
        assert not (tmp_path / "out/results.json").exists()
        content = reproduce("small", tmp_path / "out", data_dir=data, **QUIET)
    whole = results(trained[0])
    for table in (whole, content):
        for row in table["tasks"].values():
            row.pop("seconds")
    assert content == whole


def test_some_tasks_of_a_table_only():
    table = TABLES["babi-10k"]
    chosen = plan(table, tasks="16")
    assert [folder.as_posix() for folder, _, _ in chosen] == [f"linked/seed{seed}/16" for seed in (0, 1, 2)]
    assert [config.trainer.seed for _, _, config in chosen] == [0, 1, 2]
    assert {tasks for _, tasks, _ in chosen} == {("16",)}
    joint = dataclasses.replace(table, runs=(Runs("all", "1-3", {}, seeds=(4, 5), joint=True),))
    assert [(folder.as_posix(), tasks) for folder, tasks, _ in plan(joint, tasks="2")] == [
        ("all/seed4", ("1", "2", "3")),
        ("all/seed5", ("1", "2", "3")),
    ]


def test_errors(tmp_path, data):
    def changed(*runs, table=SMALL):
        return dataclasses.replace(table, runs=runs)

    with pytest.raises(ValueError, match=r"table must be one of babi-.* Received: 'babi-10'. Did you mean 'babi-10k'"):
        reproduce("babi-10", tmp_path)
    for table, tasks, message in (
        (TABLES["babi-10k"], "", r"Received: ''"),
        (changed(Runs("x", "1", {}), table=TABLES["babi-10k"]), "2", "tasks must name at least one task of the table"),
        (changed(Runs("a", "all", TINY, seeds=(0, 0))), None, "runs must differ in .* Received twice: a.seed0.all"),
        (changed(Runs("a", "all", {"unit": 3})), None, "unit"),
    ):
        with pytest.raises(ValueError, match=message):
            plan(table, data, tasks)


def test_word_vectors_are_asked_for_where_they_are_needed(tmp_path, data, monkeypatch):
    table = dataclasses.replace(SMALL, runs=(*SMALL.runs, Runs("c", "all", TINY, word_vectors=True)))
    monkeypatch.setitem(TABLES, "small", table)
    for wrong in (None, "", "nofile.txt"):
        message = rf"word_vectors must name a file .*: c.seed0.all starts .* Received: {wrong!r}"
        with pytest.raises(ValueError, match=message):
            reproduce("small", tmp_path / "out", data_dir=data, word_vectors=wrong, **QUIET)
    assert not (tmp_path / "out").exists()
    configs = [config for _, _, config in plan(table, data, word_vectors="glove.txt")]
    assert [config.data.word_vectors for config in configs] == [None, None, None, "glove.txt"]


def write_run(folder, validation_error, validation_loss, error, seed=0, **others):
    """Write the files of a run that `collect` reads; `others` are the validation errors of further tasks."""
    run = RunFolder(folder)
    run.path.mkdir(parents=True)
    config = RunConfig().replace(units=9, seed=seed).to_dict()
    source = Source("babi", ("1",), None, "en").to_dict()
    run.write_record(task="QuestionAnswerer", config=config, preprocessor={}, source=source)
    row = {"validation_error": validation_error, "error": error}
    about = {"seed": seed, "epochs": 2, "best_epoch": 2, "seconds": 1.0, "status": "patience", "versions": {}}
    others = {task: {"validation_error": of_task, "error": error} for task, of_task in others.items()}
    run.metrics.write_text(json.dumps({**about, "tasks": {"1": row, **others}}))
    run.history.write_text(json.dumps([{"val_loss": 0.0}, {"val_loss": validation_loss}]))
    return folder


def test_the_run_is_chosen_by_validation_alone(tmp_path):
    folders = [
        write_run(tmp_path / "wrong", 3.0, 0.1, error=0.0),
        write_run(tmp_path / "unsure", 2.0, 0.9, error=1.0),
        write_run(tmp_path / "sure", 2.0, 0.5, error=4.0, seed=7),
    ]
    content = collect(folders, ["wrong", "unsure", "sure"])
    row = content["tasks"]["1"]
    assert (row["run"], row["error"], row["seed"]) == ("sure", 4.0, 7)
    assert (row["best"], row["median"], row["worst"]) == (0.0, 1.0, 4.0)
    assert content["mean_error"] == 4.0
    assert (
        row["command"] == "dmn-keras train --dataset babi --data-dir DIR --tasks 1 --config en --seed 7 --set units=9"
    )


def test_a_diverged_run_does_not_stop_the_table_and_is_not_tried_again(trained, tmp_path, data, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    tried = []

    def diverge(source, config, output, **options):
        tried.append(config.trainer.seed)
        shutil.copytree(trained[0] / output.relative_to(tmp_path / "out"), output, dirs_exist_ok=True)
        metrics = json.loads(RunFolder(output).metrics.read_text())
        if config.trainer.seed == 1:
            RunFolder(output).metrics.write_text(json.dumps({**metrics, "status": "diverged"}))
            raise module.TrainingDivergedError("the loss is nan in epoch 2")
        return metrics

    monkeypatch.setattr(module, "train", diverge)
    content = reproduce("small", tmp_path / "out", data_dir=data, **QUIET)
    assert any("the loss is nan in epoch 2" in line for line in caplog.messages)
    assert reproduce("small", tmp_path / "out", data_dir=data, **QUIET) == content
    assert tried == [0, 1, 0, 0, 0]
    assert any("It diverged, and would again" in line for line in caplog.messages)
    assert [run["status"] for run in content["tasks"]["all"]["runs"]] == ["epochs", "diverged", "epochs"]
    assert content["finished"] == "3 of 3 runs"


def test_a_table_without_any_result(tmp_path, data, monkeypatch):
    def diverge(source, config, output, **options):
        raise module.TrainingDivergedError("the loss is nan in epoch 1")

    monkeypatch.setattr(module, "train", diverge)
    with pytest.raises(ValueError, match=r"table small has no result: every run diverged before its first model"):
        reproduce("small", tmp_path / "out", data_dir=data, **QUIET)


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_whole_and_their_measured_files_hold_their_runs(name):
    table = TABLES[name]
    data_dir = RESULTS.parents[1] / "examples/tickets_new_names" if table.dataset == "jsonl" else None
    planned = {(folder.as_posix(), task) for folder, tasks, _ in plan(table, data_dir) for task in tasks}
    if not name.startswith(("ablation", "stepgame")):  # StepGame has training stories of half its tasks
        assert {task for _, task in planned} == set(task_names(table.dataset, data_dir))
    content = json.loads((RESULTS / f"{name}.json").read_text())
    assert {(run["run"], task) for task, row in content["tasks"].items() for run in row["runs"]} <= planned
    assert set(content["tasks"]) == {task for _, task in planned}


def test_a_model_for_several_tasks_is_chosen_as_a_whole(tmp_path):
    folders = [
        write_run(tmp_path / "first", 0.0, 0.1, error=1.0, counting=9.0),
        write_run(tmp_path / "second", 4.0, 0.1, error=2.0, counting=4.0),
    ]
    tasks = collect(folders, ["first", "second"])["tasks"]
    assert {task: row["run"] for task, row in tasks.items()} == {"1": "second", "counting": "second"}
    alone = write_run(tmp_path / "alone", 0.0, 0.1, error=0.0)
    with pytest.raises(ValueError, match=r"always among the same others. Received task 1 in .*second and .*alone"):
        collect([*folders, alone])


def test_the_command_of_a_run_names_its_family_and_what_differs_from_its_defaults():
    source = Source("babi", ("6",), config="en-10k")
    config = RunConfig().replace({"model.family": "memn2n"}, num_hops=2)
    assert command_of(source, config) == (
        "dmn-keras train --dataset babi --data-dir DIR --tasks 6 --config en-10k --seed 0 --set model.family=memn2n "
        "--set num_hops=2"
    )
    config = TokenTagger.default_config.replace(units=7, word_vectors="folder/glove.txt")
    assert command_of(Source("conllu", ("all",), "/x", "upos"), config) == (
        "dmn-keras train --dataset conllu --data-dir DIR --tasks all --config upos --seed 0 --set units=7 "
        "--set word_vectors=glove.txt"
    )
