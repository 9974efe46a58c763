import json
import os

import h5py
import keras
import numpy as np
import pytest

from dmn_keras import __version__
from dmn_keras.training.config import Config
from dmn_keras.training.fit import build
from dmn_keras.training.run_folder import Recipe, RunFolder
from tests.training.runs import TINY, snapshot

RECIPE = Recipe("babi", "en", ("1", "2"), Config(**TINY), ("mary", "park"), None, "/data")


@pytest.fixture
def run(tmp_path):
    run = RunFolder(tmp_path / "run")
    run.create(RECIPE)
    return run


@pytest.fixture
def trained(run):
    model = build(RECIPE)
    model.optimizer.build(model.trainable_variables)
    run.save_model(model)
    return run


def test_a_recipe_is_read_as_it_was_written(run):
    assert run.recipe() == RECIPE
    content = json.loads(run.config.read_text())
    assert (content["format"], content["dmn_keras"]) == (RunFolder.format, __version__)


def test_runs_of_tasks_are_found_in_their_order(tmp_path):
    for name in ("10", "2", "1"):
        RunFolder(tmp_path / name).create(RECIPE)
    (tmp_path / "other").mkdir()
    assert [run.path.name for run in RunFolder(tmp_path).runs()] == ["1", "2", "10"]
    with pytest.raises(ValueError, match=r"holds a run for each task: expected the folder of one of them \(1, 2, 10\)"):
        RunFolder(tmp_path).recipe()


def change(run, **fields):
    run.config.write_text(json.dumps({**json.loads(run.config.read_text()), **fields}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"config": {"unit": 3}}, r"config\.json is damaged: .* Did you mean 'units'\?"),
        ({"config": {**RECIPE.config.to_dict(), "units": -1}}, r"config\.json is damaged: units must be between"),
        ({"config": 3}, r"config\.json is damaged: config must be an object"),
        ({"tasks": "12"}, r"config\.json is damaged: tasks must be a list of strings"),
        ({"vocabulary": ["mary", 3]}, r"config\.json is damaged: vocabulary must be a list of strings"),
        ({"vocabulary": ["mary", "mary"]}, r"config\.json is damaged: words must be distinct"),
        ({"answer_words": True}, r"config\.json is damaged: answer_words must be a positive integer or null"),
        ({"dataset": None}, r"config\.json is damaged: dataset must be a string"),
        ({"data_dir": 3}, r"config\.json is damaged: data_dir must be a string or null"),
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
    with pytest.raises(ValueError, match=r"model\.keras must be a regular file"):
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
    ("fields", "difference"),
    [
        ({"vocabulary": ["mary"]}, "the size of the vocabulary is 5, not 4"),
        ({"vocabulary": ["a", "b", "c"]}, "the size of the vocabulary is 5, not 6"),
        ({"answer_words": 2}, "answer_words is None, not 2"),
        ({"config": {**TINY, "num_passes": 2}}, "num_passes is 1, not 2"),
        ({"config": {**TINY, "gate": "sigmoid"}}, "gate is 'softmax', not 'sigmoid'"),
        ({"config": {**TINY, "units": 5}}, "units is 4, not 5"),
        ({"config": {**TINY, "narrow_to": 3}}, "narrow_to is None, not 3"),
        ({"config": {**TINY, "fact_encoder": "story", "fact_level": "word"}}, "fact_level is 'sentence', not 'word'"),
    ],
)
def test_a_configuration_that_does_not_fit_the_model(fields, difference, trained):
    trained.load()
    change(trained, **fields)
    with pytest.raises(
        ValueError, match=rf"config\.json is damaged: it does not fit model\.keras, in which {difference}"
    ):
        trained.load()


def test_a_model_of_another_kind(run):
    run.save_model(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]))
    with pytest.raises(ValueError, match=r"does not fit model\.keras, which is not a Dynamic Memory Network"):
        run.load()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(value, trained):
    model = trained.load()[0]
    layer = model.get_layer("semantic_memory")
    layer.set_weights([np.full_like(layer.get_weights()[0], value)])
    trained.save_model(model)
    with pytest.raises(
        ValueError, match=r"model\.keras is damaged: the weight \S+ holds numbers that are NaN or infin"
    ):
        trained.load()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_model(share, trained):
    whole = trained.model.read_bytes()
    trained.model.write_bytes(whole[: int(share * len(whole))])
    before = snapshot(trained.path)
    with pytest.raises(ValueError, match=r"model\.keras is damaged: it cannot be read \(.*\)\. Nothing was changed\."):
        trained.load()
    assert snapshot(trained.path) == before


def test_weights_are_those_that_keras_writes(trained, tmp_path):
    model = trained.load()[0]
    trained.save_weights(model, trained.best_weights)
    model.save_weights(tmp_path / "keras.weights.h5")
    assert datasets_of(trained.best_weights) == datasets_of(tmp_path / "keras.weights.h5")
    assert not [path.name for path in trained.path.iterdir() if path.name not in RunFolder.entries]
    whole = trained.best_weights.read_bytes()
    trained.load_best_weights(model)
    trained.best_weights.write_bytes(whole[:1000])
    with pytest.raises(ValueError, match=r"best\.weights\.h5 is damaged: it cannot be read"):
        trained.load_best_weights(model)


def datasets_of(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, x: found.update({name: x[...].tolist()}) if isinstance(x, h5py.Dataset) else None)
    return found
