"""Datasets of questions about stories, all in one record form; they know nothing of models.

Importing this package needs the standard library alone: TensorFlow Datasets is imported only to download
bAbI.
"""

from dmn_keras.datasets.example import Example
from dmn_keras.datasets.registry import (
    DATASETS,
    SPLITS,
    load,
    parse_tasks,
    task_names,
)

__all__ = [
    "DATASETS",
    "SPLITS",
    "Example",
    "load",
    "parse_tasks",
    "task_names",
]
