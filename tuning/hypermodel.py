"""A point of the space -> a compiled model, and its training on validation questions alone."""

import gc
import pathlib
import tempfile

import keras
import keras_tuner

from dmn_keras.training import fit
from dmn_keras.training.callbacks import TrainingDivergedError
from dmn_keras.training.data import train_and_validation
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.utils.files import write_json
from tuning.results import execution_result

OBJECTIVE = "val_score"
"""Name of what is minimised: see `DMNHyperModel.score`."""


class DMNHyperModel(keras_tuner.HyperModel):
    """Dynamic Memory Networks over a space of settings, for any tuner of keras-tuner.

    A trial is what `dmn-keras train` does with the same settings and seed, but for the test questions, which it does
    not read. Its objective is `keras_tuner.Objective("val_score", "min")`.

    Args:
        source: The `Source` of the questions.
        space: The `Space`.
        seed: Seed of weights, order, dropout and the validation cut where `build` and `fit` are given none.
        executions: How many seeds a trial has, for `score`.

    Example:

    >>> space = make_space("small", base={"epochs": 5})
    >>> hypermodel = DMNHyperModel(Source("stories", ("one-supporting-fact",)), space)
    >>> objective = keras_tuner.Objective("val_score", "min")
    >>> tuner = keras_tuner.RandomSearch(hypermodel, objective, max_trials=3)
    >>> tuner.search()
    """

    def __init__(self, source, space, *, seed=0, executions=1):
        super().__init__(name="dmn")
        self.source = source
        self.space = space
        self.seed = seed
        self.executions = executions
        self._data = {}

    def declare_hyperparameters(self, hp):
        """Declare the whole space on `hp`."""
        self.space.declare(hp)

    def config(self, hp, seed=None):
        """Return the `Config` of the values of `hp`."""
        self.space.declare(hp)
        return self.space.config_of(self.space.values_of(hp.values), seed=self.seed if seed is None else seed)

    def build(self, hp, *, seed=None):
        """Build and compile the model of the values of `hp`.

        Args:
            hp: `keras_tuner.HyperParameters`.
            seed: Seed of its weights.

        Returns:
            The Keras model.
        """
        recipe = self.recipe(self.config(hp, seed))
        keras.utils.set_random_seed(recipe.config.seed)
        return fit.build(recipe, say=_silent)

    def fit(self, hp, model, *, folder=None, seed=None, epochs=None, callbacks=(), verbose=0, **_):
        """Train the model of `build` and measure it on validation questions.

        Args:
            hp: `keras_tuner.HyperParameters`, those that `build` was given.
            model: The model.
            folder: The run folder, where training goes on if it was begun there; a temporary one by default.
            seed: The seed that `build` was given.
            epochs: Number of the epoch after which to stop; that of the `Config` by default.
            callbacks: Further Keras callbacks.
            verbose: Keras' verbosity of `fit`.

        Returns:
            Dict of `"val_score"`, as `score` has it.

        Raises:
            keras_tuner.errors.FailedTrialError: If the loss becomes NaN or infinite.
            KeyboardInterrupt: If training is interrupted.
        """
        config = self.config(hp, seed)
        recipe, (train, valid) = self.recipe(config), self._questions(config)
        epochs = config.epochs if epochs is None else epochs
        with tempfile.TemporaryDirectory() as temporary:
            run = RunFolder(folder or pathlib.Path(temporary, "run"))
            run.create(recipe)
            error, _ = fit.fit_run(
                model, recipe, run, train, valid, last_epoch=epochs, callbacks=callbacks, verbose=verbose, say=_silent
            )
            if isinstance(error, TrainingDivergedError):
                write_json(run.path / "failed.json", {"reason": str(error)})
                raise keras_tuner.errors.FailedTrialError(str(error))
            if error is not None:
                raise error
            questions = sum(map(len, valid.values()))
            return {OBJECTIVE: self.score(execution_result(run.path, epochs), questions)}

    def score(self, result, questions):
        """Return what is minimised: the validation error, and where errors are equal the validation loss.

        The loss of the answers adds less than any two means of errors over a trial's seeds can differ by.

        Args:
            result: What `tuning.results.execution_result` returns.
            questions: Number of validation questions.
        """
        step = 1.0 / (questions * self.executions)
        return result["error"] + step * result["loss"] / (1.0 + result["loss"])

    def clear(self):
        """Free what the models before took."""
        keras.backend.clear_session()
        gc.collect()

    def _questions(self, config):
        key = config.validation_fraction, config.seed
        if key not in self._data:
            self._data[key] = train_and_validation(
                self.source, validation_fraction=config.validation_fraction, seed=config.seed
            )
        return self._data[key]

    def recipe(self, config):
        """Return the `Recipe` of a `Config`."""
        train, _ = self._questions(config)
        return fit.make_recipe(self.source, config, [e for examples in train.values() for e in examples])


def _silent(line):
    """Tell nobody: a search says what became of its trials itself."""
