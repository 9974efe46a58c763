"""The folder of a search."""

import pathlib
from typing import Any

from dmn_keras.training.run_folder import RunFolder
from dmn_keras.utils.files import read_json
from dmn_keras.utils.folder import Folder

ENDED = {"COMPLETED": "done", "FAILED": "failed"}
"""keras-tuner's words for trials that have ended, and those of the table; any other trial was cut off."""


class SearchFolder(Folder):
    """Paths of one search.

    - `search.json`: what is searched: data, space, tuner, seeds; versions that began it;
    - `time.json`: the used time;
    - `tuner/`: keras-tuner's files, a folder a trial;
    - `runs/TRIAL/seedN/`: run folders, one a trial and seed;
    - `workers/`: logs of the workers;
    - `trials.md`, `trials.png`, `best.json`, `best/`: what the search found.

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
        """Return the run folder of a seed; `first` is the trial with which the training began."""
        return self.runs / first / f"seed{seed}"

    def trial(self, trial_id: str) -> pathlib.Path:
        """Return keras-tuner's file of a trial."""
        return self.tuner / f"trial_{trial_id}" / "trial.json"

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
        if not self.oracle.exists():
            return None
        remedy = "remove it: the search then resumes from the files of its trials"
        return self._read(self.oracle, ("start_order", "end_order", "seed_state"), remedy)

    def _read(self, path, fields, remedy):
        try:
            content = read_json(path)
            missing = [name for name in fields if name not in content]
            damage = f"it lacks {', '.join(missing)}" if missing else None
        except (ValueError, TypeError) as error:
            damage = error.__cause__ or error
        if damage:
            raise self.damaged(f"{damage}. The other trials are intact: {remedy}, and give the command again", path)
        return content

    def check_same(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Raise if the folder holds another search.

        Args:
            settings: What is to be searched.

        Returns:
            The versions that began the search.

        Raises:
            ValueError: If one of the settings differs, or the record is damaged or of another format.
        """
        stored = self.read_record("settings", "versions")
        name = first_difference(stored["settings"], settings)
        if name is not None:
            expected, received = (str(_entry(of, name))[:300] for of in (stored["settings"], settings))
            raise ValueError(
                f"--output: {self.path} holds a search with another {name}. Expected: {expected}. Received: {received}. "
                "Give the same arguments to resume it, --overwrite to begin again, or another --output."
            )
        return stored["versions"]


def first_difference(one: dict, other: dict, path: str = "") -> str | None:
    """Return the dotted name of the first entry in which two dicts differ, `None` if they are equal."""
    for name in dict.fromkeys([*one, *other]):
        a, b = one.get(name), other.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            found = first_difference(a, b, f"{path}{name}.")
            if found is not None:
                return found
        elif a != b:
            return f"{path}{name}"
    return None


def _entry(content, path):
    for name in path.split("."):
        content = content.get(name) if isinstance(content, dict) else None
    return content
