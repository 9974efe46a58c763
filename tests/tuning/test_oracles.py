"""Wherever a search is killed, no trial is lost and none counts twice."""

import json
import random
import shutil

import keras_tuner
import pytest

from tests.tuning.searches import quiet
from tuning.hypermodel import OBJECTIVE
from tuning.oracles import TUNERS, make_oracle
from tuning.space import make_space

pytestmark = quiet
SPACE = make_space("small", preset="fused")


class Killed(BaseException):
    """Ends the search where it is raised."""


def oracle(tuner, folder, limit=None):
    made = make_oracle(tuner, SPACE, seed=0, epochs=9, limit=limit)
    made._set_project_dir(str(folder), "tuner")
    if any((folder / "tuner").glob("trial_*")):
        made.reload()
    return made


def finish(made, trial, status="COMPLETED"):
    """Report a result that depends on the trial's values alone."""
    score = random.Random(str(sorted(trial.hyperparameters.values.items()))).random()
    if status == "COMPLETED":
        made.update_trial(trial.trial_id, {OBJECTIVE: score})
    trial.status = status
    made.end_trial(trial)


def run(made, count, killed=False):
    """Run trials one after the other until there are so many."""
    while len(made.end_order) < count:
        trial = made.create_trial("tuner0")
        if trial.status == "STOPPED":
            return
        finish(made, trial)


def outcome(made):
    """What all trials were and reached, by id, without the order of Hyperband's ids."""
    return {
        trial_id: (trial.status, trial.score, trial.hyperparameters.values) for trial_id, trial in made.trials.items()
    }


@pytest.mark.parametrize("tuner", ["random", "hyperband"])
def test_killed_at_any_writing_it_goes_on_to_the_same_trials(tuner, tmp_path):
    whole = oracle(tuner, tmp_path / "whole")
    run(whole, 8)
    for kill in range(1, 40, 2):
        folder = tmp_path / f"{tuner}{kill}"
        with pytest.MonkeyPatch.context() as patch:
            _kill_at(patch, kill)
            with pytest.raises(Killed):
                run(oracle(tuner, folder), 8)
        made = oracle(tuner, folder)
        run(made, 8)
        assert outcome(made) == outcome(whole), kill
        assert sorted(made.end_order) == sorted(whole.end_order)
        assert len(set(made.end_order)) == len(made.end_order)
        assert made.ongoing_trials == {}
        shutil.rmtree(folder)


def _kill_at(patch, count):
    """Kill the search before it writes a file for the `count`-th time."""
    from tuning import oracles

    original, left = oracles.write_json, [count]

    def write_json(path, content):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        original(path, content)

    patch.setattr(oracles, "write_json", write_json)


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_limit_of_trials(tuner, tmp_path):
    made = oracle(tuner, tmp_path, limit=5)
    run(made, 99)
    assert len(made.end_order) == len(made.trials) == 5
    assert made.exhausted
    more = oracle(tuner, tmp_path, limit=7)
    assert not more.exhausted
    run(more, 99)
    assert len(more.trials) == 7


def test_bayesian_search_goes_beyond_its_first_points(tmp_path):
    made = oracle("bayesian", tmp_path)
    run(made, made.num_initial_points + 2)
    assert len({str(values) for _, _, values in outcome(made).values()}) > made.num_initial_points


def test_the_same_seed_gives_the_same_trials(tmp_path):
    one, other = oracle("random", tmp_path / "a"), oracle("random", tmp_path / "b")
    run(one, 3)
    run(other, 3)
    assert outcome(one) == outcome(other)


def test_hyperband_goes_on_with_the_best(tmp_path):
    made = oracle("hyperband", tmp_path)
    run(made, 20)
    later = [values for _, _, values in outcome(made).values() if values.get("tuner/trial_id")]
    assert later
    for values in later:
        before = made.trials[values["tuner/trial_id"]].hyperparameters.values
        assert values["tuner/initial_epoch"] == before["tuner/epochs"] < values["tuner/epochs"]
        assert {n: v for n, v in values.items() if "/" not in n} == {n: v for n, v in before.items() if "/" not in n}


def test_trials_that_turn_nan_never_end_the_search(tmp_path):
    made = oracle("random", tmp_path)
    for _ in range(6):
        finish(made, made.create_trial("tuner0"), "FAILED")
    assert made.stopped_by is None
    assert made.create_trial("tuner0").status == "RUNNING"


def test_errors_in_a_row_stop_the_search_and_a_resumed_one_begins_to_count_anew(tmp_path):
    made = oracle("random", tmp_path)
    for status in ("INVALID", "INVALID", "COMPLETED", "INVALID", "INVALID", "INVALID"):
        assert made.stopped_by is None
        finish(made, made.create_trial("tuner0"), status)
    assert made.stopped_by == "0005"
    assert made.create_trial("tuner0").status == "STOPPED"
    assert oracle("random", tmp_path).create_trial("tuner0").status == "RUNNING"


def test_the_trial_of_a_dead_worker_goes_to_the_next(tmp_path):
    made = oracle("random", tmp_path)
    mine, other = made.create_trial("worker0"), made.create_trial("worker1")
    assert made.release("worker0") == mine.trial_id
    assert made.release("worker0") is None
    assert made.create_trial("worker2").trial_id == mine.trial_id
    assert made.create_trial("worker1").trial_id == other.trial_id, "keras-tuner gives a worker its own again"
    assert json.loads((tmp_path / "tuner/oracle.json").read_text())["ongoing_trials"].keys() == {"worker1", "worker2"}


def test_a_removed_trial_counts_as_failed_and_its_id_is_not_used_again(tmp_path):
    run(oracle("random", tmp_path), 4)
    shutil.rmtree(tmp_path / "tuner/trial_0001")
    made = oracle("random", tmp_path)
    assert made.trials["0001"].status == "FAILED"
    run(made, 5)
    assert sorted(made.trials) == ["0000", "0001", "0002", "0003", "0004"]
    assert json.loads((tmp_path / "tuner/trial_0001/trial.json").read_text())["status"] == "FAILED"


@pytest.mark.parametrize("tuner", TUNERS)
def test_without_its_state_the_oracle_goes_on_from_the_trials(tuner, tmp_path):
    made = oracle(tuner, tmp_path)
    run(made, 3)
    before = outcome(made)
    (tmp_path / "tuner/oracle.json").unlink()
    made = oracle(tuner, tmp_path)
    assert outcome(made) == before
    run(made, 5)
    assert list(made.trials) == ["0000", "0001", "0002", "0003", "0004"]
    values = [{n: v for n, v in values.items() if "/" not in n} for _, _, values in outcome(made).values()]
    assert len({str(v) for v in values}) == 5, "what was tried is not tried again"


def test_a_tuner_that_does_not_exist():
    with pytest.raises(ValueError, match=r"--tuner must be one of random, hyperband, bayesian.*Did you mean 'random'"):
        make_oracle("randm", SPACE, seed=0, epochs=1)
    assert issubclass(type(make_oracle("random", SPACE, seed=0, epochs=1)), keras_tuner.Oracle)
