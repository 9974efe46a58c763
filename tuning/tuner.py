"""Runs the trials: each seed in its own run folder, which goes on where it was stopped."""

import contextlib
import io
import time

import keras
import keras_tuner

from dmn_keras.training.run_folder import RunFolder
from dmn_keras.utils.files import read_json, write_json
from tuning.clock import show_time
from tuning.hypermodel import OBJECTIVE
from tuning.results import execution_result

RESULT = "result.json"


class StopInTime(keras.callbacks.Callback):
    """Ask after every batch whether to stop.

    Args:
        check: Function that raises if so.

    Attributes:
        start: Seconds from now to the end of the first batch, most of it compilation, which nothing interrupts;
            `None` before.
    """

    def __init__(self, check):
        super().__init__()
        self.check = check
        self.start = None
        self._made = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self.start is None:
            self.start = time.monotonic() - self._made
        self.check()

    def on_test_batch_end(self, batch, logs=None):
        self.check()


class SearchTuner(keras_tuner.Tuner):
    """Trains every trial once a seed, and makes each of these trainings resumable.

    A trial that Hyperband goes on with is trained in the folder of the trial before it: its weights, its optimizer and
    its history are those of a training that was never stopped.

    Args:
        oracle: What `tuning.oracles.make_oracle` returns.
        hypermodel: The `DMNHyperModel`.
        folder: The `SearchFolder`.
        seeds: The seeds of a trial.
        epochs: Most epochs of a trial.
        check: Function that raises once the search is to stop, or would have to in the seconds it is given.
        pause: Seconds to wait before asking for a trial: keras-tuner's workers ask without end while there is none.
        say: Function that takes a line to tell the user.
    """

    def __init__(self, oracle, hypermodel, *, folder, seeds, epochs, check, pause=0.0, say=print):
        self.folder = folder
        self.seeds = seeds
        self.epochs = epochs
        self.check = check
        self.pause = pause
        self.say = say
        self.slowest_start = 0.0
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(oracle, hypermodel, directory=str(folder.path), project_name=folder.tuner.name)

    def _populate_initial_space(self):
        """Leave the oracle's space as it is: it was made with all of it, no model needs to be built for that."""

    def pre_create_trial(self):
        self.check(self.slowest_start)
        time.sleep(self.pause)

    def run_trial(self, trial, **_):
        """Train a trial's executions that are not done yet.

        Args:
            trial: The keras-tuner `Trial`.

        Returns:
            List of one dict of the objective a seed.
        """
        hp, root = trial.hyperparameters, self._root(trial)
        epochs = hp.values.get("tuner/epochs", self.epochs)
        self.say(f"Trial {trial.trial_id}: {self._shown(hp)}")
        results = []
        for seed in self.seeds:
            folder = self.folder.run(root, seed)
            result = _known_result(folder, epochs)
            if result is None:
                result = self._execute(hp, folder, seed, epochs)
                write_json(folder / RESULT, {"epochs": epochs, **result})
            results.append({OBJECTIVE: result[OBJECTIVE]})
        self.say(f"Trial {trial.trial_id}: {self._said(root, epochs)}")
        return results

    def on_trial_end(self, trial):
        super().on_trial_end(trial)
        if trial.status != "COMPLETED":
            reason = (trial.message or "").strip().splitlines()[-1:]
            self.say(f"Trial {trial.trial_id}: failed. {''.join(reason)}")

    def _execute(self, hp, folder, seed, epochs):
        self.hypermodel.clear()
        watch = StopInTime(self.check)
        try:
            model = self.hypermodel.build(hp, seed=seed)
            return self.hypermodel.fit(hp, model, folder=folder, seed=seed, epochs=epochs, callbacks=[watch])
        except keras_tuner.errors.FailedTrialError:
            raise
        except Exception as error:
            # keras-tuner's messages between machines leave the reason out.
            write_json(folder / "failed.json", {"reason": f"{type(error).__name__}: {error}"})
            raise
        finally:
            self.slowest_start = max(self.slowest_start, watch.start or 0.0)

    def _root(self, trial):
        """Return the id of the trial with which the training of this one began."""
        while "tuner/trial_id" in trial.hyperparameters.values:
            trial = self.oracle.get_trial(trial.hyperparameters.values["tuner/trial_id"])
        return trial.trial_id

    def _shown(self, hp):
        values = self.hypermodel.space.values_of(hp.values)
        return ", ".join(f"{name}={value}" for name, value in values.items())

    def _said(self, root, epochs):
        results = [execution_result(self.folder.run(root, seed), epochs) for seed in self.seeds]
        errors = ", ".join(f"{100 * result['error']:.2f}" for result in results)
        cpu = show_time(sum(result["cpu_seconds"] for result in results))
        return f"validation error {errors} %, {max(result['epochs'] for result in results)} epochs, CPU {cpu}"


def _known_result(folder, epochs):
    """Return the result of an execution that ended before its trial did, or `None`."""
    path = folder / RESULT
    if not path.exists() or not RunFolder(folder).history.exists():
        return None
    result = read_json(path)
    return result if result["epochs"] == epochs else None


def prepare_project(folder, tuner_id):
    """Make keras-tuner go on with what lies in the folder, also if it was killed before it wrote a file of its own."""
    if any(folder.tuner.glob("trial_*/trial.json")) or (folder.tuner / "oracle.json").exists():
        write_json(folder.tuner / f"{tuner_id}.json", {})
