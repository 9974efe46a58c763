"""Where the files of the bAbI archive are, packed or unpacked, and how one is read."""

import functools
import re

from dmn_keras.datasets.babi.parser import parse
from dmn_keras.datasets.checks import check_data_dir, check_name, missing_files
from dmn_keras.errors import unknown_name
from dmn_keras.utils.archives import tar_files
from dmn_keras.utils.files import check_regular_file

CONFIGS = ("en", "en-10k", "en-valid", "en-valid-10k", "hn", "hn-10k", "shuffled", "shuffled-10k")
DEFAULT_CONFIG = "en-10k"
TITLES = {
    "1": "Single supporting fact",
    "2": "Two supporting facts",
    "3": "Three supporting facts",
    "4": "Two argument relations",
    "5": "Three argument relations",
    "6": "Yes/no questions",
    "7": "Counting",
    "8": "Lists/sets",
    "9": "Simple negation",
    "10": "Indefinite knowledge",
    "11": "Basic coreference",
    "12": "Conjunction",
    "13": "Compound coreference",
    "14": "Time reasoning",
    "15": "Basic deduction",
    "16": "Basic induction",
    "17": "Positional reasoning",
    "18": "Size reasoning",
    "19": "Path finding",
    "20": "Agent's motivations",
}
"""The tasks' titles in the paper."""

TASKS = tuple(TITLES)
FOLDER_NAME = "tasks_1-20_v1-2"
ARCHIVE_NAME = f"{FOLDER_NAME}.tar.gz"
_EXPECTED = f"the archive {ARCHIVE_NAME}, a folder that holds it, or the unpacked folder {FOLDER_NAME}"

# "qa1_single-supporting-fact_train.txt", and "qa1_train.txt" in the configs with a validation part.
_FILE_NAME = re.compile(r"qa([0-9]+)(?:_.+)?_(train|valid|test)\.txt")


def splits(config):
    """Return the names of the parts a config has.

    Args:
        config: One of `CONFIGS`.

    Returns:
        `("train", "valid", "test")` for `en-valid` and `en-valid-10k`, `("train", "test")` for the others.

    Raises:
        ValueError: If `config` is not one of `CONFIGS`.
    """
    check_name("config", config, CONFIGS)
    return ("train", "valid", "test") if config.startswith("en-valid") else ("train", "test")


def load(data_dir, *, config=DEFAULT_CONFIG, task, split):
    """Read the questions of one task and split.

    Args:
        data_dir: Path of the archive, of a folder that holds it (`tasks_1-20_v1-2.tar.gz`, or another
            `.tar.gz` if there is just one), of the unpacked folder `tasks_1-20_v1-2`, of its parent, or of a
            folder with the config's files directly inside. The archive is read without unpacking it, whatever
            its checksum; the files of the config read last are kept in memory.
        config: One of `CONFIGS`.
        task: One of `TASKS`, `"1"` to `"20"`; a number is taken too.
        split: One of `splits(config)`.

    Returns:
        A list of `Example` in the file's order, as `parse` gives them.

    Raises:
        FileNotFoundError: If `data_dir`, the config in it, or the task's file is not there.
        ValueError: If `config`, `task` or `split` is unknown, the archive is damaged, or a file is malformed
            or has no question.
    """
    for argument, value, expected in (("split", split, splits(config)), ("task", str(task), TASKS)):
        if value not in expected:
            raise ValueError(f"{unknown_name(argument, value, expected)} (bAbI config {config!r})")
    files, read = _find_files(data_dir, config)
    if (str(task), split) not in files:
        raise FileNotFoundError(
            f"data_dir {str(data_dir)!r}, config {config!r} has no file of task {task}, split {split!r}, such "
            f"as 'qa{task}_{split}.txt'. Files found: {', '.join(files.values())}."
        )
    path, content = read(files[str(task), split])
    examples = parse(content.split(b"\n"), source=path, task=str(task))
    if not examples:
        raise ValueError(f"{path}: expected at least one question, found none.")
    return examples


def available_tasks(data_dir, *, config=DEFAULT_CONFIG, split):
    """Return the tasks whose files are there.

    Args:
        data_dir: As in `load`.
        config: One of `CONFIGS`.
        split: One of `splits(config)`.

    Returns:
        The names of the tasks in the order of their numbers; empty if there is none of this split.

    Raises:
        FileNotFoundError: If `data_dir`, or the config in it, is not there.
        ValueError: If `config` or `split` is unknown, or the archive is damaged.
    """
    check_name("split", split, splits(config))
    files, _ = _find_files(data_dir, config)
    return tuple(task for task in TASKS if (task, split) in files)


def _find_files(data_dir, config):
    """Return `{(task, split): file name}`, and a function of a file's name that returns its path and its bytes."""
    data_dir = check_data_dir(data_dir, _EXPECTED)
    if not data_dir.is_dir():
        check_regular_file(data_dir)
        return _archive_files(data_dir, config)
    roots = (data_dir, data_dir / FOLDER_NAME)
    for folder in (*(root / config for root in roots), data_dir):
        files = _folder_files(folder)
        name = folder.resolve().name
        if files and folder == data_dir and name in CONFIGS and name != config:  # its numbers would bear the wrong name
            raise FileNotFoundError(f"data_dir {str(folder)!r}: {unknown_name('config', config, [name])}")
        if files:
            return files, lambda name, folder=folder: (str(folder / name), (folder / name).read_bytes())
    archive = _archive_in(data_dir)
    if archive is not None:
        return _archive_files(archive, config)
    configs = [name for name in CONFIGS for root in roots if _folder_files(root / name)]
    if configs:
        raise FileNotFoundError(f"data_dir {str(data_dir)!r}: {unknown_name('config', config, configs)}")
    raise missing_files(data_dir, _EXPECTED)


def _folder_files(folder):
    return _index((path.name for path in folder.iterdir() if path.is_file()), folder) if folder.is_dir() else {}


def _index(names, where):
    """Return `{(task, split): file name}` of the bAbI files among some names."""
    files = {}
    for name in sorted(names):
        match = _FILE_NAME.fullmatch(name)
        if match is None or match[1] not in TASKS:
            continue
        if match.groups() in files:
            other = files[match.groups()]
            raise ValueError(f"{where}: expected one file a task and split. Received: {other}, {name}.")
        files[match.groups()] = name
    return files


def _archive_in(folder):
    """Return the archive in a folder, or None if there is none."""
    if (folder / ARCHIVE_NAME).is_file():
        return folder / ARCHIVE_NAME
    found = sorted(path for pattern in ("*.tar.gz", "*.tgz") for path in folder.glob(pattern))
    if len(found) > 1:
        raise FileNotFoundError(
            f"data_dir {str(folder)!r}: expected {ARCHIVE_NAME} or one archive. "
            f"Received: {', '.join(path.name for path in found)}."
        )
    return found[0] if found else None


def _archive_files(path, config):
    status = path.stat()
    contents, configs = _read_archive(path, config, (status.st_mtime_ns, status.st_size))
    if not configs:
        raise FileNotFoundError(f"data_dir {str(path)!r} is an archive without bAbI files. Expected {_EXPECTED}.")
    if not contents:
        raise FileNotFoundError(f"data_dir {str(path)!r}: {unknown_name('config', config, configs)}")
    where = f"{path}/{config}"
    return _index(contents, where), lambda name: (f"{where}/{name}", contents[name])


@functools.lru_cache(maxsize=1)
def _read_archive(path, config, _version):
    """Return a config's files as `{name: bytes}` and the names of all configs in the archive.

    A compressed archive can only be read from its start, so that all files of a config are read at once and
    kept: a second for 20 tasks, not one for each. `_version` makes a changed file a new one.
    """
    configs = set()

    def select(place):
        if place.parent.name in CONFIGS and _FILE_NAME.fullmatch(place.name):
            configs.add(place.parent.name)
            return place.parent.name == config
        return False

    contents = {place.name: content for place, content in tar_files(path, select)}
    return contents, tuple(name for name in CONFIGS if name in configs)
