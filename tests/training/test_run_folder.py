import json
import os

import h5py
import numpy as np
import pytest

from dmn_keras import __version__
from dmn_keras.datasets import Example, Source
from dmn_keras.tasks.preset import save_weights
from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.tasks.task import Task
from dmn_keras.training.run_folder import RunFolder
from tests.training.runs import snapshot, tiny_task

SOURCE = Source("babi", ("1", "2"), "/data", "en")


@pytest.fixture(scope="module")
def task():
    return tiny_task([Example(("Mary park.",), "Where is Mary?", ("park",), (0,))])


@pytest.fixture
def run(task, tmp_path):
    run = RunFolder(tmp_path / "run")
    run.create(task, SOURCE)
    return run


@pytest.fixture
def trained(task, run):
    save_weights(task.network, run.model)
    return run


def test_a_record_is_read_as_it_was_written(task, run):
    assert run.read_task(QuestionAnswerer).get_config() == task.get_config()
    assert run.source() == SOURCE
    content = json.loads(run.config.read_text())
    assert (content["format"], content["dmn_keras"]) == (RunFolder.format, __version__)


def test_runs_of_tasks_are_found_in_their_order(task, tmp_path):
    for name in ("10", "2", "1"):
        RunFolder(tmp_path / name).create(task, SOURCE)
    (tmp_path / "other").mkdir()
    assert [run.path.name for run in RunFolder(tmp_path).runs()] == ["1", "2", "10"]
    with pytest.raises(ValueError, match=r"holds a run for each task: expected the folder of one of them \(1, 2, 10\)"):
        RunFolder(tmp_path).source()


def test_a_preset_of_another_task_names_its_class(run):
    class Other(Task):
        pass

    with pytest.raises(ValueError, match=r"a QuestionAnswerer and no Other: QuestionAnswerer\.from_preset opens it"):
        Other.from_preset(run.path)
    change(run, task="Painter")
    with pytest.raises(ValueError, match="holds a Painter, which is no task of this package: open it with its class"):
        Task.from_preset(run.path)


@pytest.mark.parametrize(("number", "age"), [(99, "newer"), (1, "older")])
def test_a_folder_of_another_version_is_called_that(number, age, run):
    change(run, format=number)
    with pytest.raises(ValueError, match=rf"was written by a version of dmn_keras that is {age}"):
        run.load()


def change(run, **fields):
    run.config.write_text(json.dumps({**json.loads(run.config.read_text()), **fields}))


def test_an_unknown_dataset_is_damage_or_of_a_newer_version(run):
    source = {**SOURCE.to_dict(), "dataset": "squad"}
    change(run, source=source)
    with pytest.raises(ValueError, match=r"config\.json is damaged: dataset must be one of .*Received: 'squad'"):
        run.source()
    change(run, source=source, dmn_keras="99.0.0")
    with pytest.raises(ValueError, match=r"written by a version of dmn_keras that is newer: 99\.0\.0"):
        run.source()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"task": ["QuestionAnswerer"]}, r"config\.json is damaged: task must be the name of a class"),
        ({"config": {"unit": 3}}, r"config\.json is damaged: .* Did you mean 'units'\?"),
        ({"config": {"model": {"units": -1}}}, r"config\.json is damaged: units must be between"),
        ({"config": 3}, r"config\.json is damaged: "),
        ({"preprocessor": {"words": ["mary", "mary"]}}, r"config\.json is damaged: words must be distinct"),
        ({"preprocessor": {"words": None}}, r"config\.json is damaged: .*no vocabulary"),
        ({"preprocessor": {"word": []}}, r"config\.json is damaged: .*'word'"),
    ],
)
def test_a_damaged_configuration(fields, message, run):
    change(run, **fields)
    before = snapshot(run.path)
    with pytest.raises(ValueError, match=rf"{message}.*Nothing was changed\."):
        run.load()
    assert snapshot(run.path) == before


def test_a_pipe_is_refused_at_once(run):
    os.mkfifo(run.model)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 must be a regular file"):
        run.load()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("history.json", [{"val_error": 0.1}]),
        ("history.json", {}),
        ("metrics.json", []),
        ("metrics.json", {"tasks": {}}),
    ],
)
def test_damaged_results(name, content, run):
    (run.path / name).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"{name} is damaged: expected"):
        (run.read_history if name == "history.json" else run.read_metrics)()


@pytest.mark.parametrize(
    "changes",
    [{"preprocessor": {"words": ["mary"]}}, {"config": {"model": {"units": 5}}}],
)
def test_a_configuration_that_does_not_fit_the_weights(changes, trained):
    trained.load()
    content = json.loads(trained.config.read_text())
    for part, values in changes.items():
        for name, value in values.items():
            nested = isinstance(value, dict)
            content[part][name] = {**content[part][name], **value} if nested else value
    change(trained, **content)
    with pytest.raises(ValueError, match=r"model\.weights\.h5 is damaged: it cannot be read \("):
        trained.load()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(value, trained):
    network = trained.load().network
    layer = network.get_layer("semantic_memory")
    layer.set_weights([np.full_like(layer.get_weights()[0], value)])
    save_weights(network, trained.model)
    with pytest.raises(
        ValueError, match=r"model\.weights\.h5 is damaged: the weight \S+ holds numbers that are NaN or infin"
    ):
        trained.load()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_model(share, trained):
    whole = trained.model.read_bytes()
    trained.model.write_bytes(whole[: int(share * len(whole))])
    before = snapshot(trained.path)
    with pytest.raises(
        ValueError, match=r"model\.weights\.h5 is damaged: it cannot be read \(.*\)\. Nothing was changed\."
    ):
        trained.load()
    assert snapshot(trained.path) == before


def test_weights_are_those_that_keras_writes(trained, tmp_path):
    task = trained.load()
    save_weights(task.network, trained.best_weights)
    task.network.save_weights(tmp_path / "keras.weights.h5")
    assert datasets_of(trained.best_weights) == datasets_of(tmp_path / "keras.weights.h5")
    assert not [path.name for path in trained.path.iterdir() if path.name not in RunFolder.entries]
    whole = trained.best_weights.read_bytes()
    trained.load_best_weights(task)
    trained.best_weights.write_bytes(whole[:1000])
    with pytest.raises(ValueError, match=r"best\.weights\.h5 is damaged: it cannot be read"):
        trained.load_best_weights(task)


def datasets_of(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, x: found.update({name: x[...].tolist()}) if isinstance(x, h5py.Dataset) else None)
    return found
