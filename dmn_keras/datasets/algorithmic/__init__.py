"""The algorithmic tasks of "Neural Turing Machines" (Graves, Wayne and Danihelka 2014, arXiv:1410.5401), generated."""

from dmn_keras.datasets import sequences
from dmn_keras.datasets.algorithmic.associative_recall import associative_recall
from dmn_keras.datasets.algorithmic.copy import copy
from dmn_keras.datasets.algorithmic.n_grams import n_grams, n_grams_bayes_bits, n_grams_bayes_optimum
from dmn_keras.datasets.algorithmic.priority_sort import priority_sort
from dmn_keras.datasets.algorithmic.repeat_copy import repeat_copy
from dmn_keras.datasets.example import SequenceTransductionExample

TASKS = {
    task.__name__: sequences.SequenceTask(task)
    for task in (copy, repeat_copy, associative_recall, n_grams, priority_sort)
}
"""Task by name; the targets of all are bits."""


def load(
    split: str,
    *,
    config: str | None = None,
    data_dir: str | None = None,
    seed: int = 0,
    num_examples: int | None = None,
) -> list[SequenceTransductionExample]:
    """Generate the examples of a split; see `dmn_keras.datasets.sequences.generate`.

    Args:
        split: `"train"`, `"valid"` or `"test"`.
        config: Name of a task and settings to change, e.g. `"copy,length=40"` or `"repeat_copy,length=10,repeats=20"`;
            None for `"copy"`. The settings are the keyword arguments of the task's function.
        data_dir: Not used: nothing is read.
        seed: Non-negative integer.
        num_examples: Positive integer; None for `sequences.NUM_EXAMPLES[split]`.

    Raises:
        ValueError: If a name is unknown, or a number is out of range.
    """
    return sequences.generate(TASKS, split, config=config, seed=seed, num_examples=num_examples)


def layout(config: str | None = None, *, data_dir: str | None = None) -> sequences.SequenceLayout:
    """Return the sizes of the arrays of a config; `data_dir` is not used."""
    return sequences.layout(TASKS, config)


__all__ = [
    "TASKS",
    "associative_recall",
    "copy",
    "layout",
    "load",
    "n_grams",
    "n_grams_bayes_bits",
    "n_grams_bayes_optimum",
    "priority_sort",
    "repeat_copy",
]
