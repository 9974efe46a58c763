"""A trained task, examples -> metrics, one row for each part of a dataset."""

import collections
import csv
import importlib.metadata
import itertools
import logging
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dmn_keras._version import __version__
from dmn_keras.datasets import Source, labelled
from dmn_keras.tasks.task import Task
from dmn_keras.utils.files import atomic

_log = logging.getLogger(__name__)

FAILED_ABOVE = 5.0
"""Percent of wrong answers above which a bAbI task counts as failed."""

_OTHER_FIELDS = ("error", "questions", "accuracy", "validation_error", "validation_questions")
"""Fields of a row that are no column of their own in `table`."""

_NOT_PERCENT = ("bits_per_sequence",)


def evaluate_tasks(
    task: Task, parts: Mapping[str, Sequence], *, split: str = "test", batch_size: int = 100, **options: Any
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Answer the examples of a dataset's parts and score each part.

    Args:
        task: The trained task.
        parts: Dict of part name (bAbI's tasks, for instance) to examples with answers, at least one each.
        split: What the examples are, for the warning that counts the words training never saw.
        batch_size: Examples answered at a time.
        **options: Further options of the task's `predict`, e.g. `beam_width`.

    Returns:
        Dict of part name to a dict of `"error"` (percent), `"questions"` (their number) and the metrics of
        `Task.score`; and the wrong answers, a list of dicts for `write_errors`.
    """
    # All together: they are padded to a few shapes in common, each of which is compiled once.
    together = [example for examples in parts.values() for example in examples]
    answers = task.predict_encoded(task.preprocessor.encode(together), batch_size, **options)
    if unseen := task.preprocessor.unseen_words_warning(together, f"{split} part"):
        _log.warning("%s", unseen)
    rows, errors, remaining = {}, [], iter(answers)
    for part, examples in parts.items():
        of_part = list(itertools.islice(remaining, len(examples)))
        metrics = {name: round(float(value), 4) for name, value in task.score(examples, of_part).items()}
        right = next(iter(metrics.values()))
        rows[part] = {"error": round(100.0 - right, 4), "questions": len(examples), **metrics}
        mistakes = itertools.starmap(task.mistake, zip(examples, of_part, strict=True))
        errors += [{"task": part, **mistake} for mistake in mistakes if mistake is not None]
    return rows, errors


def overall(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return `"metrics"`, each the mean over all examples of the parts that have it, and the number of `"examples"`."""
    sums, counts = collections.Counter(), collections.Counter()
    for row in rows.values():
        for name, value in row.items():
            if name not in ("error", "questions"):
                sums[name] += value * row["questions"]
                counts[name] += row["questions"]
    metrics = {name: round(sums[name] / counts[name], 4) for name in sums}
    return {"metrics": metrics, "examples": sum(row["questions"] for row in rows.values())}


def write_errors(errors: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> None:
    """Write wrong answers as a CSV table with a header, atomically."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(errors[0]) if errors else ["task"])
        writer.writeheader()
        writer.writerows(errors)


def load_test_examples(source: Source, seed: int) -> dict[str, list]:
    """Load the test examples with answers of a source.

    Raises:
        ValueError: If a task has none.
    """
    tasks = labelled(source.load("test", seed=seed))
    for task, examples in tasks.items():
        if not examples:
            one_file = source.data_dir is not None and os.path.isfile(source.data_dir)
            hint = " A single file is the training part: name it test.jsonl and give its folder." if one_file else ""
            raise ValueError(f"Task {task} of {source.dataset} has no test examples with answers to evaluate on.{hint}")
    return tasks


def summary(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Sum up the tasks' results.

    Args:
        tasks: Dict of task name to a dict with `"error"`.

    Returns:
        Dict of `"tasks"`, `"mean_error"` (percent, each task with the same weight) and `"failed"`, the number of tasks
        with an error above 5 %.
    """
    errors = [result["error"] for result in tasks.values()]
    return {
        "tasks": tasks,
        "mean_error": round(float(np.mean(errors)), 4),
        "failed": sum(error > FAILED_ABOVE for error in errors),
    }


def table(result: Mapping[str, Any]) -> str:
    """Lay a `summary` out as lines for the terminal.

    Args:
        result: What `summary` returned; a task without `"questions"` has `"validation_questions"`.

    Returns:
        Text of one line a task and, of several, one for the mean.
    """
    rows = result["tasks"]
    width = max(len("task"), *map(len, rows))
    metrics = dict.fromkeys(name for row in rows.values() for name in row if name not in _OTHER_FIELDS)
    titles = {name: name.replace("_", " ") + " %" * (name not in _NOT_PERCENT) for name in metrics}
    lines = ["  ".join([f"{'task':>{width}}", "questions", "error %", *titles.values()])]
    for task, row in rows.items():
        failed = "  failed" if len(rows) > 1 and row["error"] > FAILED_ABOVE else ""
        questions = row.get("questions", row.get("validation_questions"))
        values = (f"{row[name]:.1f}" if name in row else "-" for name in metrics)
        cells = [f"{value:>{len(title)}}" for value, title in zip(values, titles.values(), strict=True)]
        lines.append("  ".join([f"{task:>{width}}", f"{questions:>9}", f"{row['error']:>7.1f}", *cells]) + failed)
    if len(rows) == 1:
        return "\n".join(lines)
    cells = [" " * len(title) for title in titles.values()]
    mean = [f"{'mean':>{width}}", " " * 9, f"{result['mean_error']:>7.2f}", *cells, f"{result['failed']} failed"]
    return "\n".join([*lines, "  ".join(mean)])


def versions() -> dict[str, str]:
    """Return the versions that produced a result: package, Keras, backend, Python and NumPy."""
    backend = keras.backend.backend()
    return {
        "dmn_keras": __version__,
        "keras": keras.__version__,
        "backend": f"{backend} {importlib.metadata.version(backend)}",
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
