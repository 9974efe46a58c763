"""How far an answer's probability can be trusted: confidence, and when to say "I do not know"."""

import dataclasses

import numpy as np

from dmn_keras.layers.checks import probability
from dmn_keras.text import Encoder
from dmn_keras.training.answers import answer_questions, is_right
from dmn_keras.training.data import train_and_validation
from dmn_keras.training.evaluation import with_answers
from dmn_keras.training.unanswerable import common_words, without_answer
from dmn_keras.utils.files import atomic, read_json, write_json


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A map from the model's probability of its answer to the probability that the answer is right.

    `confidence = sigmoid(scale * logit(probability) + shift)`, Platt's scaling. A model trained on stories that hold
    the answer says its guesses about other stories too boldly; the two numbers, fitted to both, take that back.

    Attributes:
        scale: Slope on the probability's log odds.
        shift: Shift of the log odds.
        threshold: Confidence below which the answer is "I do not know".

    Reference:
        Platt 1999, "Probabilistic outputs for support vector machines"; Guo et al. 2017, arXiv:1706.04599.
    """

    scale: float
    shift: float
    threshold: float = 0.5

    def __post_init__(self):
        for name in ("scale", "shift"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
                raise ValueError(f"{name} must be a finite number. Received: {name}={value!r}")
        probability("threshold", self.threshold)

    def confidence(self, probabilities):
        """Return the confidence for a probability, or an array of them, each between 0 and 1."""
        return _sigmoid(self.scale * _log_odds(probabilities) + self.shift)

    @classmethod
    def fit(cls, probabilities, right, *, threshold=0.5):
        """Fit scale and shift by maximum likelihood.

        Args:
            probabilities: The model's probability of each of its answers.
            right: Whether each answer is right.
            threshold: As the attribute.

        Returns:
            The `Calibration`.

        Raises:
            ValueError: If all answers are right or all are wrong, from which nothing can be learned.
        """
        log_odds, right = _log_odds(probabilities), np.asarray(right, dtype=float)
        if len(np.unique(right)) < 2:
            raise ValueError("right must hold right and wrong answers. Received one kind alone.")
        features = np.stack([log_odds, np.ones_like(log_odds)], axis=1)
        weights = np.array([1.0, 0.0])
        for _ in range(100):  # Newton's method; the penalty keeps it finite where the classes do not overlap
            predicted = _sigmoid(features @ weights)
            gradient = features.T @ (predicted - right) + 1e-3 * weights
            curvature = (features * (predicted * (1 - predicted))[:, None]).T @ features + 1e-3 * np.eye(2)
            step = np.linalg.solve(curvature, gradient)
            weights = weights - step / max(1.0, np.abs(step).max())
            if np.abs(step).max() < 1e-8:
                break
        return cls(float(weights[0]), float(weights[1]), threshold)

    @classmethod
    def load(cls, path):
        """Read the `calibration.json` of a run.

        Raises:
            ValueError: If it is damaged.
        """
        content = read_json(path)
        try:
            return cls(**{field.name: content[field.name] for field in dataclasses.fields(cls)})
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is damaged: {error!r}. Nothing was changed.") from error


def _log_odds(probabilities):
    probabilities = np.clip(np.asarray(probabilities, dtype=float), 1e-7, 1 - 1e-7)
    return np.log(probabilities) - np.log1p(-probabilities)


def _sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def calibrate(run, source, *, threshold=0.5, batch_size=100):
    """Calibrate a run on its validation questions, measure the calibration on its test questions, and keep it.

    Both are asked twice: as they are, and of stories that do not hold the answer any more (`without_answer`).

    Args:
        run: The `RunFolder`.
        source: The `Source` of the questions.
        threshold: Confidence below which the answer is "I do not know".
        batch_size: Questions answered at a time.

    Returns:
        What `calibration.json` then holds: `"scale"`, `"shift"`, `"threshold"`, and `"validation"` and `"test"`, each
        a dict of `"whole"` and `"needed facts removed"` to what `measure` returns.

    Raises:
        FileNotFoundError: If the folder holds no trained model.
        ValueError: If the run is damaged, or its validation answers are all right or all wrong.
    """
    probability("threshold", threshold)
    model, vocabulary, recipe = run.load()
    train, valid = train_and_validation(
        source, validation_fraction=recipe.config.validation_fraction, seed=recipe.config.seed
    )
    common = {task: common_words(examples) for task, examples in train.items()}
    parts = {"validation": valid, "test": with_answers(source.load("test", seed=recipe.config.seed))}
    asked = {}  # part -> kind -> probabilities, right
    for part, tasks in parts.items():
        whole = [example for examples in tasks.values() for example in examples]
        cut = [without_answer(example, common[task]) for task, examples in tasks.items() for example in examples]
        kinds = zip(KINDS, (whole, [example for example in cut if example is not None]), strict=True)
        asked[part] = {kind: _answers(model, vocabulary, recipe, examples, batch_size) for kind, examples in kinds}
    probabilities, right = map(np.concatenate, zip(*asked["validation"].values(), strict=True))
    if not len(right):
        raise ValueError(f"{run.path} cannot be calibrated: there are no validation questions with answers.")
    if len(np.unique(right)) < 2:
        raise ValueError(
            f"{run.path} cannot be calibrated: its {len(right)} answers to validation questions, with and without the "
            f"facts they need, are all {'right' if right.any() else 'wrong'}."
        )
    fitted = Calibration.fit(probabilities, right, threshold=threshold)
    content = dataclasses.asdict(fitted)
    for part, kinds in asked.items():
        content[part] = {kind: measure(fitted, *answers) for kind, answers in kinds.items()}
    write_json(run.calibration, content)
    return content


KINDS = ("whole", "needed facts removed")
"""How stories are asked about: as they are, and without what their question needs."""


def _answers(model, vocabulary, recipe, examples, batch_size):
    """Return the probability of each answer and whether it is right, two arrays; both empty without a question."""
    if not examples:
        return np.zeros(0), np.zeros(0, dtype=bool)
    encoder = Encoder(vocabulary, max_facts=recipe.config.max_facts, fact_level=recipe.config.fact_level)
    answers = answer_questions(model, recipe, [encoder(e) for e in examples], batch_size=batch_size)
    right = [is_right(answer, example, vocabulary) for answer, example in zip(answers, examples, strict=True)]
    return np.array([answer.probability for answer in answers]), np.array(right)


def measure(calibration, probabilities, right, *, num_bins=10):
    """Measure how well confidence foretells right answers.

    Args:
        calibration: The `Calibration`.
        probabilities: The model's probability of each of its answers.
        right: Whether each answer is right.
        num_bins: Bins of equal width between 0 and 1.

    Returns:
        Dict of `"questions"`; `"right"`, percent; `"answered"`, percent with at least the threshold's confidence;
        `"right_of_answered"`, percent of those, `None` if there is none; `"calibration_error"`, the expected
        calibration error in percentage points; `"bins"`, a list of dicts of `"confidence"`, `"right"` (means of the
        bin, percent) and `"questions"`, empty bins left out.
    """
    right = np.asarray(right, dtype=float)
    confidence = calibration.confidence(probabilities)
    answered = confidence >= calibration.threshold
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


def plot_reliability(content, path):
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
