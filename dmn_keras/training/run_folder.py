"""The folder of a training run: a preset, and what training leaves beside it."""

import dataclasses
import os
import shutil
from typing import Any

from dmn_keras.datasets.registry import DATASETS
from dmn_keras.datasets.source import Source
from dmn_keras.errors import unknown_name
from dmn_keras.tasks.preset import PresetFolder, load_weights
from dmn_keras.utils.files import read_json


class RunFolder(PresetFolder):
    """Paths and files of one run, besides those of a `PresetFolder`.

    - `metrics.json`: the errors of the best model;
    - `history.json`: losses, metrics, seconds and seconds of CPU of each epoch;
    - `best.weights.h5`, `backup/`: what a run resumes from. They stay as long as the run can be resumed, also after
      Ctrl-C or the last of its epochs, and are removed once it is solved or out of patience;
    - `logs/`: TensorBoard.

    Args:
        path: The folder; it need not exist.
    """

    kind = "a run"
    entries = (*PresetFolder.entries, "metrics.json", "history.json", "best.weights.h5", "backup", "logs")

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        self.best_weights = self.path / "best.weights.h5"
        self.metrics, self.history = self.path / "metrics.json", self.path / "history.json"
        self.backup, self.logs = self.path / "backup", self.path / "logs"

    def found(self) -> list["RunFolder"]:
        """Return the runs in this folder: itself, or those in its subfolders, in the order of their tasks."""
        if self.exists():
            return [self]
        runs = [RunFolder(path.parent) for path in self.path.glob("*/config.json")]
        return sorted(runs, key=lambda run: (len(run.path.name), run.path.name))

    def refuse_existing(self) -> None:
        """Raise `FileExistsError` if there is a run in this folder or its subfolders."""
        if self.found():
            raise FileExistsError(
                f"{self.found()[0].path} holds a run already. Resume it, overwrite it or choose another output folder."
            )

    def runs(self) -> list["RunFolder"]:
        """Return the runs in this folder, as `found` does; raise `FileNotFoundError` if there is none."""
        if runs := self.found():
            return runs
        raise self.missing()

    def read_record(self, *fields: str) -> dict[str, Any]:
        if not self.exists() and (runs := self.found()):
            names = ", ".join(run.path.name for run in runs)
            raise ValueError(f"{self.path} holds a run for each task: expected the folder of one of them ({names}).")
        return super().read_record(*fields)

    def source(self) -> Source:
        """Return the data that the run was trained on.

        Raises:
            FileNotFoundError: If the folder holds no run.
            ValueError: If the record is damaged, or names no data or an unknown dataset.
        """
        content = self.read_record().get("source")
        if content is None:
            raise ValueError(f"{self.path} does not name the data that it was trained on.")
        try:
            source = Source(**content)
        except TypeError as error:
            raise self.damaged(str(error).removesuffix(".")) from error
        if source.dataset not in DATASETS:
            raise self.damaged(unknown_name("dataset", source.dataset, DATASETS).removesuffix("."))
        return source

    def create(self, task: Any, source: Source) -> None:
        """Create the folder and write its `config.json`."""
        directory = None if source.data_dir is None else os.path.abspath(source.data_dir)
        self.write_task(task, source=dataclasses.replace(source, data_dir=directory).to_dict())

    def remove_backup(self) -> None:
        """Remove what a finished run does not need any more."""
        self.best_weights.unlink(missing_ok=True)
        shutil.rmtree(self.backup, ignore_errors=True)

    def load_best_weights(self, task: Any) -> None:
        """Load `best.weights.h5` into a task; raise `ValueError` if the file is missing or damaged."""
        load_weights(task.network, self.best_weights, self)

    def read_history(self) -> list[dict[str, float]]:
        """Return the epochs of `history.json`; empty without the file.

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

    def read_metrics(self) -> dict[str, Any] | None:
        """Return the content of `metrics.json`; `None` without the file.

        Raises:
            ValueError: If the file is damaged.
        """
        metrics = read_json(self.metrics) if self.metrics.exists() else None
        if metrics is not None and not (isinstance(metrics, dict) and {"tasks", "status"} <= metrics.keys()):
            raise self.damaged("expected an object with tasks and status", self.metrics)
        return metrics


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)
