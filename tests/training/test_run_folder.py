import json

import keras
import pytest

from dmn_keras import __version__
from dmn_keras.training.config import Config
from dmn_keras.training.run_folder import FORMAT, Recipe, RunFolder
from tests.training.runs import snapshot

RECIPE = Recipe("babi", "en", ("1", "2"), Config(units=4, num_passes=2), ("mary", "park"), 2)


@pytest.fixture
def run(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.create(RECIPE)
    return run


def test_a_recipe_is_read_as_it_was_written(run):
    assert run.recipe() == RECIPE
    content = json.loads(run.config.read_text())
    assert (content["format"], content["dmn_keras"]) == (FORMAT, __version__)


@pytest.mark.parametrize(("name", "what"), [("", "holds no run"), ("nowhere", "does not exist")])
def test_a_folder_without_a_run(name, what, tmp_path):
    for read in (RunFolder(tmp_path / name).recipe, RunFolder(tmp_path / name).load):
        with pytest.raises(FileNotFoundError, match=f"{what}: expected a folder that `dmn-keras train` wrote"):
            read()


def test_runs_of_tasks_are_found_in_their_order(tmp_path):
    for name in ("10", "2", "1"):
        RunFolder(tmp_path / name).create(RECIPE)
    (tmp_path / "other").mkdir()
    assert [run.path.name for run in RunFolder(tmp_path).runs()] == ["1", "2", "10"]
    with pytest.raises(ValueError, match=r"holds a run for each task: expected the folder of one of them \(1, 2, 10\)"):
        RunFolder(tmp_path).recipe()


def damage(run, change):
    content = json.loads(run.config.read_text())
    run.config.write_text(json.dumps(change(content)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda content: {**content, "format": FORMAT + 1, "dmn_keras": "9.9"},
            rf"was written in format {FORMAT + 1} by dmn_keras 9\.9; this is dmn_keras .*, which reads format {FORMAT}",
        ),
        (lambda content: {}, r"was written in format None by dmn_keras None"),
        (lambda content: [], r"config\.json is damaged: it holds no object"),
        (lambda content: {k: v for k, v in content.items() if k != "tasks"}, r"is damaged: it lacks 'tasks'"),
        (lambda content: {**content, "config": {"unit": 3}}, r"is damaged: .* Did you mean 'units'\?"),
        (lambda content: {**content, "tasks": None}, r"is damaged: 'NoneType' object is not iterable"),
    ],
    ids=["other format", "empty", "list", "no tasks", "unknown setting", "null"],
)
def test_a_run_of_another_format_or_damaged(change, message, run):
    damage(run, change)
    before = snapshot(run.path)
    with pytest.raises(ValueError, match=rf"{message}.*Nothing was changed\."):
        run.load()
    assert snapshot(run.path) == before


@pytest.mark.parametrize("content", [b'{"format": 1,', b"\xff\xfe", b""])
def test_a_damaged_file(content, run):
    run.config.write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json is damaged: .* Nothing was changed\."):
        run.recipe()
    assert run.config.read_bytes() == content


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_model(share, run):
    run.save_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    whole = run.model.read_bytes()
    run.load()
    run.model.write_bytes(whole[: int(share * len(whole))])
    before = snapshot(run.path)
    with pytest.raises(ValueError, match=r"model\.keras cannot be read, it is damaged: .* Nothing was changed\."):
        run.load()
    assert snapshot(run.path) == before
