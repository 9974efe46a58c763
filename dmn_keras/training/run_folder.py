"""A run's folder: what is written where, atomically, and read back with clear errors."""

import dataclasses
import json
import os
import pathlib
import shutil
import tempfile

import keras

from dmn_keras._version import __version__
from dmn_keras.text import Vocabulary
from dmn_keras.training.config import Config

FORMAT = 1
"""Number of the folder's layout; a folder with another one is refused."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a run is trained on and how: the content of `config.json`.

    Attributes:
        dataset: Name of the dataset.
        dataset_config: Its configuration, or `None`.
        tasks: Names of the tasks.
        config: The `Config`, with `num_passes` resolved.
        vocabulary: Words in the order of their ids, without the special ones.
        answer_words: Longest answer in words, `None` for classification.
        answers: Answers of the training data as it writes them, as in `Vocabulary`; none of older runs.
    """

    dataset: str
    dataset_config: str | None
    tasks: tuple[str, ...]
    config: Config
    vocabulary: tuple[str, ...]
    answer_words: int | None
    answers: tuple[str, ...] = ()


class RunFolder:
    """Paths and files of one run.

    - `config.json`: the `Recipe`, the format and the version that wrote it;
    - `model.keras`: the best model;
    - `metrics.json`: what it reaches;
    - `history.json`: losses, metrics, seconds and seconds of CPU of each epoch;
    - `calibration.json`: how far its probabilities can be trusted, if that was measured;
    - `best.weights.h5`, `backup/`: what a run resumes from. They stay as long as it can go on, also after Ctrl-C or
      the last of its epochs, and are removed once it is solved or out of patience;
    - `logs/`: TensorBoard.

    Args:
        path: The folder; it need not exist.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.config = self.path / "config.json"
        self.model = self.path / "model.keras"
        self.metrics = self.path / "metrics.json"
        self.history = self.path / "history.json"
        self.calibration = self.path / "calibration.json"
        self.best_weights = self.path / "best.weights.h5"
        self.backup = self.path / "backup"
        self.logs = self.path / "logs"

    def exists(self):
        """Return whether the folder holds a run, finished or not."""
        return self.config.exists()

    def found(self):
        """Return the runs in this folder: itself, or those in its subfolders, in the order of their tasks."""
        if self.exists():
            return [self]
        runs = [RunFolder(path.parent) for path in self.path.glob("*/config.json")]
        return sorted(runs, key=lambda run: (len(run.path.name), run.path.name))

    def refuse_existing(self):
        """Raise if there is a run in this folder or its subfolders.

        Raises:
            FileExistsError: If there is.
        """
        if self.found():
            raise FileExistsError(
                f"{self.found()[0].path} holds a run already. "
                "Resume it (--resume), replace it (--overwrite) or choose another --output."
            )

    def runs(self):
        """Return the runs in this folder, as `found` does.

        Raises:
            FileNotFoundError: If there is none.
        """
        runs = self.found()
        if not runs:
            what = "holds no run" if self.path.is_dir() else "does not exist"
            raise FileNotFoundError(
                f"{self.path} {what}: expected a folder that `dmn-keras train` wrote (config.json)."
            )
        return runs

    def create(self, recipe):
        """Make the folder and write its `config.json`."""
        self.path.mkdir(parents=True, exist_ok=True)
        content = {"format": FORMAT, "dmn_keras": __version__, **dataclasses.asdict(recipe)}
        write_json(self.config, content)

    def remove(self):
        """Remove the files of a run, and nothing else that may lie in the folder."""
        self.remove_backup()
        for path in (self.config, self.model, self.metrics, self.history, self.calibration):
            path.unlink(missing_ok=True)
        for path in (self.logs, *self.path.glob(f"{WRITING}*")):
            shutil.rmtree(path, ignore_errors=True)

    def remove_backup(self):
        """Remove what a finished run does not need any more."""
        self.best_weights.unlink(missing_ok=True)
        shutil.rmtree(self.backup, ignore_errors=True)

    def recipe(self):
        """Read `config.json`.

        Returns:
            The `Recipe`.

        Raises:
            FileNotFoundError: If the folder holds no run.
            ValueError: If it holds several, or the file is damaged or of another format.
        """
        runs = self.runs()
        if runs[0] is not self:
            names = ", ".join(run.path.name for run in runs)
            raise ValueError(f"{self.path} holds a run for each task: expected the folder of one of them ({names}).")
        content = read_json(self.config)
        if not isinstance(content, dict):
            raise ValueError(f"{self.config} is damaged: it holds no object. Nothing was changed.")
        written = content.get("format")
        if written != FORMAT:
            raise ValueError(
                f"{self.path} was written in format {written} by dmn_keras {content.get('dmn_keras')}; "
                f"this is dmn_keras {__version__}, which reads format {FORMAT}. Nothing was changed."
            )
        try:
            return Recipe(
                dataset=content["dataset"],
                dataset_config=content["dataset_config"],
                tasks=tuple(content["tasks"]),
                config=Config.from_dict(content["config"]),
                vocabulary=tuple(content["vocabulary"]),
                answer_words=content["answer_words"],
                answers=tuple(content.get("answers", ())),
            )
        except KeyError as error:
            raise ValueError(f"{self.config} is damaged: it lacks {error}. Nothing was changed.") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"{self.config} is damaged: {error} Nothing was changed.") from error

    def load(self):
        """Read the trained model.

        Returns:
            The Keras model, its `Vocabulary`, and the `Recipe`.

        Raises:
            FileNotFoundError: If the folder holds no run, or one that has not saved a model yet.
            ValueError: If a file is damaged or of another format.
        """
        recipe = self.recipe()
        if not self.model.exists():
            raise FileNotFoundError(
                f"{self.path} has no model.keras yet: the run is not finished (see train --resume)."
            )
        # Registers what a saved model is made of.
        import dmn_keras.losses
        import dmn_keras.metrics
        import dmn_keras.models  # noqa: F401

        try:
            model = keras.models.load_model(self.model)
        except Exception as error:  # zip, HDF5 and JSON readers each raise their own
            raise ValueError(f"{self.model} cannot be read, it is damaged: {error}. Nothing was changed.") from error
        return model, Vocabulary(recipe.vocabulary, recipe.answers), recipe

    def save_model(self, model):
        """Write `model.keras`, atomically."""
        with atomic(self.model) as path:
            model.save(path)

    def save_best_weights(self, model):
        """Write `best.weights.h5`, atomically."""
        with atomic(self.best_weights) as path:
            model.save_weights(path)


WRITING = ".writing-"
"""What the name of a folder begins with that `atomic` writes in; a process that was killed leaves one."""


class atomic:  # noqa: N801 - reads as a verb: with atomic(path) as temporary
    """Context: a temporary path of the same suffix that takes the place of `path` at the end, if nothing failed."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def __enter__(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=WRITING, dir=self.path.parent))
        return self.folder / self.path.name

    def __exit__(self, kind, error, traceback):
        if kind is None:
            os.replace(self.folder / self.path.name, self.path)
        shutil.rmtree(self.folder, ignore_errors=True)


def write_json(path, content):
    """Write `content` as indented JSON, atomically."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(path):
    """Read a JSON file.

    Raises:
        ValueError: If it is damaged; the message names the file.
    """
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged: {error}. Nothing was changed.") from error
