"""Sequences that a user gives -> checked arrays, with errors that name the record and the field."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dmn_keras.errors import did_you_mean
from dmn_keras.utils.json_lines import check_key

_KEYS = ("inputs", "targets", "scored", "task")


def sequence_fields(record: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Check the fields of a sequence and the targets of its steps.

    Args:
        record: `"inputs"`, numbers `(steps, input_size)`, or, where `"task"` is one of `formal_languages.TASKS`, a text
            in the alphabet of that task; and, optionally, `"targets"`, `"scored"` (all steps if missing) and `"task"`.
        place: Where it stands, for messages, e.g. `"record 3"`.

    Returns:
        Dict of the arguments of `SequenceTransductionExample`; targets that are missing are an empty array.

    Raises:
        ValueError: If a field is missing or malformed; the message begins with `place` and names the field.
    """
    for key in record:
        if key not in _KEYS:
            raise ValueError(f"{place}: unknown key {key!r}.{did_you_mean(key, _KEYS)}")
    check_key(record, "inputs", place)
    task = record.get("task") or ""
    if not isinstance(task, str):
        raise ValueError(f"{place}: task must be a text. Received: {task!r:.100}")
    inputs = record["inputs"]
    inputs = _text(inputs, task, place) if isinstance(inputs, str) else _numbers(inputs, "inputs", place, "float32")
    targets = record.get("targets")
    targets = np.zeros(0, "int32") if targets is None else _numbers(targets, "targets", place)
    scored = record.get("scored")
    scored = np.ones(len(inputs), bool) if scored is None else _numbers(scored, "scored", place)
    return {"inputs": inputs, "targets": targets, "scored": _truths(scored, place), "task": task}


def check_sequence(example: Any, place: str) -> None:
    """Check the arrays of a `SequenceTransductionExample`.

    Args:
        example: The example.
        place: Where it stands, for messages.

    Raises:
        ValueError: If the sequence has no steps, a number is NaN or infinite, or arrays differ in length.
    """
    inputs = _numbers(example.inputs, "inputs", place, "float32")
    targets = _numbers(example.targets, "targets", place)
    scored = _truths(np.asarray(example.scored), place)
    if inputs.ndim != 2 or not inputs.size:
        raise ValueError(
            f"{place}: inputs must be (steps, input_size) with at least one step. Received: shape {inputs.shape}"
        )
    if not np.isfinite(inputs).all():
        step = int(np.flatnonzero(~np.isfinite(inputs).all(axis=1))[0])
        raise ValueError(f"{place}: inputs must be finite numbers. Received: {inputs[step].tolist()} at step {step}")
    if scored.shape != (len(inputs),):
        raise ValueError(f"{place}: scored must be ({len(inputs)},), one for each step. Received: shape {scored.shape}")
    if not targets.size:
        return
    if targets.ndim not in (1, 2) or len(targets) != len(inputs):
        expected = f"({len(inputs)},) or ({len(inputs)}, bits)"
        raise ValueError(f"{place}: targets must be {expected}, one for each step. Received: shape {targets.shape}")
    of_scored = targets[scored]
    right = np.isin(of_scored, (0, 1)) if targets.ndim == 2 else (of_scored >= 0) & (of_scored == of_scored.round())
    if not right.all():
        kind = "0 or 1" if targets.ndim == 2 else "classes, whole numbers from 0"
        raise ValueError(f"{place}: targets must be {kind} at scored steps. Received: {of_scored[~right][0]}")


def _text(text, task, place):
    """Return a text in the alphabet of a formal language as one-hot inputs."""
    from dmn_keras.datasets import formal_languages

    if task not in formal_languages.TASKS:
        raise ValueError(
            f"{place}: inputs that are a text need a task, {' or '.join(formal_languages.TASKS)}."
            f"{did_you_mean(task, formal_languages.TASKS)} Received: task={task!r}"
        )
    try:
        return formal_languages.encode(task, text)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _truths(array, place):
    """Return an array of 0 and 1, or of booleans, as booleans."""
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise ValueError(f"{place}: scored must be true or false for each step. Received: {array.tolist()!r:.100}")
    return array.astype(bool)


def _numbers(value, name, place, dtype=None):
    try:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
            array = np.asarray(value, dtype)
    except (ValueError, TypeError, OverflowError):
        array = None
    if array is None or array.ndim == 0 or array.dtype.kind not in "biuf":
        raise ValueError(f"{place}: {name} must be numbers, as many in each step. Received: {value!r:.100}")
    return array
