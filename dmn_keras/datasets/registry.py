"""Datasets by name, and the tasks in each."""

import functools
import importlib
import pathlib
import re

from dmn_keras.datasets import babi, jsonl
from dmn_keras.errors import listing, unknown_name

DATASETS = ("babi", "babi_long", "stories", "jsonl")
SPLITS = ("train", "valid", "test")
STORIES_NUM_EXAMPLES = {"train": 5000, "valid": 500, "test": 1000}
STORIES_SIZES = ("num_facts", "num_people", "num_places", "num_objects")


def task_names(dataset, data_dir=None):
    """Return the names of a dataset's tasks.

    Args:
        dataset: One of `DATASETS`.
        data_dir: For `jsonl`, as in `load`; the others do not look at it.

    Returns:
        A tuple of names in the dataset's order: `"1"` to `"20"` for `babi` and `babi_long`; for `jsonl`
        the tasks that it names, in order of appearance, `("all",)` if it names none.

    Raises:
        FileNotFoundError: If a `jsonl` file is not there.
        ValueError: If `dataset` is unknown, `data_dir` is missing for `jsonl`, or a record is malformed.
    """
    _check("dataset", dataset, DATASETS)
    if dataset in ("babi", "babi_long"):
        return babi.TASKS
    if dataset == "stories":
        return tuple(_stories().TASKS)
    paths = [_jsonl_path(data_dir, split) for split in SPLITS]
    examples = (example for path in paths if path is not None for example in jsonl.load(path))
    return tuple(dict.fromkeys(example.task for example in examples))


def parse_tasks(text, names):
    """Return the tasks that a text such as `"1-3,7"` means.

    Args:
        text: Names and ranges of numbers, separated by commas, or `"all"`.
        names: The names there are, as `task_names` gives them.

    Returns:
        A tuple of names in the text's order, each once.

    Raises:
        ValueError: If a part is empty, no name, or a range that runs backwards or has an unknown end.
    """
    tasks = []
    for part in text.split(","):
        part = part.strip()
        bounds = re.fullmatch("([0-9]+)-([0-9]+)", part)
        if part in names:
            tasks.append(part)
        elif part == "all":
            tasks.extend(names)
        elif bounds:
            tasks.extend(_task_range(part, bounds, names))
        else:
            raise ValueError(unknown_name("tasks", part, names))
    return tuple(dict.fromkeys(tasks))


def load(dataset, *, task, split, data_dir=None, config=None, seed=0, num_examples=None):
    """Return the questions of one task and split of a dataset.

    - `babi`: read from `data_dir` (see `babi.load` for what it may be) or, without it, from the official
      archive, downloaded once through TensorFlow Datasets.
    - `babi_long`: the same, each story hidden among the sentences of books or of generated neighbours, which
      `config` names; `seed` chooses the places (see `babi_long.load`).
    - `stories`: generated, needs no file; `seed` chooses the stories, `config` their sizes.
    - `jsonl`: `data_dir` is a folder with `train.jsonl` and, optionally, `valid.jsonl` and `test.jsonl`, or
      one `.jsonl` file, which is the training part.

    Args:
        dataset: One of `DATASETS`.
        task: One of `task_names(dataset, data_dir)`.
        split: One of `SPLITS`.
        data_dir: Path of the data; see above.
        config: For `babi` one of `babi.CONFIGS`, `"en-10k"` if None. For `babi_long` the same, the length in
            tokens (1000 if not given) or a range to draw it from, and the hiding place:
            `"en-10k,tokens=0-2000,books=FOLDER"`, or `neighbours` in place of `books=FOLDER`. For `stories`
            the sizes to change from `stories.generate`'s defaults, e.g. `"num_facts=10-50,num_people=8"`: each a
            number or, for `num_facts`, a range to draw from. None for `jsonl`.
        seed: Integer, used by `stories` and `babi_long`.
        num_examples: Number of questions; None for all of a file, or `STORIES_NUM_EXAMPLES` of `stories`. Of
            a file it is the first ones, at most.

    Returns:
        A list of `Example`. Empty where the data has no such part: then a validation part is
        for the caller to cut from the training part, by `story_id`.

    Raises:
        ConnectionError: If bAbI has to be downloaded and cannot be.
        FileNotFoundError: If `data_dir` or the file in it is not there, or there are no books.
        ValueError: If a name is unknown, `num_examples` is not positive, or a file is malformed.
    """
    _check("dataset", dataset, DATASETS)
    _check("split", split, SPLITS)
    task, config = str(task), _config(dataset, config)
    if num_examples is not None and num_examples < 1:
        raise ValueError(f"num_examples must be a positive integer or None. Received: {num_examples}.")
    if dataset == "stories":
        stories = _stories()
        _check("task", task, tuple(stories.TASKS))
        count = num_examples or STORIES_NUM_EXAMPLES[split]
        return stories.generate(task, split=split, num_examples=count, seed=seed, **_story_sizes(config))
    if dataset == "babi":
        return _load_babi(data_dir, config=config, task=task, split=split)[:num_examples]
    if dataset == "babi_long":
        long = _babi_long().Config.parse(config)
        stories = _load_babi(data_dir, config=long.babi, task=task, split=split)[:num_examples]
        return _babi_long().load(stories, config=long, split=split, seed=seed)
    return _load_jsonl(data_dir, task=task, split=split)[:num_examples]


def _load_babi(data_dir, *, config, task, split):
    _check("task", task, babi.TASKS)
    if split not in babi.splits(config):
        return []
    return babi.load(data_dir or _babi_archive(), config=config, task=task, split=split)


def _load_jsonl(data_dir, *, task, split):
    _check("task", task, task_names("jsonl", data_dir))
    path = _jsonl_path(data_dir, split)
    return [] if path is None else [example for example in jsonl.load(path) if example.task == task]


def _check(argument, value, expected):
    if value not in expected:
        raise ValueError(unknown_name(argument, value, expected))


def _config(dataset, config):
    """Return the dataset's config after a check, its default for None."""
    if dataset == "babi_long":
        _babi_long().Config.parse(config)
    elif dataset == "babi":
        config = babi.DEFAULT_CONFIG if config is None else config
        _check("config", config, babi.CONFIGS)
    elif dataset == "stories":
        _story_sizes(config)
    elif config is not None:
        raise ValueError(f"config must be None for dataset {dataset!r}, which has none. Received: {config!r}.")
    return config


def _story_sizes(config):
    """Return the sizes in a config such as `"num_facts=10-50,num_people=8"` as keyword arguments."""
    sizes = {}
    for part in () if config is None else config.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        _check("config: size", name, STORIES_SIZES)
        bounds = re.fullmatch("([0-9]{1,9})(?:-([0-9]{1,9}))?", value)
        if bounds is None or (bounds[2] and name != "num_facts"):
            form = "a number or a range such as 10-50" if name == "num_facts" else "a number"
            raise ValueError(f"config: {name} must be {form}. Received: {part.strip()!r}.")
        sizes[name] = (int(bounds[1]), int(bounds[2])) if bounds[2] else int(bounds[1])
    return sizes


def _task_range(part, bounds, names):
    first, last = int(bounds[1]), int(bounds[2])
    if first > last:
        raise ValueError(f"tasks: a range must run upwards, e.g. '{last}-{first}'. Received: {part!r}.")
    for end in (first, last):
        if str(end) not in names:
            raise ValueError(f"{unknown_name('tasks', str(end), names)} It is an end of the range {part!r}.")
    return [name for name in map(str, range(first, last + 1)) if name in names]


def _babi_long():
    return importlib.import_module("dmn_keras.datasets.babi_long")


def _stories():
    return importlib.import_module("dmn_keras.datasets.stories")


@functools.cache
def _babi_archive():
    """Return the official archive, downloaded if need be."""
    try:
        from dmn_keras.datasets.babi import babi_qa
    except ImportError as error:
        raise ImportError(
            f"Downloading bAbI needs tensorflow_datasets: {error}. Pass --data-dir (data_dir) with a copy of it, or "
            "use the dataset 'stories', which needs none."
        ) from error
    return babi_qa.download()


def _jsonl_path(data_dir, split):
    """Return the file of a split, None if it is an optional one that is not there."""
    if data_dir is None:
        raise ValueError(
            "data_dir (--data-dir) is required for dataset 'jsonl': a folder with train.jsonl, or a .jsonl file."
        )
    data_dir = pathlib.Path(data_dir).expanduser()
    if data_dir.is_file():
        return data_dir if split == "train" else None
    path = data_dir / f"{split}.jsonl"
    if path.is_file():
        return path
    if split != "train" and data_dir.is_dir():
        return None
    found = f"it holds: {listing(data_dir)}" if data_dir.is_dir() else "it does not exist"
    raise FileNotFoundError(
        f"data_dir {str(data_dir)!r}: expected a folder with train.jsonl, or one .jsonl file; {found}."
    )
