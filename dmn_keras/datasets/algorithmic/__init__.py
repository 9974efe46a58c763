"""The algorithmic tasks of "Neural Turing Machines" (Graves, Wayne and Danihelka 2014, arXiv:1410.5401), generated.

A config names a task and the settings to change: `"copy,length=40"`, `"repeat_copy,length=10,repeats=20"`.
"""

from dmn_keras.datasets import sequences
from dmn_keras.datasets.algorithmic.associative_recall import associative_recall
from dmn_keras.datasets.algorithmic.copy import copy
from dmn_keras.datasets.algorithmic.n_grams import n_grams, n_grams_bayes_bits, n_grams_bayes_optimum
from dmn_keras.datasets.algorithmic.priority_sort import priority_sort
from dmn_keras.datasets.algorithmic.repeat_copy import repeat_copy

TASKS = {
    task.__name__: sequences.SequenceTask(task)
    for task in (copy, repeat_copy, associative_recall, n_grams, priority_sort)
}
"""Task by name; the targets of all are bits."""

load = sequences.SequenceDataset(TASKS).load

__all__ = [
    "TASKS",
    "associative_recall",
    "copy",
    "load",
    "n_grams",
    "n_grams_bayes_bits",
    "n_grams_bayes_optimum",
    "priority_sort",
    "repeat_copy",
]
