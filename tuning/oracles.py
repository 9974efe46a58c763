"""keras-tuner's oracles, made to survive: no trial is lost or counted twice wherever the search is killed."""

import os
import warnings

import keras_tuner

from dmn_keras.errors import unknown_name
from dmn_keras.utils.files import write_json
from tuning.hypermodel import OBJECTIVE

MAX_CONSECUTIVE_ERRORS = 3
"""So many trials in a row that end with an error, other than a loss that turned NaN, stop the search."""


class _Kept:
    """What the oracles share: atomic files, a state that is set right when it is read, a limit of trials.

    keras-tuner writes a trial's file first and its own state after it, and leaves a trial among the running ones
    until the next one begins. Which trials have ended is therefore told by their own files when a search goes on; one
    that its state does not know was never begun, and is made again, the same.

    Attributes:
        limit: Most trials; `None` for no limit.
        exhausted: Whether there was no further trial to give.
        stopped_by: The trial after which the search stopped, as trial after trial ended with an error.
    """

    limit = None
    stopped_by = None
    exhausted = False
    _errors = 0

    def populate_space(self, trial_id):
        if self.stopped_by is not None or (self.limit is not None and len(self.trials) >= self.limit):
            response = {"status": "STOPPED"}
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scikit-learn's, on the few points at the start
                response = super().populate_space(trial_id)
        self.exhausted = response["status"] == "STOPPED"
        return response

    def save(self):
        write_json(self._get_oracle_fname(), self.get_state())

    def _save_trial(self, trial):
        write_json(os.path.join(self._get_trial_dir(trial.trial_id), "trial.json"), trial.get_state())

    def reload(self):
        if os.path.exists(self._get_oracle_fname()):
            super().reload()
        else:
            self._reload_trials()
        self._repair()
        self.save()

    def _reload_trials(self):
        """Read the trials without a state of the oracle: what was tried is not tried again."""
        for name in sorted(os.listdir(self._project_dir)):
            path = os.path.join(self._project_dir, name, "trial.json")
            if os.path.exists(path):
                trial = keras_tuner.engine.trial.Trial.load(path)
                self.trials[trial.trial_id] = trial
                self._record_values(trial)
                self._seed_state += len(trial.hyperparameters.values)
        self.start_order = sorted(self.trials, key=int)

    def _repair(self):
        """Set right what a kill between two writings left."""
        self.trials = {
            trial_id: self.trials.get(trial_id) or self._missing_trial(trial_id) for trial_id in self.start_order
        }
        ended = [t.trial_id for t in self.trials.values() if t.status in ("COMPLETED", "FAILED")]
        self.end_order = [*dict.fromkeys(i for i in self.end_order if i in ended)]
        self.end_order += [trial_id for trial_id in ended if trial_id not in self.end_order]
        waiting = [trial_id for trial_id in self.start_order if trial_id not in ended]
        self._retry_queue = waiting[::-1]  # keras-tuner takes the last
        for trial_id in waiting:
            self.trials[trial_id].metrics = keras_tuner.engine.trial.Trial(None).metrics

    def _missing_trial(self, trial_id):
        trial = keras_tuner.engine.trial.Trial(
            keras_tuner.HyperParameters(), trial_id, status="FAILED", message="the file of this trial was removed"
        )
        self._save_trial(trial)
        return trial

    @keras_tuner.synchronized
    def release(self, tuner_id):
        """Give the trial of a worker that has died to the next one that asks.

        Args:
            tuner_id: The worker's id.

        Returns:
            The trial's id, `None` if the worker had none.
        """
        self.tuner_ids.discard(tuner_id)
        trial = self.ongoing_trials.pop(tuner_id, None)
        if trial is None:
            return None
        self._retry_queue.append(trial.trial_id)
        self.save()
        return trial.trial_id

    def _check_consecutive_failures(self):
        """Let trials fail: `_retry` counts those that count."""

    def _retry(self, trial):
        # FAILED is a loss that turned NaN, which is a result like any other; INVALID is any other error.
        self._errors = self._errors + 1 if trial.status == "INVALID" else 0
        if self._errors == MAX_CONSECUTIVE_ERRORS:
            self.stopped_by = trial.trial_id
        return super()._retry(trial)


class RandomOracle(_Kept, keras_tuner.oracles.RandomSearchOracle):
    """Random search."""


class BayesianOracle(_Kept, keras_tuner.oracles.BayesianOptimizationOracle):
    """Bayesian optimisation."""


class HyperbandOracle(_Kept, keras_tuner.oracles.HyperbandOracle):
    """Hyperband, one iteration after the other until it is stopped."""


TUNERS = ("random", "hyperband", "bayesian")


def make_oracle(tuner, space, *, seed, epochs, limit=None):
    """Make an oracle whose space is declared.

    Args:
        tuner: One of `TUNERS`.
        space: The `Space`.
        seed: Integer.
        epochs: Most epochs of a trial, for Hyperband.
        limit: Most trials; `None` for no limit.

    Returns:
        A keras-tuner `Oracle`.

    Raises:
        ValueError: If there is no such tuner.
    """
    if tuner not in TUNERS:
        raise ValueError(unknown_name("--tuner", tuner, TUNERS))
    hyperparameters = keras_tuner.HyperParameters()
    space.declare(hyperparameters)
    common = {
        "objective": keras_tuner.Objective(OBJECTIVE, "min"),
        "hyperparameters": hyperparameters,
        "seed": seed + 1,  # keras-tuner draws a seed of its own in place of 0
    }
    if tuner == "hyperband":
        oracle = HyperbandOracle(**common, max_epochs=epochs, factor=3, hyperband_iterations=None)
    elif tuner == "bayesian":
        oracle = BayesianOracle(**common, max_trials=None, num_initial_points=max(len(space.names()), 4))
    else:
        oracle = RandomOracle(**common, max_trials=None)
    oracle.limit = limit
    return oracle
