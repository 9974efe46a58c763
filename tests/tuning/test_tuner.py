"""The budget of time, the oracles, and keras-tuner's state after a kill at any moment."""

import json
import random
import time
import warnings

import keras
import keras_tuner
import numpy as np
import pytest

from tests.tuning.searches import quiet
from tuning.folder import SearchFolder
from tuning.hypermodel import OBJECTIVE
from tuning.space import make_space
from tuning.tuner import TUNERS, BudgetUsedError, SearchTuner, TimeBudget, make_oracle, restore_state

pytestmark = quiet
SPACE = make_space("small", preset="fused")


def budget(path, seconds=None, **options):
    return TimeBudget(path, seconds, **{"started": time.monotonic(), **options})


def test_the_time_of_earlier_sessions_counts(tmp_path):
    path = tmp_path / "time.json"
    first = budget(path, 100, started=time.monotonic() - 7)
    first.check()
    assert 7 <= json.loads(path.read_text())["used"] < 8
    second = budget(path, 10)
    assert 7 <= second.used() < 8
    assert 2 < second.left() <= 3
    assert budget(path, 1000).left() > 990, "a larger budget resumes"
    with pytest.raises(BudgetUsedError):
        budget(path, 7).check()
    with pytest.raises(BudgetUsedError):
        second.check(ahead=5)
    assert budget(path).left() == float("inf")


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "time.json").write_text('{"used": 1')
    with pytest.raises(ValueError, match=r"time\.json is damaged: .*Remove it: the time is then counted from 0"):
        budget(tmp_path / "time.json", 5)


def test_a_training_ends_at_the_first_batch_after_the_time_and_its_model_is_not_held(tmp_path):
    stop = budget(tmp_path / "time.json", 0.5)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(BudgetUsedError):
        model.fit(np.ones((8, 1)), np.ones((8, 1)), batch_size=1, epochs=10**6, verbose=0, callbacks=[stop])
    assert stop.left() <= 0 < stop.slowest_start
    assert stop.model is None


class KilledError(BaseException):
    """Ends the search where it is raised."""


def reloaded(tuner, path, limit=None):
    """An oracle that has read the state in a folder, as a new process does."""
    folder = SearchFolder(path)
    made = make_oracle(tuner, SPACE, seed=0, epochs=9, max_trials=limit)
    restore_state(folder, made, "tuner0")
    SearchTuner(made, None, folder, seeds=[0], epochs=9, budget=None)
    return made


def end(made, trial, status="COMPLETED"):
    """Report a result that depends on the trial's values alone."""
    score = random.Random(str(sorted(trial.hyperparameters.values.items()))).random()
    if status == "COMPLETED":
        made.update_trial(trial.trial_id, {OBJECTIVE: score})
    trial.status = status
    made.end_trial(trial)


def run(made, count):
    """Run trials one after the other until `count` have ended; returns the ids of those that ran."""
    made.verbose, ran = 0, []
    while len(made.end_order) < count:
        trial = made.create_trial("tuner0")
        if trial.status == "STOPPED":
            break
        ran.append(trial.trial_id)
        end(made, trial)
    return ran


def outcome(made):
    return {trial.trial_id: (trial.status, trial.score, trial.hyperparameters.values) for trial in made.trials.values()}


def _killed_before(save, left):
    """Let keras-tuner be killed before it writes a file for the `left`-th time."""

    def save_or_die(self, *arguments):
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        return save(self, *arguments)

    return save_or_die


@pytest.mark.parametrize("tuner", ["random", "hyperband"])
def test_killed_at_any_writing_the_same_trials_end_once_each(tuner, tmp_path, monkeypatch):
    left = [0]
    for written in (keras_tuner.Oracle, keras_tuner.engine.trial.Trial):
        monkeypatch.setattr(written, "save", _killed_before(written.save, left))
    run(whole := reloaded(tuner, tmp_path / "whole"), 8)
    for kill in range(1, 30, 2):
        left[0] = kill
        with pytest.raises(KilledError):
            run(reloaded(tuner, tmp_path / str(kill)), 8)
        ended = [
            i for i, trial in SearchFolder(tmp_path / str(kill)).trials().items() if trial["status"] == "COMPLETED"
        ]
        made = reloaded(tuner, tmp_path / str(kill))
        assert not set(run(made, 8)) & set(ended), kill
        assert outcome(made) == outcome(whole), kill
        assert sorted(made.end_order) == sorted(whole.end_order)


def test_bayesian_search_goes_beyond_its_first_points(tmp_path):
    made = reloaded("bayesian", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, on few points
        run(made, made.num_initial_points + 3)
    assert len({str(values) for _, _, values in outcome(made).values()}) > made.num_initial_points


@pytest.mark.parametrize("tuner", TUNERS)
def test_without_its_state_the_search_resumes_from_the_trials(tuner, tmp_path):
    made = reloaded(tuner, tmp_path)
    run(made, 3)
    before = outcome(made)
    (tmp_path / "tuner/oracle.json").unlink()
    made = reloaded(tuner, tmp_path)
    assert outcome(made) == before
    run(made, 5)
    assert sorted(made.trials) == ["0000", "0001", "0002", "0003", "0004"]
    values = [{n: v for n, v in values.items() if "/" not in n} for _, _, values in outcome(made).values()]
    assert len({str(v) for v in values}) == 5, "what was tried is not tried again"


def test_a_tuner_that_does_not_exist():
    with pytest.raises(ValueError, match=r"--tuner must be one of random, hyperband, bayesian.*Did you mean 'random'"):
        make_oracle("randm", SPACE, seed=0, epochs=1)
