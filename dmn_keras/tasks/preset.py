"""A task in a folder: its configuration, its preprocessor and its weights."""

import os
import pathlib
import zipfile
from typing import Any, ClassVar, Self

import keras
import numpy as np

from dmn_keras.errors import did_you_mean
from dmn_keras.tasks.config import RunConfig
from dmn_keras.tasks.pretrained import PRETRAINED, pretrained_folder
from dmn_keras.tasks.registry import TASKS, task_class
from dmn_keras.utils.files import atomic, check_regular_file
from dmn_keras.utils.folder import Folder


class PresetFolder(Folder):
    """Paths and files of one task.

    - `config.json`: the class of the task, its `RunConfig`, its preprocessor, and the data it was trained on;
    - `model.weights.h5`: the weights of its network;
    - `calibration.json`: the calibration of its probabilities, if it was measured.

    Args:
        path: The folder; it need not exist.
    """

    kind = "a run or a preset"
    writer = "dmn-keras train"
    record_name = "config.json"
    format = 2
    entries: ClassVar[tuple[str, ...]] = ("config.json", "model.weights.h5", "calibration.json")

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        self.config = self.record
        self.model = self.path / "model.weights.h5"
        self.calibration = self.path / "calibration.json"

    @classmethod
    def find(cls, name: str | os.PathLike | None = None) -> Self:
        """Return the folder of this path, or of the pretrained model of this name, by default the first of them.

        Raises:
            FileNotFoundError: If there is neither; the message suggests the nearest name.
            NotADirectoryError: If it is a file.
        """
        if name is None:
            return cls(pretrained_folder())
        folder = pathlib.Path(name)
        if folder.is_dir():
            return cls(folder)
        expected = f"expected a folder that `dmn-keras train` or save_to_preset wrote, or {' or '.join(PRETRAINED)}"
        if folder.exists():
            raise NotADirectoryError(f"{folder} is a file: {expected}.")
        if str(folder) in PRETRAINED:  # also with a slash behind it
            return cls(pretrained_folder(str(folder)))
        beside = [str(config.parent) for config in folder.parent.glob("*/config.json")]
        raise FileNotFoundError(f"{folder} does not exist: {expected}.{did_you_mean(folder, [*PRETRAINED, *beside])}")

    def save(self, task: Any, **content: Any) -> None:
        """Write a task; the record comes last, so that a folder with one is whole.

        Raises:
            FileExistsError: If the folder holds what is no preset.
            NotADirectoryError: If it is a file.
        """
        network = task.network
        self.refuse_foreign()
        if self.exists():
            self.read_record("task")  # another program's config.json is none of a preset
        self.path.mkdir(parents=True, exist_ok=True)
        save_weights(network, self.model)
        (self.path / "metrics.json").unlink(missing_ok=True)  # of the weights that were replaced
        task.save_extras(self)
        self.write_task(task, **content)

    def write_task(self, task: Any, **content: Any) -> None:
        """Write the record of a task; creates the folder."""
        self.write_record(
            task=type(task).__name__,
            config=task.config.to_dict(),
            preprocessor=task.preprocessor.get_config(),
            **content,
        )

    def task_class(self) -> Any:
        """Return the class of the task.

        Raises:
            FileNotFoundError: If the folder holds no task.
            ValueError: If the class is unknown.
        """
        name = self.read_record("task")["task"]
        if not isinstance(name, str):
            raise self.damaged(f"task must be the name of a class. Received: {name!r}")
        if name not in TASKS:
            unknown = f"{self.path} holds a {name}, which is no task of this package: open it with its class."
            raise self.written_later() or ValueError(unknown)
        return task_class(name)

    def read_config(self) -> RunConfig:
        """Return the configuration of a task of this package; raises as `read_task` does."""
        try:
            return self.task_class().default_config.replace(self.read_record("config")["config"])
        except (ValueError, TypeError) as error:
            raise self.damaged(str(error).removesuffix(".")) from error

    def read_task(self, expected: Any = None) -> Any:
        """Return the task, its weights not loaded yet.

        Args:
            expected: The class that is expected, or a base class of it; by default that of the folder.

        Raises:
            FileNotFoundError: If the folder holds no task.
            ValueError: If the record is damaged, of another format, or of another task class.
        """
        content = self.read_record("task", "config", "preprocessor")
        if expected is None or expected.__name__ != content["task"]:
            found = self.task_class()
            if expected is not None and not issubclass(found, expected):
                raise ValueError(
                    f"{self.path} holds a {content['task']} and no {expected.__name__}: "
                    f"{content['task']}.from_preset opens it, and `dmn-keras predict`."
                )
            expected = found
        try:
            config = expected.default_config.replace(content["config"])
            preprocessor = expected.preprocessor_class.from_config(content["preprocessor"])
            if not preprocessor.is_adapted:
                raise ValueError("its preprocessor holds no vocabulary")
            task = expected(config, preprocessor=preprocessor)
            task.build()
            return task
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self.damaged(str(error).removesuffix(".")) from error

    def load(self, expected: Any = None) -> Any:
        """Return the task with its weights.

        Raises:
            FileNotFoundError: If the folder holds no task, or one without weights yet.
            ValueError: If a file is damaged or of another format, the weights are not those of the configuration, or
                one of them is NaN or infinite.
        """
        task = self.read_task(expected)
        if not self.model.exists():
            raise FileNotFoundError(f"{self.path} has no {self.model.name}: a run is not finished yet (resume it).")
        check_regular_file(self.model)
        load_weights(task.network, self.model, self)
        for weight in task.network.weights:
            if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
                raise self.damaged(f"the weight {weight.path} holds numbers that are NaN or infinite", self.model)
        task.load_extras(self)
        return task


def save_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Write the weights of a model, and the state of its optimizer, as HDF5, atomically.

    The HDF5 library ends the process where the disk is full. In a `.keras` archive Keras makes the same file in memory,
    so it is written as one, and taken out.
    """
    with atomic(path) as temporary:
        archive = temporary.with_name("model.keras")
        model.save(archive)
        with zipfile.ZipFile(archive) as files:
            temporary.write_bytes(files.read("model.weights.h5"))
        archive.unlink()


def load_weights(model: keras.Model, path: pathlib.Path, folder: Folder) -> None:
    """Load weights that `save_weights` wrote; raise `ValueError` if the file is damaged or of another model."""
    try:
        model.load_weights(path)
    except Exception as error:  # HDF5 and Keras each raise their own
        raise folder.damaged(f"it cannot be read ({' '.join(str(error).split())[:300]})", path) from error
