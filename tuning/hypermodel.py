"""Builds and trains the model of a point of the search space, on training and validation questions alone."""

import gc
import pathlib
import tempfile
from collections.abc import Sequence

import keras
import keras_tuner

from dmn_keras.training import fit
from dmn_keras.training.callbacks import TrainingDivergedError, progress
from dmn_keras.training.config import Config
from dmn_keras.training.data import Source, train_and_validation
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.utils.files import read_json
from tuning.space import Space

OBJECTIVE = "val_score"
"""Name of the minimised metric, see `DMNHyperModel.score`."""


class DMNHyperModel(keras_tuner.HyperModel):
    """Dynamic Memory Networks over a space of settings, for any tuner of keras-tuner.

    A trial is the training of `dmn-keras train` with the same settings and seed, except that it reads no test question.
    Its objective is `keras_tuner.Objective("val_score", "min")`.

    Args:
        source: The `Source` of the questions.
        space: The `Space`.
        seed: Seed of weights, order, dropout and the validation cut where `build` and `fit` are given none.
        executions: Number of seeds of a trial, for `score`.
    """

    def __init__(self, source: Source, space: Space, *, seed: int = 0, executions: int = 1):
        super().__init__(name="dmn")
        self.source = source
        self.space = space
        self.seed = seed
        self.executions = executions
        self._loaded = None, None

    def config(self, hp: keras_tuner.HyperParameters, seed: int | None = None) -> Config:
        """Return the `Config` of the values of `hp`."""
        return self.space.config(self.space.declare(hp), seed=self.seed if seed is None else seed)

    def recipe(self, config: Config) -> fit.Recipe:
        """Return the `Recipe` of a `Config`."""
        train, _ = self._questions(config)
        return fit.make_recipe(self.source, config, [e for examples in train.values() for e in examples])

    def build(self, hp, seed=None):
        """Return the compiled model of the values of `hp`; frees those before it."""
        keras.backend.clear_session()
        gc.collect()
        return fit.build(self.recipe(self.config(hp, seed)), say=_ignore)

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
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
            model: The model of `build`.
            folder: Run folder to leave the training in; a temporary one by default.
            seed: The seed that `build` was given.
            epochs: Number of the epoch after which to stop; that of the `Config` by default.
            callbacks: Further Keras callbacks.
            verbose: Keras' verbosity of `fit`.

        Returns:
            Dict of the objective.

        Raises:
            keras_tuner.errors.FailedTrialError: If the loss becomes NaN or infinite.
        """
        config = self.config(hp, seed)
        recipe, (train, valid) = self.recipe(config), self._questions(config)
        with tempfile.TemporaryDirectory() as temporary:
            run = RunFolder(folder or pathlib.Path(temporary, "run"))
            run.create(recipe)
            options = {"last_epoch": epochs, "callbacks": callbacks, "verbose": verbose, "say": _ignore}
            error, _ = fit.fit_run(model, recipe, run, train, valid, **options)
            if isinstance(error, TrainingDivergedError):
                raise keras_tuner.errors.FailedTrialError(str(error))
            if error is not None:
                raise error
            return self.score(training_result(run.path, epochs), config)

    def result(self, hp, *, folder: pathlib.Path, seed: int, epochs: int) -> dict[str, float] | None:
        """Return what `fit` would, if the training in `folder` has nothing left to do; else `None`."""
        config = self.config(hp, seed)
        history = _history(folder, epochs)
        finished = progress(history, patience=config.patience, solved_epochs=config.solved_epochs).finished
        return self.score(training_result(folder, epochs), config) if finished or len(history) == epochs else None

    def score(self, result: dict, config: Config) -> dict[str, float]:
        """Return the objective: the validation error, and where errors are equal the validation loss.

        The loss adds less than any two means of errors over a trial's seeds can differ by.
        """
        step = 1.0 / (sum(map(len, self._questions(config)[1].values())) * self.executions)
        return {OBJECTIVE: result["error"] + step * result["loss"] / (1.0 + result["loss"])}

    def _questions(self, config):
        key = {"validation_fraction": config.validation_fraction, "seed": config.seed}
        if self._loaded[0] != key:
            self._loaded = key, train_and_validation(self.source, **key)
        return self._loaded[1]


def training_result(folder: pathlib.Path, epochs: int | None = None) -> dict | None:
    """Return the validation results of the first epochs of a run.

    Args:
        folder: The run folder.
        epochs: How many epochs count; all by default.

    Returns:
        Dict of `"error"` (share of wrong answers) and `"loss"` of the best epoch, and `"epochs"` and `"cpu_seconds"` of
        all that count; `None` before the first.
    """
    history = _history(folder, epochs)
    if not history:
        return None
    best = min(history, key=lambda epoch: (epoch["val_error"], epoch["val_loss"]))
    return {
        "error": best["val_error"],
        "loss": best.get("val_answer_loss", best["val_loss"]),
        "epochs": len(history),
        "cpu_seconds": round(sum(epoch["cpu_seconds"] for epoch in history), 3),
    }


def _history(folder, epochs):
    path = RunFolder(folder).history
    return read_json(path)[:epochs] if path.exists() else []


def _ignore(line):
    """Print nothing: a search prints one line a trial."""
