"""A dataset's tasks -> training, validation and test questions."""

import dataclasses
import random
import time
from collections.abc import Sequence

from dmn_keras import datasets
from dmn_keras.datasets import Example


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

    def load(self, split, *, seed=0):
        """Load one part of all tasks.

        Args:
            split: `"train"`, `"valid"` or `"test"`.
            seed: Seed of generated stories.

        Returns:
            Dict of task name to list of `Example`, empty where the data has no such part.
        """
        return {
            task: datasets.load(
                self.dataset, task=task, split=split, data_dir=self.data_dir, config=self.config, seed=seed
            )
            for task in self.tasks
        }


_SECONDS_BETWEEN_LINES = 10


def train_and_validation(source, *, validation_fraction, seed, say=lambda line: None):
    """Load the training and validation questions of all tasks.

    Where the data has no validation part, one is cut from the training part by story: all questions about a story are
    on the same side. Validation questions without an answer are left out.

    Args:
        source: The `Source`.
        validation_fraction: Share of the stories to hold out, between 0 and 1.
        seed: Seed of the cut, and of generated stories.
        say: Function that takes a line about the progress, every few seconds where it takes long. Defaults to one that
            ignores it.

    Returns:
        Two dicts of task name to list of `Example`.

    Raises:
        ValueError: If a task has no training questions or too few stories to hold any out, or a question has no
            answer.
    """
    say(f"Reading the questions of {source.dataset}")
    train, valid = {}, {}
    last = time.monotonic()
    for task in source.tasks:
        one = dataclasses.replace(source, tasks=(task,))
        train |= one.load("train", seed=seed)
        valid |= one.load("valid", seed=seed)
        if time.monotonic() > last + _SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            say(f"Read {len(train)} of {len(source.tasks)} tasks")
    missing = [task for task in source.tasks if not train[task]]
    if missing:
        raise ValueError(
            f"Task {', '.join(missing)} of {source.dataset} has no training questions; leave it out with --tasks."
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
    say(f"{counts[0]:,} questions to train on, {counts[1]:,} for validation")
    return train, valid


def cut_by_story(examples, fraction, seed):
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
    first: list[Example] = [e for e in examples if e.story_id not in held_out]
    return first, [e for e in examples if e.story_id in held_out]
