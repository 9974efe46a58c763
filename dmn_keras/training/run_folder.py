"""The folder of a training run: its files, written atomically, and read back with clear errors."""

import dataclasses
import shutil
import zipfile

import keras
import numpy as np

from dmn_keras.text import Vocabulary
from dmn_keras.training.config import Config
from dmn_keras.utils.files import atomic, check_regular_file, read_json
from dmn_keras.utils.folder import Folder


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
        data_dir: Absolute path of the data, `None` where it has none.
        answers: Answers of the training data as it writes them, as in `Vocabulary`; none of older runs.
    """

    dataset: str
    dataset_config: str | None
    tasks: tuple[str, ...]
    config: Config
    vocabulary: tuple[str, ...]
    answer_words: int | None
    data_dir: str | None = None
    answers: tuple[str, ...] = ()


class RunFolder(Folder):
    """Paths and files of one run.

    - `config.json`: the `Recipe`, the format and the version that wrote it;
    - `model.keras`: the best model;
    - `metrics.json`: its errors;
    - `history.json`: losses, metrics, seconds and seconds of CPU of each epoch;
    - `calibration.json`: the calibration of its probabilities, if it was measured;
    - `best.weights.h5`, `backup/`: what a run resumes from. They stay as long as the run can be resumed, also after
      Ctrl-C or the last of its epochs, and are removed once it is solved or out of patience;
    - `logs/`: TensorBoard.

    Args:
        path: The folder; it need not exist.
    """

    kind = "a run"
    writer = "dmn-keras train"
    record_name = "config.json"
    entries = (
        *("config.json", "model.keras", "metrics.json", "history.json", "calibration.json", "best.weights.h5"),
        *("backup", "logs"),
    )

    def __init__(self, path):
        super().__init__(path)
        self.config = self.record
        self.model, self.best_weights = self.path / "model.keras", self.path / "best.weights.h5"
        self.metrics, self.history = self.path / "metrics.json", self.path / "history.json"
        self.calibration = self.path / "calibration.json"
        self.backup, self.logs = self.path / "backup", self.path / "logs"

    def found(self):
        """Return the runs in this folder: itself, or those in its subfolders, in the order of their tasks."""
        if self.exists():
            return [self]
        runs = [RunFolder(path.parent) for path in self.path.glob("*/config.json")]
        return sorted(runs, key=lambda run: (len(run.path.name), run.path.name))

    def refuse_existing(self):
        """Raise `FileExistsError` if there is a run in this folder or its subfolders."""
        if self.found():
            raise FileExistsError(
                f"{self.found()[0].path} holds a run already. "
                "Resume it (--resume), replace it (--overwrite) or choose another --output."
            )

    def runs(self):
        """Return the runs in this folder, as `found` does; raise `FileNotFoundError` if there is none."""
        if runs := self.found():
            return runs
        raise self.missing()

    def create(self, recipe):
        """Create the folder and write its `config.json`."""
        self.write_record(**dataclasses.asdict(recipe))

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
        content = {**_OPTIONAL, **self.read_record(*(_FIELDS.keys() - _OPTIONAL.keys()))}
        for name, (fits, expected) in _FIELDS.items():
            if not fits(content[name]):
                raise self.damaged(f"{name} must be {expected}")
        try:
            Vocabulary(content["vocabulary"])
            config = Config.from_dict(content["config"])
        except ValueError as error:
            raise self.damaged(str(error).removesuffix(".")) from error
        texts = {name: tuple(content[name]) for name in ("tasks", "vocabulary", "answers")}
        return Recipe(**{name: content[name] for name in _FIELDS} | texts | {"config": config})

    def load(self):
        """Read the trained model.

        Returns:
            The Keras model, its `Vocabulary`, and the `Recipe`.

        Raises:
            FileNotFoundError: If the folder holds no run, or one that has not saved a model yet.
            ValueError: If a file is damaged or of another format, the model is not that of `config.json`, or a weight
                is NaN or infinite.
        """
        recipe = self.recipe()
        if not self.model.exists():
            raise FileNotFoundError(
                f"{self.path} has no model.keras yet: the run is not finished (see train --resume)."
            )
        check_regular_file(self.model)
        from dmn_keras import losses, metrics, models  # noqa: F401, registers what a saved model is made of

        try:
            model = keras.models.load_model(self.model)
        except Exception as error:  # zip, HDF5 and JSON readers each raise their own
            raise self.damaged(f"it cannot be read ({_line(error)})", self.model) from error
        if difference := _difference(model, recipe):
            raise self.damaged(f"it does not fit {self.model.name}, {difference}")
        for weight in model.weights:
            if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
                raise self.damaged(f"the weight {weight.path} holds numbers that are NaN or infinite", self.model)
        return model, Vocabulary(recipe.vocabulary, recipe.answers), recipe

    def save_model(self, model):
        """Write `model.keras`, atomically."""
        with atomic(self.model) as path:
            model.save(path)

    def save_weights(self, model, path):
        """Write the weights of a model, and the state of its optimizer, as HDF5, atomically.

        The HDF5 library ends the process where the disk is full. In a `.keras` archive Keras makes the same file in
        memory, so it is written as one, and taken out.
        """
        with atomic(path) as temporary:
            archive = temporary.with_name("model.keras")
            model.save(archive)
            with zipfile.ZipFile(archive) as files:
                temporary.write_bytes(files.read("model.weights.h5"))
            archive.unlink()

    def load_best_weights(self, model):
        """Load `best.weights.h5` into a model.

        Raises:
            ValueError: If the file is missing or damaged.
        """
        try:
            model.load_weights(self.best_weights)
        except (OSError, KeyError, ValueError) as error:
            raise self.damaged(f"it cannot be read ({_line(error)})", self.best_weights) from error

    def read_history(self):
        """Return the epochs of `history.json`, a list of dicts; empty without the file.

        Raises:
            ValueError: If the file is damaged.
        """
        history = read_json(self.history) if self.history.exists() else []
        if not isinstance(history, list) or not all(
            isinstance(epoch, dict) and all(_is_number(epoch.get(name)) for name in ("val_error", "val_loss"))
            for epoch in history
        ):
            raise self.damaged("expected a list of epochs with val_error and val_loss", self.history)
        return history

    def read_metrics(self):
        """Return the content of `metrics.json`, a dict; `None` without the file.

        Raises:
            ValueError: If the file is damaged.
        """
        metrics = read_json(self.metrics) if self.metrics.exists() else None
        if metrics is not None and not (isinstance(metrics, dict) and {"tasks", "status"} <= metrics.keys()):
            raise self.damaged("expected an object with tasks and status", self.metrics)
        return metrics


def _is_text(value):
    return isinstance(value, str)


def _is_list_of_texts(value):
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


_FIELDS = {
    "dataset": (_is_text, "a string"),
    "dataset_config": (lambda value: value is None or _is_text(value), "a string or null"),
    "data_dir": (lambda value: value is None or _is_text(value), "a string or null"),
    "tasks": (_is_list_of_texts, "a list of strings"),
    "config": (lambda value: isinstance(value, dict), "an object"),
    "vocabulary": (_is_list_of_texts, "a list of strings"),
    "answer_words": (lambda value: value is None or (type(value) is int and value > 0), "a positive integer or null"),
    "answers": (_is_list_of_texts, "a list of strings"),
}
"""Of each field of `config.json` what its value must be."""

_OPTIONAL = {"data_dir": None, "answers": []}
"""Fields that earlier versions of the same format did not write."""


def _difference(model, recipe):
    """Return in what a loaded model is not that of a `Recipe`, as text; empty if it is.

    Settings of the layers that have the names of those of `Config` are compared, and the sizes.
    """
    from dmn_keras.models.dmn import NARROWING

    layers = {layer.name: layer for layer in model.layers}
    if not {"semantic_memory", "episodic_memory", "answer_decoder"} <= layers.keys():
        return "which is not a Dynamic Memory Network"
    config = recipe.config.to_dict()
    narrowing, vocabulary_size = layers.get(NARROWING), len(Vocabulary(recipe.vocabulary))
    compared = {
        "the size of the vocabulary": (vocabulary_size, layers["semantic_memory"].input_dim),
        "answer_words": (recipe.answer_words, layers["answer_decoder"].max_words),
        "fact_level": (config["fact_level"], "sentence" if len(model.input["story"].shape) == 3 else "word"),
        "narrow_to": (config["narrow_to"], None if narrowing is None else narrowing.top_facts),
        **{
            name: (config[name], value)
            for name, value in layers["episodic_memory"].get_config().items()
            if name in config and name not in ("gate_features", "dtype")
        },
    }
    for name, (expected, received) in compared.items():
        if expected != received:
            return f"in which {name} is {received!r}, not {expected!r}"
    return ""


def _line(error):
    return " ".join(str(error).split())[:300]
