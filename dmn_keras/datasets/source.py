"""A named dataset -> its training, validation and test examples, by task."""

import dataclasses
import logging
import random
import time
from collections.abc import Sequence
from typing import Any

from dmn_keras.datasets.registry import load


@dataclasses.dataclass(frozen=True)
class Source:
    """Which examples a run is about.

    Attributes:
        dataset: Name of the dataset, one of `dmn_keras.datasets.DATASETS`.
        tasks: Names of its tasks, a sequence; a text is one name.
        data_dir: Where its files lie, `None` where it needs none.
        config: Its configuration, `None` for the default.
    """

    dataset: str
    tasks: Sequence[str]
    data_dir: str | None = None
    config: str | None = None

    def __post_init__(self):
        tasks = (self.tasks,) if isinstance(self.tasks, str) else self.tasks
        object.__setattr__(self, "tasks", tuple(map(str, tasks)))

    def load(self, split: str, *, seed: int = 0) -> dict[str, list]:
        """Load one part of all tasks.

        Args:
            split: `"train"`, `"valid"` or `"test"`.
            seed: Seed of generated stories.

        Returns:
            Dict of task name to list of examples, empty where the data has no such part.
        """
        return {
            task: load(self.dataset, task=task, split=split, data_dir=self.data_dir, config=self.config, seed=seed)
            for task in self.tasks
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict that JSON can hold."""
        return {**dataclasses.asdict(self), "tasks": list(self.tasks)}


_SECONDS_BETWEEN_LINES = 10
_log = logging.getLogger(__name__)


def train_and_validation(
    source: Source, *, validation_fraction: float, seed: int
) -> tuple[dict[str, list], dict[str, list]]:
    """Load the training and validation examples of all tasks.

    Where the data has no validation part, one is cut from the training part by group: all questions about a story are
    on the same side. Validation examples without an answer are left out.

    Args:
        source: The `Source`.
        validation_fraction: Fraction of the groups to hold out, between 0 and 1.
        seed: Seed of the cut, and of generated stories.

    Returns:
        Two dicts of task name to list of examples.

    Raises:
        ValueError: If a task has no training examples or too few to hold any out, or an example has no answer.
    """
    _log.info("Reading the examples of %s", source.dataset)
    train, valid = {}, {}
    last = time.monotonic()
    for task in source.tasks:
        one = dataclasses.replace(source, tasks=(task,))
        train |= one.load("train", seed=seed)
        valid |= one.load("valid", seed=seed)
        if time.monotonic() > last + _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            _log.info("Read %d of %d tasks", len(train), len(source.tasks))
    missing = [task for task in source.tasks if not train[task]]
    if missing:
        raise ValueError(
            f"Task {', '.join(missing)} of {source.dataset} has no training examples; leave it out of tasks."
        )
    given, valid = valid, labelled(valid, "validation")
    for task in source.tasks:
        if given[task] and not valid[task]:
            _log.warning("Task %s: some of the training examples are held out in place of these", task)
        for number, example in enumerate(train[task], start=1):
            if not example.is_labelled:
                raise ValueError(
                    f"{example.place or f'Task {task}: example {number} of the training part'} has no answer. "
                    f"Training needs one for every example. Received: {example!r:.200}"
                )
        if not valid[task]:
            train[task], valid[task] = cut_by_group(train[task], validation_fraction, seed)
        if not train[task] or not valid[task]:
            raise ValueError(
                f"Task {task} of {source.dataset} has too few examples: expected some to train on and some, of other "
                f"stories or images, to hold out for validation. Received: {len(train[task])} and {len(valid[task])}; "
                "give more or set validation_fraction."
            )
    counts = [sum(map(len, part.values())) for part in (train, valid)]
    _log.info("%s examples to train on, %s for validation", *(f"{count:,}" for count in counts))
    return train, valid


def cut_by_group(examples: Sequence, fraction: float, seed: int) -> tuple[list, list]:
    """Divide examples in two, never those of one group, such as the questions about one story.

    Args:
        examples: List of examples of one task.
        fraction: Fraction of the groups that goes to the second part; at least one group, if there are two.
        seed: Integer.

    Returns:
        Two lists of examples, in the order given; of the groups held out without those that may not validate.
    """
    groups = [number if example.group is None else example.group for number, example in enumerate(examples)]
    known = sorted(set(groups))
    count = min(max(round(fraction * len(known)), 1), len(known) - 1) if known else 0
    held_out = set(random.Random(seed).sample(known, count))
    parts: tuple[list, list] = [], []
    for example, group in zip(examples, groups, strict=True):
        if group not in held_out or example.may_validate:
            parts[group in held_out].append(example)
    return parts


def labelled(tasks: dict[str, list], part: str = "test") -> dict[str, list]:
    """Return the examples of each task whose answer is known; warns of the others, `part` says what they are for."""
    known = {task: [example for example in examples if example.is_labelled] for task, examples in tasks.items()}
    for task, examples in tasks.items():
        if left_out := len(examples) - len(known[task]):
            counts = f"{left_out} of {len(examples)}"
            _log.warning("Task %s: left out %s %s examples, without an answer", task, counts, part)
    return known
