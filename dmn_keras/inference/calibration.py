"""Measures how far the probabilities of a trained task can be trusted, and keeps it beside the model."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dmn_keras.datasets import Example
from dmn_keras.layers.checks import probability
from dmn_keras.tasks.preset import PresetFolder
from dmn_keras.tasks.question_answering import Calibration, QuestionAnswerer
from dmn_keras.tasks.question_answering.unanswerable import common_words, without_answer
from dmn_keras.utils.files import atomic, write_json


def calibrate(
    folder: PresetFolder,
    train: Mapping[str, Sequence[Example]],
    valid: Mapping[str, Sequence[Example]],
    test: Mapping[str, Sequence[Example]],
    *,
    threshold: float = 0.5,
) -> dict[str, Any]:
    """Calibrate a model on validation questions, measure the calibration on test questions, and keep it.

    Both are asked twice: as they are, and of stories that do not hold the answer any more (`without_answer`).

    Args:
        folder: The folder of the model.
        train: Dict of task name to training examples, which tell the words that carry a task's grammar.
        valid: The same of validation examples with answers.
        test: The same of test examples with answers.
        threshold: Confidence below which the answer is "I do not know".

    Returns:
        What `calibration.json` then holds: `"scale"`, `"shift"`, `"threshold"`, and `"validation"` and `"test"`, each
        a dict of `"whole"` and `"needed facts removed"` to what `measure` returns.

    Raises:
        FileNotFoundError: If the folder holds no trained model.
        ValueError: If the folder is damaged, or the validation answers are all right or all wrong.
    """
    probability("threshold", threshold)
    qa = folder.load(QuestionAnswerer)
    common = {task: common_words(examples) for task, examples in train.items()}
    asked: dict[str, dict] = {}  # part -> kind -> probabilities, right
    for part, tasks in {"validation": valid, "test": test}.items():
        whole = [example for examples in tasks.values() for example in examples]
        cut = [without_answer(example, common[task]) for task, examples in tasks.items() for example in examples]
        both = whole, [example for example in cut if example is not None]
        asked[part] = {kind: _answers(qa, each) for kind, each in zip(KINDS, both, strict=True)}
    probabilities, right = map(np.concatenate, zip(*asked["validation"].values(), strict=True))
    if not len(right):
        raise ValueError(f"{folder.path} cannot be calibrated: there are no validation questions with answers.")
    if len(np.unique(right)) < 2:
        raise ValueError(
            f"{folder.path} cannot be calibrated: its {len(right)} answers to validation questions, with and without "
            f"the facts they need, are all {'right' if right.any() else 'wrong'}."
        )
    fitted = Calibration.fit(probabilities, right, threshold=threshold)
    content = dataclasses.asdict(fitted)
    for part, kinds in asked.items():
        content[part] = {kind: measure(fitted, *answers) for kind, answers in kinds.items()}
    write_json(folder.calibration, content)
    return content


KINDS = ("whole", "needed facts removed")
"""How stories are asked about: as they are, and without what their question needs."""


def _answers(qa, examples):
    """Return the probability of each answer and whether it is right, two arrays."""
    answers = qa.predict(examples, batch_size=100)
    right = [qa.is_right(example, answer) for answer, example in zip(answers, examples, strict=True)]
    return np.array([answer.probability for answer in answers]), np.array(right, dtype=bool)


def measure(calibration: Calibration, probabilities, right) -> dict[str, Any]:
    """Measure how well confidence foretells right answers.

    Args:
        calibration: The `Calibration`.
        probabilities: The model's probability of each of its answers.
        right: Whether each answer is right.

    Returns:
        Dict of `"questions"`; `"right"`, percent; `"answered"`, percent with at least the threshold's confidence;
        `"right_of_answered"`, percent of those, `None` if there is none; `"calibration_error"`, the expected
        calibration error in percentage points; `"bins"`, a list of dicts of `"confidence"`, `"right"` (means of the
        bin, percent) and `"questions"` of ten bins of equal width, empty bins left out.
    """
    right = np.asarray(right, dtype=float)
    confidence = calibration.confidence(probabilities)
    answered = confidence >= calibration.threshold
    num_bins = 10  # as `plot_reliability` draws them
    number = np.minimum((confidence * num_bins).astype(int), num_bins - 1)
    bins = [
        {
            "confidence": _percent(confidence[number == i]),
            "right": _percent(right[number == i]),
            "questions": int((number == i).sum()),
        }
        for i in range(num_bins)
        if (number == i).any()
    ]
    gaps = sum(row["questions"] * abs(row["confidence"] - row["right"]) for row in bins)
    return {
        "questions": len(right),
        "right": _percent(right),
        "answered": _percent(answered),
        "right_of_answered": _percent(right[answered]),
        "calibration_error": round(gaps / len(right), 3) if len(right) else None,
        "bins": bins,
    }


def _percent(values):
    return round(100.0 * float(np.mean(values)), 3) if len(values) else None


def plot_reliability(content: Mapping[str, Any], path) -> None:
    """Draw a calibration's reliability on the test questions: right answers by confidence, and how many there are.

    Args:
        content: What `calibrate` returned.
        path: File to write, its suffix tells the format; written atomically.

    Raises:
        ValueError: If matplotlib does not know the suffix.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6.0), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot([0, 100], [0, 100], color="0.7", linewidth=1, label="perfectly calibrated")
    for kind, color, offset in zip(KINDS, ("tab:blue", "tab:orange"), (-2, 2), strict=True):
        bins = content["test"][kind]["bins"]
        confidence = [row["confidence"] for row in bins]
        top.plot(confidence, [row["right"] for row in bins], "o-", color=color, label=kind)
        centers = [10 * min(int(c // 10), 9) + 5 + offset for c in confidence]
        bottom.bar(centers, [row["questions"] for row in bins], width=4, color=color)
    for axes in (top, bottom):
        axes.axvline(100 * content["threshold"], color="0.3", linestyle=":", linewidth=1)
    top.set(ylabel="right answers, %", title="Test questions: answers right by confidence")
    top.legend(loc="upper left")
    bottom.set(xlabel='confidence, % (dotted: below it the answer is "I do not know")', ylabel="questions")
    bottom.set_yscale("log")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)
