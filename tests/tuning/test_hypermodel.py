import json

import keras_tuner
import pytest

from dmn_keras.losses import AnswerCrossentropy
from dmn_keras.training.trainer import train
from tests.training.runs import in_eager_steps, own_data, tensorflow_only, without_tracing
from tests.tuning.searches import FIXED, quiet
from tuning.hypermodel import OBJECTIVE, DMNHyperModel
from tuning.space import make_space

pytestmark = [tensorflow_only, without_tracing, in_eager_steps, *quiet]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return own_data(tmp_path_factory.mktemp("data"))


def space(**settings):
    return make_space("small", preset="fused", base={"epochs": 3}, settings={**FIXED, "units": 4, **settings})


def point(hypermodel, **labels):
    hp = keras_tuner.HyperParameters()
    hypermodel.space.declare(hp)
    hp.values.update(labels)
    return hp


def losses(folder):
    return [epoch["val_loss"] for epoch in json.loads((folder / "history.json").read_text())]


def test_a_trial_is_the_training_of_its_settings_without_the_test_questions(source, tmp_path, monkeypatch):
    hypermodel = DMNHyperModel(source, space())
    hp = point(hypermodel, dropout="0.1", episode="soft_attention")
    config = hypermodel.config(hp, seed=2)
    assert (config.model.dropout, config.model.memory.episode) == (0.1, "soft_attention")
    assert (config.trainer.seed, config.trainer.epochs) == (2, 3)
    train(source, config, tmp_path / "train", verbose=0)

    read = []
    load = type(source).load
    monkeypatch.setattr(type(source), "load", lambda self, split, **o: read.append(split) or load(self, split, **o))
    results = {}
    for epochs in (1, 3):  # in two parts
        model = hypermodel.build(hp, seed=2)
        results[epochs] = hypermodel.fit(hp, model, folder=tmp_path / "trial", seed=2, epochs=epochs)[OBJECTIVE]
        same = {"folder": tmp_path / "trial", "seed": 2}
        assert hypermodel.result(hp, **same, epochs=epochs) == {OBJECTIVE: results[epochs]}
        assert hypermodel.result(hp, **same, epochs=epochs + 1) is None
    assert set(read) == {"train", "valid"}
    assert losses(tmp_path / "trial") == losses(tmp_path / "train")
    assert not (tmp_path / "trial/metrics.json").exists()
    assert results[3] <= results[1]


def test_the_error_decides_and_the_loss_where_errors_are_equal():
    def score(error, loss):
        return DMNHyperModel.score({"error": error, "loss": loss})[OBJECTIVE]

    one = 1e-6  # one of a million examples
    assert score(one, 99.0) < score(2 * one, 0.0)
    assert score(one, 1.0) < score(one, 1.1)
    assert 2 * score(one, 1e9) + score(0.0, 1e9) < 3 * score(one, 0.0), "of three seeds, in one of them"


def test_any_tuner_of_keras_tuner_takes_it(source, tmp_path):
    objective = keras_tuner.Objective(OBJECTIVE, "min")
    tuner = keras_tuner.RandomSearch(
        DMNHyperModel(source, space(episode="soft_attention")), objective, max_trials=2, directory=str(tmp_path), seed=1
    )
    tuner.search(verbose=0, epochs=1)
    trials = tuner.oracle.get_best_trials(2)
    assert [trial.status for trial in trials] == ["COMPLETED", "COMPLETED"]
    assert 0 <= trials[0].score <= trials[1].score


def test_a_loss_that_turns_nan_fails_the_trial_with_its_reason(source, tmp_path, monkeypatch):
    monkeypatch.setattr(AnswerCrossentropy, "call", lambda self, y_true, y_pred: y_pred[..., 0] * float("nan"))
    hypermodel = DMNHyperModel(source, space())
    hp = point(hypermodel, episode="soft_attention")
    with pytest.raises(keras_tuner.errors.FailedTrialError, match="loss became nan in epoch 1"):
        hypermodel.fit(hp, hypermodel.build(hp), folder=tmp_path)
