"""Datasets: records of examples by name, task and split; they know nothing of models.

TensorFlow Datasets is imported only to download bAbI.
"""

from dmn_keras.datasets.example import (
    Example,
    SequenceTransductionExample,
    TextClassificationExample,
    TokenTaggingExample,
    VisualQuestionAnsweringExample,
)
from dmn_keras.datasets.registry import (
    DATASETS,
    SPLITS,
    load,
    parse_tasks,
    register,
    task_names,
)
from dmn_keras.datasets.source import Source, cut_by_group, labelled, train_and_validation

__all__ = [
    "DATASETS",
    "SPLITS",
    "Example",
    "SequenceTransductionExample",
    "Source",
    "TextClassificationExample",
    "TokenTaggingExample",
    "VisualQuestionAnsweringExample",
    "cut_by_group",
    "labelled",
    "load",
    "parse_tasks",
    "register",
    "task_names",
    "train_and_validation",
]
