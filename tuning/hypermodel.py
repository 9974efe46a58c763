"""Builds and trains the model of a point of the search space, on training and validation examples alone."""

import functools
import gc
import pathlib
import tempfile
from collections.abc import Sequence

import keras
import keras_tuner

from dmn_keras.datasets import Source, train_and_validation
from dmn_keras.tasks.config import RunConfig
from dmn_keras.tasks.registry import task_class_for
from dmn_keras.tasks.task import Task
from dmn_keras.training.callbacks import TrainingDivergedError, progress
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.training.trainer import fit_run, redrawing
from tuning.space import Space

OBJECTIVE = "val_score"
"""Name of the minimised metric, see `DMNHyperModel.score`."""


class DMNHyperModel(keras_tuner.HyperModel):
    """Memory networks over a space of settings, for any tuner of keras-tuner.

    A trial is the training of `dmn-keras train` with the same settings and seed, except that it reads no test example.
    Its objective is `keras_tuner.Objective("val_score", "min")`.

    Args:
        source: The `Source` of the examples, which also names the task.
        space: The `Space`.
        seed: Seed of weights, order, dropout and the validation cut where `build` and `fit` are given none.
    """

    def __init__(self, source: Source, space: Space, *, seed: int = 0):
        super().__init__(name="dmn")
        self.source = source
        self.space = space
        self.seed = seed
        self._load = functools.lru_cache(maxsize=1)(functools.partial(train_and_validation, source))

    def config(self, hp: keras_tuner.HyperParameters, seed: int | None = None) -> RunConfig:
        """Return the `RunConfig` of the values of `hp`."""
        return self.space.config(self.space.declare(hp), seed=self.seed if seed is None else seed)

    def task(self, config: RunConfig) -> Task:
        """Return the task of a `RunConfig`, adapted to the training examples; its network is not built yet."""
        train, _ = self._examples(config)
        task = task_class_for(self.source.dataset)(config)
        task.adapt([example for examples in train.values() for example in examples])
        return task

    def build(self, hp, seed=None):
        """Return the compiled task of the values of `hp`; frees those before it."""
        keras.backend.clear_session()
        gc.collect()
        config = self.config(hp, seed)
        keras.utils.set_random_seed(config.trainer.seed)
        task = self.task(config)
        task.compile()
        return task

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: Task,
        *,
        folder: pathlib.Path | None = None,
        seed: int | None = None,
        epochs: int | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: int = 0,
    ) -> dict[str, float]:
        """Train, from where a training in `folder` stopped.

        Args:
            hp: The values.
            model: The task of `build`.
            folder: Run folder to leave the training in; a temporary one by default.
            seed: The seed that `build` was given.
            epochs: Number of the epoch after which to stop; that of the `RunConfig` by default.
            callbacks: Further Keras callbacks.
            verbose: Keras' verbosity of `fit`.

        Returns:
            Dict of the objective.

        Raises:
            keras_tuner.errors.FailedTrialError: If the loss becomes NaN or infinite.
        """
        config = self.config(hp, seed)
        train, valid = self._examples(config)
        with tempfile.TemporaryDirectory() as temporary:
            run = RunFolder(folder or pathlib.Path(temporary, "run"))
            run.create(model, self.source)
            options = {"last_epoch": epochs, "callbacks": callbacks, "verbose": verbose}
            error, _ = fit_run(model, run, train, valid, redraw=redrawing(self.source, config), **options)
            if isinstance(error, TrainingDivergedError):
                raise keras_tuner.errors.FailedTrialError(str(error))
            if error is not None:
                raise error
            return self.score(training_result(run.path, epochs))

    def result(self, hp, *, folder: pathlib.Path, seed: int, epochs: int) -> dict[str, float] | None:
        """Return what `fit` would, if the training in `folder` has nothing left to do; else `None`."""
        history = RunFolder(folder).read_history()[:epochs]
        finished = progress(history, self.config(hp, seed).trainer).finished
        return self.score(training_result(folder, epochs)) if finished or len(history) == epochs else None

    @staticmethod
    def score(result: dict) -> dict[str, float]:
        """Return the objective: the validation error, and where errors are equal the validation loss.

        The loss adds at most 1e-9, less than any two mean errors differ by.
        """
        return {OBJECTIVE: result["error"] + 1e-9 * result["loss"] / (1.0 + result["loss"])}

    def _examples(self, config):
        return self._load(validation_fraction=config.data.validation_fraction, seed=config.trainer.seed)


def training_result(folder: pathlib.Path, epochs: int | None = None) -> dict | None:
    """Return the validation results of the first epochs of a run.

    Args:
        folder: The run folder.
        epochs: How many epochs count; all by default.

    Returns:
        Dict of `"error"` (fraction of wrong answers) and `"loss"` of the best epoch, and `"epochs"` and `"cpu_seconds"`
        of all that count; `None` before the first.
    """
    history = RunFolder(folder).read_history()[:epochs]
    if not history:
        return None
    # As in `progress`, which keeps none of MemN2N's linear start where another epoch follows.
    best = min(history, key=lambda epoch: (epoch.get("linear", 0.0), epoch["val_error"], epoch["val_loss"]))
    return {
        "error": best["val_error"],
        "loss": best.get("val_answer_loss", best["val_loss"]),
        "epochs": len(history),
        "cpu_seconds": round(sum(epoch["cpu_seconds"] for epoch in history), 3),
    }
