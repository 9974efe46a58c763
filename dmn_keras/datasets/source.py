"""A named dataset -> its training, validation and test examples, by task."""

import dataclasses
import logging
import random
import time
from collections.abc import Sequence
from typing import Any

from dmn_keras.datasets.example import Example
from dmn_keras.datasets.registry import load


@dataclasses.dataclass(frozen=True)
class Source:
    """Which questions a run is about.

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
            Dict of task name to list of `Example`, empty where the data has no such part.
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
    """Load the training and validation questions of all tasks.

    Where the data has no validation part, one is cut from the training part by story: all questions about a story are
    on the same side. Validation questions without an answer are left out.

    Args:
        source: The `Source`.
        validation_fraction: Share of the stories to hold out, between 0 and 1.
        seed: Seed of the cut, and of generated stories.

    Returns:
        Two dicts of task name to list of `Example`.

    Raises:
        ValueError: If a task has no training questions or too few stories to hold any out, or a question has no
            answer.
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
            f"Task {', '.join(missing)} of {source.dataset} has no training questions; leave it out of tasks."
        )
    for task in source.tasks:
        for number, example in enumerate(train[task], start=1):
            if not example.answer:
                raise ValueError(
                    f"Task {task}: question {number} of the training part has no answer: {example.question!r}. "
                    "Training needs one for every question."
                )
        valid[task] = [example for example in valid[task] if example.answer]
        if not valid[task]:
            train[task], valid[task] = cut_by_story(train[task], validation_fraction, seed)
        if not train[task] or not valid[task]:
            raise ValueError(
                f"Task {task} of {source.dataset} has too few stories: expected some to train on and some to hold out "
                f"for validation. Received: {len(train[task])} and {len(valid[task])} questions; "
                "give more stories or set validation_fraction."
            )
    counts = [sum(map(len, part.values())) for part in (train, valid)]
    _log.info("%s examples to train on, %s for validation", *(f"{count:,}" for count in counts))
    return train, valid


def cut_by_story(examples: Sequence[Example], fraction: float, seed: int) -> tuple[list[Example], list[Example]]:
    """Divide questions in two, never those of one story.

    Args:
        examples: List of `Example` of one task.
        fraction: Share of the stories that goes to the second part; at least one story, if there are two.
        seed: Integer.

    Returns:
        Two lists of `Example`, in the order given.
    """
    stories = sorted({example.story_id for example in examples})
    count = min(max(round(fraction * len(stories)), 1), len(stories) - 1) if stories else 0
    held_out = set(random.Random(seed).sample(stories, count))
    first = [e for e in examples if e.story_id not in held_out]
    return first, [e for e in examples if e.story_id in held_out]


def with_answers(tasks: dict[str, list[Example]]) -> dict[str, list[Example]]:
    """Return the questions of each task whose answer is known."""
    return {task: [example for example in examples if example.answer] for task, examples in tasks.items()}
