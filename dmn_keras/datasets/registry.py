"""Datasets by name: what each yields, its tasks, and the function that loads it."""

import dataclasses
import functools
import importlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from dmn_keras.datasets import babi, jsonl, stepgame
from dmn_keras.datasets.checks import SPLITS, check_data_dir, check_name, check_split, missing_files
from dmn_keras.datasets.example import (
    Example,
    SequenceTransductionExample,
    TextClassificationExample,
    TokenTaggingExample,
    VisualQuestionAnsweringExample,
)
from dmn_keras.errors import unknown_name
from dmn_keras.utils.files import read_json

STORIES_NUM_EXAMPLES = {"train": 5000, "valid": 500, "test": 1000}
STORIES_SIZES = ("num_facts", "num_people", "num_places", "num_objects")


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A registered dataset; the attributes but for the first are the arguments of `register`.

    Attributes:
        load: Function `(split, *, task, config, data_dir, seed, num_examples)` that returns a list of examples.
    """

    load: Callable[..., list]
    example_class: type
    task_names: Callable[[str | None], Sequence[str]]
    is_generated: bool = False


DATASETS: dict[str, Dataset] = {}
"""The registered datasets by name."""


def register(
    name: str,
    *,
    example_class: type = Example,
    task_names: Callable[[str | None], Sequence[str]] = lambda _: ("all",),
    is_generated: bool = False,
) -> Callable:
    """Return a decorator that registers a function as the loader of a dataset.

    Args:
        name: Name of the dataset, as for `load` and `--dataset`.
        example_class: Record of its examples.
        task_names: Function of `data_dir` that returns the names of its tasks. Defaults to the one task `"all"`.
        is_generated: Whether examples are generated from the seed, without any file.

    Example:

    >>> @register("mine")
    ... def load_mine(split, *, task, config, data_dir, seed, num_examples):
    ...     return [Example(("Mary is here.",), "Who is here?", ("Mary",))]
    """

    def decorate(function):
        DATASETS[name] = Dataset(function, example_class, task_names, is_generated)
        return function

    return decorate


def task_names(dataset: str, data_dir: str | None = None) -> tuple[str, ...]:
    """Return the names of a dataset's tasks.

    Args:
        dataset: One of `DATASETS`.
        data_dir: For `jsonl`, as in `load`; the others do not use it.

    Returns:
        A tuple of names in the dataset's order: `"1"` to `"20"` for `babi` and `babi_long`, `"1"` to `"10"` for
        `stepgame`, the names of `dmn_keras.datasets.stories.TASKS` for `stories`; for `jsonl` the tasks that it names,
        in order of appearance, `("all",)` if it names none; `("all",)` for the others.

    Raises:
        FileNotFoundError: If a `jsonl` file is not there.
        ValueError: If `dataset` is unknown, `data_dir` is missing for `jsonl`, or a record is malformed.
    """
    check_name("dataset", dataset, DATASETS)
    return tuple(DATASETS[dataset].task_names(data_dir))


def parse_tasks(text: str, names: Sequence[str]) -> tuple[str, ...]:
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


def load(
    dataset: str,
    *,
    task: str,
    split: str,
    data_dir: str | None = None,
    config: str | None = None,
    seed: int = 0,
    num_examples: int | None = None,
) -> list[Any]:
    """Return the examples of one task and split of a dataset.

    - `babi`: read from `data_dir` (see `babi.load` for what it may be) or, without it, from the official
      archive, downloaded once through TensorFlow Datasets.
    - `babi_long`: the same, each story inserted into the sentences of books or of distractor facts, which
      `config` names; `seed` chooses the places (see `babi_long.load`).
    - `stories`: generated, needs no file; `seed` chooses the stories, `config` their sizes.
    - `stepgame`: read from `data_dir`, see `stepgame.load`; a task is a number of steps.
    - `jsonl`: `data_dir` is a folder with `train.jsonl`, `valid.jsonl` and `test.jsonl`, of which some may be missing,
      or one `.jsonl` file, which is the training part.
    - `sst`, `conllu`, `easy_vqa`, `sort_of_clevr`, `text_classification`, `token_tagging`,
      `visual_question_answering`, `algorithmic`, `formal_languages`, `graphs`: see their modules.

    Args:
        dataset: One of `DATASETS`.
        task: One of `task_names(dataset, data_dir)`.
        split: One of `SPLITS`.
        data_dir: Path of the data; see above.
        config: For `babi` one of `babi.CONFIGS`, `"en-10k"` if None. For `babi_long` the same, the length in
            tokens (1000 if not given) or a range to draw it from, and the background text:
            `"en-10k,tokens=0-2000,books=FOLDER"`, or `distractor_facts` in place of `books=FOLDER`. For `stories`
            the sizes to change from `stories.generate`'s defaults, e.g. `"num_facts=10-50,num_people=8"`: each a
            number or, for `num_facts`, a range to draw from. For `jsonl` only `rename=`. Of all question answering,
            `rename=swap` exchanges the names of bAbI's tasks, `rename=new` gives names never seen, and
            `rename=FILE.json` those of a JSON object of names (`dmn_keras.datasets.renaming`).
        seed: Non-negative integer, used by what is generated or drawn.
        num_examples: Number of examples; None for all of a file, or `STORIES_NUM_EXAMPLES` of `stories`. Of
            a file it is the first ones, at most.

    Returns:
        A list of the dataset's `example_class`. Empty where the data has no such part: then a validation part is
        for the caller to cut from the training part, by `story_id`.

    Raises:
        ConnectionError: If bAbI has to be downloaded and cannot be.
        FileNotFoundError: If `data_dir` or the file in it is not there, or there are no books.
        ValueError: If a name is unknown, `num_examples` or `seed` is out of range, or a file is malformed.
    """
    check_name("dataset", dataset, DATASETS)
    check_split(split, num_examples, seed)
    renaming = None
    if DATASETS[dataset].example_class is Example and dataset != "babi_long":  # it renames before it inserts into books
        config, renaming = _split_renaming(config)
    options = {"config": config, "data_dir": data_dir, "seed": seed, "num_examples": num_examples}
    examples = DATASETS[dataset].load(split, task=str(task), **options)
    if renaming is None:
        return examples
    renamed = _renamed(examples, renaming, seed)
    if renamed == examples and examples and not dataset.startswith("babi"):
        raise ValueError(
            f"config: rename={renaming} changes nothing: the {split} part of {dataset} holds none of the names. "
            "swap and new exchange the names of bAbI; rename=FILE.json names others."
        )
    return renamed


@register("babi", task_names=lambda _: babi.TASKS)
def _load_babi(split, *, task, config, data_dir, seed, num_examples):
    config = babi.DEFAULT_CONFIG if config is None else config
    return _read_babi(data_dir, config=config, task=task, split=split)[:num_examples]


def _read_babi(data_dir, *, config, task, split):
    check_name("task", task, babi.TASKS)
    if split not in babi.splits(config):
        return []
    return babi.load(data_dir or babi_archive(), config=config, task=task, split=split)


def _split_renaming(config):
    """Return a config without its part `rename=...`, and what that names, `None` where there is none."""
    parts = [part.strip() for part in (config or "").split(",")]
    found = [part for part in parts if part.startswith("rename=")]
    if not found:
        return config, None
    if len(found) > 1:
        raise ValueError(f"config: rename may be given once. Received: {config!r}")
    return ",".join(part for part in parts if part not in found) or None, found[0].partition("=")[2]


def _renamed(examples, renaming, seed):
    from dmn_keras.datasets.renaming import BABI_PEOPLE, SYS_BABI_PAIRS, made_up, rename, swap
    from dmn_keras.text import tokenize

    if renaming == "swap":
        names = swap(SYS_BABI_PAIRS)
    elif renaming == "new":
        texts = {text for example in examples for text in (*example.story, example.question, *example.answer)}
        known = {word for text in texts for word in tokenize(text)}
        names = made_up(BABI_PEOPLE, avoid=known, seed=seed)
    elif renaming.endswith(".json"):
        names = read_json(renaming)
    else:
        raise ValueError(f"config: rename must be swap, new or a JSON file of names. Received: {renaming!r}")
    return rename(examples, names)


@register("babi_long", task_names=lambda _: babi.TASKS)
def _load_babi_long(split, *, task, config, data_dir, seed, num_examples):
    babi_long = importlib.import_module("dmn_keras.datasets.babi_long")
    config, renaming = _split_renaming(config)
    long = babi_long.Config.parse(config)
    stories = _read_babi(data_dir, config=long.babi, task=task, split=split)[:num_examples]
    if renaming is not None:
        stories = _renamed(stories, renaming, seed)
    return babi_long.load(stories, config=long, split=split, seed=seed)


@register(
    "stories", task_names=lambda _: importlib.import_module("dmn_keras.datasets.stories").TASKS, is_generated=True
)
def _load_stories(split, *, task, config, data_dir, seed, num_examples):
    sizes = _story_sizes(config)
    stories = importlib.import_module("dmn_keras.datasets.stories")
    count = num_examples or STORIES_NUM_EXAMPLES[split]
    return stories.generate(task, split=split, num_examples=count, seed=seed, **sizes)


_JSONL = "a folder with train.jsonl, or one .jsonl file"


def _jsonl_tasks(data_dir):
    paths = [path for split in SPLITS if (path := _jsonl_path(data_dir, split)) is not None]
    if not paths:
        raise missing_files(check_data_dir(data_dir, _JSONL), _JSONL)
    return dict.fromkeys(example.task for path in paths for example in _jsonl_examples(path))


def _jsonl_examples(path):
    status = path.stat()
    return _read_jsonl(path, (status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=len(SPLITS))
def _read_jsonl(path, _version):
    """Return all examples of a file, read once for all tasks and splits. `_version` makes a changed file a new one."""
    return tuple(jsonl.load(path))


@register("jsonl", task_names=_jsonl_tasks)
def _load_jsonl(split, *, task, config, data_dir, seed, num_examples):
    if config is not None:
        raise ValueError(f"config must be None or rename=... for dataset 'jsonl'. Received: {config!r}.")
    check_name("task", task, tuple(_jsonl_tasks(data_dir)))
    path = _jsonl_path(data_dir, split)
    if path is None and split == "train":
        raise missing_files(check_data_dir(data_dir, _JSONL), _JSONL)
    examples = [] if path is None else [example for example in _jsonl_examples(path) if example.task == task]
    return examples[:num_examples]


@register("stepgame", task_names=lambda _: stepgame.TASKS)
def _load_stepgame(split, *, task, config, data_dir, seed, num_examples):
    check_name("task", task, stepgame.TASKS)
    parts = [part.strip() for part in (config or "").split(",") if part.strip()]
    if not any(part.startswith("k") for part in parts):
        parts.append(f"k={task}")
    examples = stepgame.load(split, config=",".join(parts), data_dir=data_dir)
    return [example for example in examples if example.task == task][:num_examples]


def _register_module(name, example_class, module, is_generated=False, **fixed):
    """Register the function `load` of a module, whose only task is `"all"`."""

    @register(name, example_class=example_class, is_generated=is_generated)
    def load_module(split, *, task, **options):
        check_name("task", task, ("all",))
        return importlib.import_module(f"dmn_keras.datasets.{module}").load(split, **options, **fixed)


_register_module("sst", TextClassificationExample, "sst")
_register_module("conllu", TokenTaggingExample, "conllu")
_register_module("easy_vqa", VisualQuestionAnsweringExample, "easy_vqa")
_register_module("sort_of_clevr", VisualQuestionAnsweringExample, "sort_of_clevr", is_generated=True)
_register_module("text_classification", TextClassificationExample, "columns", kind="text_classification")
_register_module("token_tagging", TokenTaggingExample, "columns", kind="token_tagging")
_register_module(
    "visual_question_answering", VisualQuestionAnsweringExample, "columns", kind="visual_question_answering"
)
for _name in ("algorithmic", "formal_languages", "graphs"):
    _register_module(_name, SequenceTransductionExample, _name, is_generated=True)


def _story_sizes(config):
    """Return the sizes in a config such as `"num_facts=10-50,num_people=8"` as keyword arguments."""
    sizes = {}
    for part in () if config is None else config.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        check_name("config: size", name, STORIES_SIZES)
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


@functools.cache
def babi_archive():
    """Return the official archive, downloaded if need be."""
    try:
        from dmn_keras.datasets.babi import babi_qa
    except ImportError as error:
        raise ImportError(
            f"Downloading bAbI needs tensorflow_datasets: {error}. Install it with pip install 'dmn_keras[tfds]', pass "
            "data_dir, the path of a copy of it, or use the dataset 'stories', which needs none."
        ) from error
    return babi_qa.download()


def _jsonl_path(data_dir, split):
    """Return the file of a split, None if it is not there."""
    data_dir = check_data_dir(data_dir, _JSONL)
    if data_dir.is_file():
        return data_dir if split == "train" else None
    path = data_dir / f"{split}.jsonl"
    return path if path.is_file() else None
