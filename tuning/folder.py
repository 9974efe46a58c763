"""A search's folder: what lies where, what the search was begun with, and files that cannot be read."""

import hashlib
import importlib.metadata
import json
import pathlib
import shutil

from dmn_keras.utils.files import read_json, write_json

FORMAT = 1


class SearchFolder:
    """Paths of one search.

    - `search.json`: what the search is: data, space, tuner, seeds, and the versions that began it;
    - `clock.json`: the time used;
    - `tuner/`: keras-tuner's own files, a folder a trial;
    - `runs/TRIAL/seedN/`: run folders, one for each trial and seed;
    - `workers/`: who works, and their logs;
    - `compiled/`: what JAX compiled, see `tuning.compiled`;
    - `trials.md`, `trials.png`, `best.json`, `best/`: what the search found.

    Args:
        path: The folder; it need not exist.
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.search = self.path / "search.json"
        self.clock = self.path / "clock.json"
        self.tuner = self.path / "tuner"
        self.runs = self.path / "runs"
        self.workers = self.path / "workers"
        self.compiled = self.path / "compiled"
        self.table = self.path / "trials.md"
        self.picture = self.path / "trials.png"
        self.best = self.path / "best.json"
        self.model = self.path / "best"

    def exists(self):
        """Return whether the folder holds a search."""
        return self.search.exists()

    def run(self, root, seed):
        """Return the run folder of a trial and a seed; `root` is the trial that its training began with."""
        return self.runs / root / f"seed{seed}"

    def remove(self):
        """Remove the files of a search, and nothing else that may lie in the folder."""
        for path in self._folders:
            shutil.rmtree(path, ignore_errors=True)
        for path in (self.clock, self.table, self.picture, self.best, self.search):  # what tells that it is one, last
            path.unlink(missing_ok=True)

    def refuse_foreign(self):
        """Raise if the folder holds what a search would write into, and no search.

        Raises:
            FileExistsError: If so.
        """
        for path in self._folders:
            if path.exists():
                raise FileExistsError(f"{path} is there already, and no search wrote it: choose another --output.")

    @property
    def _folders(self):
        return self.tuner, self.runs, self.workers, self.compiled, self.model

    def create(self, settings, versions):
        """Make the folder and write down what the search is."""
        write_json(self.search, {"format": FORMAT, "settings": settings, "versions": versions})

    def check_same(self, settings, what="--output"):
        """Raise if the search in this folder is another one.

        Args:
            settings: What `search_settings` returned.
            what: What to begin the message with.

        Raises:
            ValueError: If one of them differs, or the folder was written in another format.
        """
        stored = read_json(self.search)
        whole = isinstance(stored, dict) and stored.get("format") == FORMAT
        if not whole or not {"settings", "versions"} <= stored.keys():
            raise ValueError(f"{self.search} is damaged or was written by another version. Nothing was changed.")
        given = json.loads(json.dumps(settings))
        name = first_difference(stored["settings"], given)
        if name is not None:
            raise ValueError(
                f"{what}: {self.path} holds a search with another {name}. "
                f"Expected: {_shown(stored['settings'], name)}. Received: {_shown(given, name)}. "
                "Give the same arguments to go on with it, --overwrite to begin anew, or another --output."
            )

    def versions(self):
        """Return the versions that began the search."""
        return read_json(self.search)["versions"]

    def check_files(self):
        """Read every file of keras-tuner's and raise if one is damaged; nothing is changed.

        Raises:
            ValueError: If one is; the message names it and says what to do.
        """
        for path in sorted(self.tuner.glob("trial_*/trial.json")):
            self._check_file(
                path,
                ("trial_id", "status", "hyperparameters", "score"),
                f"remove {path.parent}: the trial then counts as failed",
            )
        self._check_file(
            self.tuner / "oracle.json",
            ("start_order", "end_order"),
            "remove it: the search then goes on from the files of its trials",
        )

    def _check_file(self, path, needed, remedy):
        if not path.exists():
            return
        try:
            content = read_json(path)
            missing = [name for name in needed if name not in content]
            damage = f"it lacks {', '.join(missing)}" if missing else None
        except (ValueError, TypeError) as error:
            damage = str(error.__cause__ or error)
        if damage:
            raise ValueError(
                f"{path} is damaged: {damage}. Nothing was changed and the other trials are whole. "
                f"Put the file back from a copy, or {remedy}. Then give the same command again."
            )


def first_difference(one, other, path=""):
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


def _shown(settings, path):
    value = settings
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return json.dumps(value)[:300]


def search_settings(source, questions, space, **others):
    """Return what makes a search itself, for `SearchFolder`.

    Args:
        source: The `Source`. Where its files lie plays no part.
        questions: The training and validation questions, of which a checksum is kept.
        space: The `Space`.
        **others: Further settings.

    Returns:
        Dict that JSON can hold.
    """
    return {
        "dataset": source.dataset,
        "config": source.config,
        "tasks": list(source.tasks),
        "questions": hashlib.sha256(repr(questions).encode()).hexdigest()[:16],
        "space": space.describe(),
        **others,
    }


def search_versions():
    """Return the versions that matter to a search."""
    from dmn_keras.training.evaluation import versions

    return {**versions(), "keras-tuner": importlib.metadata.version("keras-tuner")}
