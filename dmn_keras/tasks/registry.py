"""The task classes of this package by name, and by the examples that they learn from."""

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

TASKS = {
    "QuestionAnswerer": ("question_answering", Example),
    "VisualQuestionAnswerer": ("visual_question_answering", VisualQuestionAnsweringExample),
    "SequenceTransducer": ("sequence_transduction", SequenceTransductionExample),
    "TextClassifier": ("text_classification", TextClassificationExample),
    "TokenTagger": ("token_tagging", TokenTaggingExample),
}
"""The task classes by name: the package in `dmn_keras.tasks` that has each, and the record of its examples."""


def task_class(name: str) -> Any:
    """Return the task class of a name in `TASKS`; it is imported when it is needed."""
    package, _ = TASKS[name]
    return getattr(importlib.import_module(f"dmn_keras.tasks.{package}"), name)


def task_class_for(dataset: str) -> Any:
    """Return the task class that learns from a registered dataset.

    Raises:
        ValueError: If the dataset is unknown, or no task learns from its examples.
    """
    if dataset not in DATASETS:
        raise ValueError(unknown_name("dataset", dataset, DATASETS))
    expected = DATASETS[dataset].example_class
    for name, (_, example_class) in TASKS.items():
        if example_class is expected:
            return task_class(name)
    raise ValueError(f"No task learns from the examples of {dataset}, {expected.__name__}.")
