"""A trained model, questions -> errors, task by task."""

import importlib.metadata
import itertools
import platform

import keras
import numpy as np

from dmn_keras._version import __version__
from dmn_keras.layers.checks import positive_integer
from dmn_keras.text import Encoder
from dmn_keras.training.answers import answer_questions, is_right

FAILED_ABOVE = 5.0
"""Percent of wrong answers above which a bAbI task counts as failed."""


def evaluate_tasks(model, vocabulary, recipe, tasks, *, batch_size=100, beam_width=1):
    """Answer the questions of some tasks and count the wrong answers of each.

    An answer is right if all its words are, in their order. A question whose right answer holds a word that the model
    does not know cannot be answered right.

    Args:
        model: The model of `recipe`.
        vocabulary: Its `Vocabulary`.
        recipe: The `Recipe`.
        tasks: Dict of task name to list of `Example` with answers, at least one each.
        batch_size: Questions answered at a time.
        beam_width: Width of the search for answers of several words.

    Returns:
        Dict of task name to a dict of `"error"` (percent), `"questions"`, and, where the questions name supporting
        facts, `"gate_recall"`: the percentage of them found among as many facts with the highest gates, over all
        passes.
    """
    if not tasks:
        return {}
    encoder = Encoder(vocabulary, max_facts=recipe.config.max_facts, fact_level=recipe.config.fact_level)
    encoded = {task: [encoder(example) for example in examples] for task, examples in tasks.items()}
    # All together: their stories are padded to a few shapes in common, each of which is compiled once.
    together = [example for examples in encoded.values() for example in examples]
    answers = iter(answer_questions(model, recipe, together, batch_size=batch_size, beam_width=beam_width))
    return {
        task: _result(vocabulary, examples, encoded[task], list(itertools.islice(answers, len(examples))))
        for task, examples in tasks.items()
    }


def _result(vocabulary, examples, encoded, answers):
    wrong = sum(not is_right(answer, example, vocabulary) for answer, example in zip(answers, examples, strict=True))
    result = {"error": round(100.0 * wrong / len(examples), 4), "questions": len(examples)}
    recall = _gate_recall([answer.gates for answer in answers], encoded)
    return result if recall is None else {**result, "gate_recall": round(100.0 * recall, 2)}


def _gate_recall(gates, encoded):
    """Return the share of supporting facts among the facts with the highest gates, `None` where none are named."""
    found = named = 0
    for passes, example in zip(gates, encoded, strict=True):
        facts = set(example.supporting_facts)
        highest = np.argsort(-passes.max(axis=0), kind="stable")[: len(facts)]
        found += len(facts & set(highest.tolist()))
        named += len(facts)
    return found / named if named else None


def evaluate_run(run, source, *, batch_size=100, beam_width=1):
    """Evaluate the model of a run on test questions.

    Args:
        run: The `RunFolder`.
        source: The `Source` of the questions.
        batch_size: As in `evaluate_tasks`.
        beam_width: As in `evaluate_tasks`.

    Returns:
        What `evaluate_tasks` returns; empty if `source` has no task.

    Raises:
        FileNotFoundError: If the folder holds no trained model.
        ValueError: If the run is damaged, `batch_size` is not positive, or a task has no test questions with answers.
    """
    positive_integer("batch_size", batch_size)
    if not source.tasks:
        return {}
    model, vocabulary, recipe = run.load()
    tasks = with_answers(source.load("test", seed=recipe.config.seed))
    for task, examples in tasks.items():
        if not examples:
            raise ValueError(f"Task {task} of {source.dataset} has no test questions with answers to evaluate on.")
    return evaluate_tasks(model, vocabulary, recipe, tasks, batch_size=batch_size, beam_width=beam_width)


def with_answers(tasks):
    """Return the questions of each task whose answer is known."""
    return {task: [example for example in examples if example.answer] for task, examples in tasks.items()}


def summary(tasks):
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


def table(result):
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


def versions():
    """Return the versions that produced a result: package, Keras, backend, Python and NumPy."""
    backend = keras.backend.backend()
    return {
        "dmn_keras": __version__,
        "keras": keras.__version__,
        "backend": f"{backend} {importlib.metadata.version(backend)}",
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
