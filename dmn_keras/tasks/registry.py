"""The task classes of this package by name, and by the examples that they learn from."""

import dataclasses
import importlib
from typing import Any

from dmn_keras.datasets.example import (
    Example,
    SequenceTransductionExample,
    TextClassificationExample,
    TokenTaggingExample,
    VisualQuestionAnsweringExample,
)
from dmn_keras.datasets.registry import DATASETS
from dmn_keras.errors import unknown_name


@dataclasses.dataclass(frozen=True)
class TaskEntry:
    """Where a task class stands, which is imported when it is needed.

    Attributes:
        module: Module of the class.
        example_class: Record of its examples.
    """

    module: str
    example_class: type


TASKS = {
    "QuestionAnswerer": TaskEntry("dmn_keras.tasks.question_answering", Example),
    "VisualQuestionAnswerer": TaskEntry("dmn_keras.tasks.visual_question_answering", VisualQuestionAnsweringExample),
    "SequenceTransducer": TaskEntry("dmn_keras.tasks.sequence_transduction", SequenceTransductionExample),
    "TextClassifier": TaskEntry("dmn_keras.tasks.text_classification", TextClassificationExample),
    "TokenTagger": TaskEntry("dmn_keras.tasks.token_tagging", TokenTaggingExample),
}
"""The task classes by name."""


def task_class(name: str) -> Any:
    """Return the task class of a name in `TASKS`."""
    return getattr(importlib.import_module(TASKS[name].module), name)


def task_class_for(dataset: str) -> Any:
    """Return the task class that learns from a registered dataset.

    Raises:
        ValueError: If the dataset is unknown, or no task learns from its examples.
    """
    if dataset not in DATASETS:
        raise ValueError(unknown_name("dataset", dataset, DATASETS))
    expected = DATASETS[dataset].example_class
    for name, entry in TASKS.items():
        if entry.example_class is expected:
            return task_class(name)
    raise ValueError(f"No task learns from the examples of {dataset}, {expected.__name__}.")
