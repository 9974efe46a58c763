"""keras-tuner's tuner with a run folder for each training and a budget of time, and its state after a kill."""

import contextlib
import io
import pathlib
import shutil
import time

import keras
import keras_tuner

from dmn_keras.errors import printable, unknown_name
from dmn_keras.utils.files import read_json, write_json
from tuning.folder import STATUS, SearchFolder
from tuning.hypermodel import OBJECTIVE, DMNHyperModel, training_result
from tuning.space import Space

TUNERS = ("random", "hyperband", "bayesian")
MAX_CONSECUTIVE_ERRORS = 3
"""Trials in a row with an error, other than a loss that became NaN, that end the search."""

UNLIMITED = 10**9


class BudgetUsedError(keras_tuner.errors.FatalError):
    """The search has used its time. keras-tuner ends the search with it and leaves the trial to be resumed."""


class TimeBudget(keras.callbacks.Callback):
    """Ends a search when its wall-clock time is used, also in the middle of a training.

    While a model trains, the used time is written to a file every second, for the search that resumes this one. A
    compilation is not interrupted, and a kill within it loses its time.

    Args:
        path: The file.
        seconds: Time of the search, over all its sessions; `None` for no limit.
        started: Value of `time.monotonic()` when this session started.
        writes: Whether to write the file: of several processes one does.

    Raises:
        ValueError: If the file is damaged.
    """

    def __init__(self, path: pathlib.Path, seconds: float | None, *, started: float, writes: bool = True):
        super().__init__()
        self.path = path
        self.seconds = seconds
        self.started = started
        self.writes = writes
        self.slowest_start = 0.0
        self._fit_began = None
        self._written = 0.0
        try:
            self._before = float(read_json(path)["used"]) if path.exists() else 0.0
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is damaged: {error.__cause__ or error}. Nothing was changed and the trials are intact. Remove "
                "it: the time is then counted from 0."
            ) from error

    def used(self) -> float:
        """Return the seconds used so far, those of earlier sessions included."""
        return self._before + time.monotonic() - self.started

    def left(self) -> float:
        """Return the seconds that are left."""
        return float("inf") if self.seconds is None else self.seconds - self.used()

    def save(self) -> None:
        """Write the used time."""
        write_json(self.path, {"used": round(self.used(), 3)})
        self._written = time.monotonic()

    def check(self, ahead: float = 0.0) -> None:
        """Raise if the time is used, or will be in `ahead` seconds.

        Raises:
            BudgetUsedError: If it is.
        """
        if self.writes and time.monotonic() - self._written >= 1.0:
            self.save()
        if self.left() <= ahead:
            raise BudgetUsedError("The time is used.")

    def set_model(self, model):
        """Keep no model: this callback outlives those of all trials."""

    def on_train_begin(self, logs=None):
        self._fit_began = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self._fit_began is not None:  # the first step was compiled
            self.slowest_start = max(self.slowest_start, time.monotonic() - self._fit_began)
            self._fit_began = None
        self.check()

    def on_test_batch_end(self, batch, logs=None):
        self.check()


class SearchTuner(keras_tuner.Tuner):
    """Trains each trial with each seed, in run folders that a killed search resumes.

    A trial that Hyperband continues is trained in the folder of its first trial: weights, optimizer and history are
    those of a training without a stop.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        hypermodel: DMNHyperModel,
        folder: SearchFolder,
        *,
        seeds: list[int],
        epochs: int,
        budget: TimeBudget,
    ):
        with contextlib.redirect_stdout(io.StringIO()):  # "Reloading Tuner from ..."
            # Without a hypermodel, as the oracle has the whole space: no model is built to find it.
            super().__init__(oracle, directory=str(folder.path), project_name=folder.tuner.name)
        self.hypermodel = hypermodel
        self.folder = folder
        self.seeds = seeds
        self.epochs = epochs
        self.budget = budget
        self._errors = 0

    def pre_create_trial(self):
        self.budget.check(ahead=self.budget.slowest_start)
        time.sleep(0.05)  # keras-tuner's workers ask without a pause while there is no trial for them

    def run_trial(self, trial, **_):
        """Train a trial with each seed; returns a dict of the objective for each."""
        labels = self.hypermodel.space.labels(trial.hyperparameters.values)
        print(f"Trial {trial.trial_id}: {', '.join(f'{name}={label}' for name, label in labels.items())}", flush=True)
        epochs, runs = self._runs(trial)
        try:
            return [self._train(trial.hyperparameters, runs[seed], seed, epochs) for seed in self.seeds]
        except keras_tuner.errors.FatalError:
            raise
        except OSError as error:  # of the disk, not of the trial
            raise keras_tuner.errors.FatalRuntimeError(f"{error}. The same command resumes the search.") from error
        except Exception as error:  # keras-tuner's messages between processes have no room for the reason
            kind = "" if isinstance(error, keras_tuner.errors.FailedTrialError) else f"{type(error).__name__}: "
            write_json(runs[self.seeds[0]].parent / "failed.json", {"reason": f"{kind}{error}"})
            raise

    def _train(self, hp, folder, seed, epochs):
        result = self.hypermodel.result(hp, folder=folder, seed=seed, epochs=epochs)
        if result is not None:
            return result
        model = self.hypermodel.build(hp, seed)
        return self.hypermodel.fit(hp, model, folder=folder, seed=seed, epochs=epochs, callbacks=[self.budget])

    def _runs(self, trial):
        """Return the most epochs of a trial and its run folders by seed: those of the trial that it continues."""
        epochs = trial.hyperparameters.values.get("tuner/epochs", self.epochs)
        while "tuner/trial_id" in trial.hyperparameters.values:
            trial = self.oracle.get_trial(trial.hyperparameters.values["tuner/trial_id"])
        return epochs, {seed: self.folder.run(trial.trial_id, seed) for seed in self.seeds}

    def on_trial_end(self, trial):
        status = trial.status
        super().on_trial_end(trial)
        if status == "COMPLETED":
            epochs, runs = self._runs(trial)
            results = [training_result(run, epochs) for run in runs.values()]
            errors = ", ".join(f"{100 * result['error']:.2f}" for result in results)
            cpu = sum(result["cpu_seconds"] for result in results)
            print(f"Trial {trial.trial_id}: validation error {errors} %, CPU {cpu:.0f} s", flush=True)
        else:
            reason = printable(trial.message.strip().splitlines()[-1])
            print(f"Trial {trial.trial_id}: failed. {reason}", flush=True)
        self._errors = self._errors + 1 if status == "INVALID" else 0
        if self._errors == MAX_CONSECUTIVE_ERRORS:
            raise RuntimeError(
                f"{self._errors} trials in a row ended with an error, the last one was {trial.trial_id}: trials.md has "
                "the reasons. The same command resumes the search."
            )


def make_oracle(
    tuner: str, space: Space, *, seed: int, epochs: int, max_trials: int | None = None
) -> keras_tuner.Oracle:
    """Make keras-tuner's oracle; `epochs` are the most of a trial, for Hyperband.

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
        "seed": seed + 1,  # keras-tuner replaces 0 with a random one
        "max_consecutive_failed_trials": UNLIMITED,  # a loss that became NaN is a result; `SearchTuner` counts errors
    }
    if tuner == "hyperband":
        oracle = keras_tuner.oracles.HyperbandOracle(max_epochs=epochs, hyperband_iterations=UNLIMITED, **common)
    elif tuner == "bayesian":
        points = max(len(space.names()), 4)
        oracle = keras_tuner.oracles.BayesianOptimizationOracle(num_initial_points=points, **common)
    else:
        oracle = keras_tuner.oracles.RandomSearchOracle(**common)
    oracle.max_trials = max_trials
    return oracle


def restore_state(folder: SearchFolder, oracle: keras_tuner.Oracle, tuner_id: str) -> None:
    """Make keras-tuner's files agree with one another, for the tuner that reads them next.

    keras-tuner writes the file of a trial before its own state, and keeps a trial that has ended among the running ones
    until the next one begins. After a kill it would run such a trial again and forget one that was about to begin. Here
    the files of the trials decide which have ended; all others are queued again.

    Args:
        folder: The `SearchFolder`.
        oracle: The oracle, new.
        tuner_id: keras-tuner's name of the process that reads the files.

    Raises:
        ValueError: If a file is damaged; nothing is changed.
    """
    trials, state = folder.trials(), folder.oracle_state()
    if state is None:
        if not trials:
            return
        state = oracle.get_state()  # it was removed
        state["start_order"] = list(trials)
        state["seed_state"] += sum(len(trial["hyperparameters"]["values"]) for trial in trials.values())
    for trial_id in trials.keys() - set(state["start_order"]):  # it was about to begin, and will be drawn again
        shutil.rmtree(folder.tuner / f"trial_{trial_id}")
    for trial_id in set(state["start_order"]) - trials.keys():
        path, message = folder.tuner / f"trial_{trial_id}" / "trial.json", "the file of this trial was removed"
        trial = keras_tuner.engine.trial.Trial(keras_tuner.HyperParameters(), trial_id, "FAILED", message)
        trials[trial_id] = trial.get_state()
        write_json(path, trials[trial_id])
    ended = [trial_id for trial_id in state["start_order"] if trials[trial_id]["status"] in STATUS]
    waiting = [trial_id for trial_id in state["start_order"] if trial_id not in ended]
    state["end_order"] = list(dict.fromkeys([*(t for t in state["end_order"] if t in ended), *ended]))
    state["ongoing_trials"], state["retry_queue"] = {}, waiting[::-1]  # keras-tuner takes the last
    write_json(folder.oracle, state)
    write_json(folder.tuner / f"{tuner_id}.json", {})  # without it, keras-tuner would begin a new search
