"""The folder of a search."""

import pathlib
from typing import Any

from dmn_keras.training.run_folder import RunFolder
from dmn_keras.utils.files import read_json
from dmn_keras.utils.folder import Folder

STATUS = {"COMPLETED": "done", "FAILED": "failed"}
"""What keras-tuner calls trials that have ended, and the table; any other trial was cut off."""


class SearchFolder(Folder):
    """Paths of one search; `tuning/README.md` says what they hold.

    Args:
        path: The folder; it need not exist.
    """

    kind = "a search"
    writer = "tuning/search.py"
    record_name = "search.json"
    format = 2
    entries = ("search.json", "time.json", "tuner", "runs", "workers", "trials.md", "trials.png", "best.json", "best")

    def __init__(self, path):
        super().__init__(path)
        self.time = self.path / "time.json"
        self.tuner = self.path / "tuner"
        self.oracle = self.tuner / "oracle.json"
        self.runs = self.path / "runs"
        self.workers = self.path / "workers"
        self.table = self.path / "trials.md"
        self.picture = self.path / "trials.png"
        self.best = self.path / "best.json"
        self.model = RunFolder(self.path / "best")

    def run(self, first: str, seed: int) -> pathlib.Path:
        """Return the run folder of a seed; `first` is the trial with which its training began."""
        return self.runs / first / f"seed{seed}"

    def trials(self) -> dict[str, dict]:
        """Return the content of keras-tuner's file of each trial by id, in the order in which they began.

        Raises:
            ValueError: If one is damaged; the message says what to do.
        """
        trials = {}
        for path in self.tuner.glob("trial_*/trial.json"):
            remedy = f"remove {path.parent}: the trial then counts as failed"
            content = self._read(path, ("trial_id", "status", "hyperparameters", "score"), remedy)
            trials[content["trial_id"]] = content
        return dict(sorted(trials.items(), key=lambda item: int(item[0])))

    def oracle_state(self) -> dict | None:
        """Return the content of keras-tuner's state, `None` if there is none.

        Raises:
            ValueError: If it is damaged; the message says what to do.
        """
        remedy = "remove it: the search then resumes from the files of its trials"
        return self._read(self.oracle, ("start_order", "end_order"), remedy) if self.oracle.exists() else None

    def _read(self, path, fields, remedy):
        try:
            content = read_json(path)
            missing = [name for name in fields if name not in content]
            damage = f"it lacks {', '.join(missing)}" if missing else None
        except (ValueError, TypeError) as error:
            damage = error.__cause__ or error
        if damage:
            raise self.damaged(f"{damage}. The other trials are intact; {remedy}, and give the command again", path)
        return content

    def check_same(self, settings: dict[str, Any]) -> None:
        """Raise if the folder holds another search.

        Raises:
            ValueError: If one of the settings differs, or the record is damaged or of another format.
        """
        stored = self.read_record(*settings)
        for name, value in settings.items():
            if stored[name] != value:
                raise ValueError(
                    f"--output: {self.path} holds a search with another {name}. Expected: {str(stored[name])[:300]}. "
                    f"Received: {str(value)[:300]}. Give the same arguments to resume it, --overwrite to begin again, "
                    "or another --output."
                )
