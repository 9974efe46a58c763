"""A trained task, questions -> errors, one row for each part of a dataset."""

import csv
import importlib.metadata
import itertools
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dmn_keras._version import __version__
from dmn_keras.datasets import Example, Source, with_answers
from dmn_keras.tasks.question_answering import Answer, QuestionAnswerer
from dmn_keras.text import Vocabulary, tokenize
from dmn_keras.utils.files import atomic

FAILED_ABOVE = 5.0
"""Percent of wrong answers above which a bAbI task counts as failed."""


def is_right(answer: Answer, example: Example, vocabulary: Vocabulary) -> bool:
    """Return whether an answer has all words of an example's answer, in their order."""
    return list(answer.words) == tokenize(example.answer_text, lowercase=True)


def evaluate_tasks(
    qa: QuestionAnswerer, tasks: Mapping[str, Sequence[Example]], *, batch_size: int = 100, beam_width: int = 1
) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Answer the questions of some tasks and count the wrong answers of each.

    An answer is right if all its words are, in their order. A question whose right answer has a word that the model
    does not know cannot be answered right.

    Args:
        qa: The `QuestionAnswerer`.
        tasks: Dict of task name to examples with answers, at least one each.
        batch_size: Questions answered at a time.
        beam_width: Width of the search for answers of several words.

    Returns:
        Dict of task name to a dict of `"error"` (percent), `"questions"`, and, where the questions name supporting
        facts, `"gate_recall"`: the percentage of them found among as many facts with the highest gates, over all
        passes; and the wrong answers, a list of dicts for `write_errors`.
    """
    # All together: their stories are padded to a few shapes in common, each of which is compiled once.
    together = [example for examples in tasks.values() for example in examples]
    encoded = qa.preprocessor.encode(together)
    answers = qa.predict_encoded(encoded, batch_size, beam_width=beam_width)
    rows, results, errors = zip(together, encoded, answers, strict=True), {}, []
    for task, examples in tasks.items():
        of_task = list(itertools.islice(rows, len(examples)))
        wrong = [(example, answer) for example, _, answer in of_task if not is_right(answer, example, qa.vocabulary)]
        results[task] = {"error": round(100.0 * len(wrong) / len(examples), 4), "questions": len(examples)}
        recall = _gate_recall(of_task)
        if recall is not None:
            results[task]["gate_recall"] = round(100.0 * recall, 2)
        errors += [_error(task, example, answer) for example, answer in wrong]
    return results, errors


def _error(task, example, answer):
    return {
        "task": task,
        "question": example.question,
        "expected": example.answer_text,
        "answer": answer.answer,
        "probability": round(answer.probability, 4),
        "evidence": " | ".join(answer.facts[i] for i in sorted(set(itertools.chain(*answer.evidence)))),
        "unknown_words": " ".join(answer.unknown_words),
        "story": " ".join(answer.facts),
    }


def write_errors(errors: Sequence[Mapping[str, Any]], path: str | os.PathLike) -> None:
    """Write wrong answers as a CSV table with a header, atomically."""
    fields = ("task", "question", "expected", "answer", "probability", "evidence", "unknown_words", "story")
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(errors)


def load_test_examples(source: Source, seed: int) -> dict[str, list[Example]]:
    """Load the test questions with answers of a source.

    Raises:
        ValueError: If a task has none.
    """
    tasks = with_answers(source.load("test", seed=seed))
    for task, examples in tasks.items():
        if not examples:
            raise ValueError(f"Task {task} of {source.dataset} has no test questions with answers to evaluate on.")
    return tasks


def _gate_recall(rows):
    """Return the fraction of supporting facts among the facts with the highest gates, `None` where none are named."""
    found = named = 0
    for _, example, answer in rows:
        facts = set(example.supporting_facts)
        if not facts:
            continue
        gates = np.max(answer.gates, axis=0)
        highest = np.argsort(-gates, kind="stable")[: len(facts)].tolist()
        positions = range(len(gates)) if answer.positions is None else answer.positions
        found += len(facts & {positions[i] for i in highest})
        named += len(facts)
    return found / named if named else None


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
        Text of one line a task and one for the mean.
    """
    width = max(len("task"), *(len(task) for task in result["tasks"]))
    lines = [f"{'task':>{width}}  questions  error %  gate recall %"]
    for task, row in result["tasks"].items():
        recall = f"{row['gate_recall']:.1f}" if "gate_recall" in row else "-"
        failed = "  failed" if row["error"] > FAILED_ABOVE else ""
        questions = row.get("questions", row.get("validation_questions"))
        lines.append(f"{task:>{width}}  {questions:>9}  {row['error']:>7.1f}  {recall:>13}{failed}")
    lines.append(f"{'mean':>{width}}  {'':>9}  {result['mean_error']:>7.2f}  {'':>13}  {result['failed']} failed")
    return "\n".join(lines)


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
