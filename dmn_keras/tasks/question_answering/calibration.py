"""How far an answer's probability can be trusted: confidence, and when to say "I do not know"."""

import dataclasses
from typing import Any, Self

import numpy as np

from dmn_keras.layers.checks import probability
from dmn_keras.utils.files import read_json


@dataclasses.dataclass(frozen=True)
class Calibration:
    """A map from the model's probability of its answer to the probability that the answer is right.

    `confidence = sigmoid(scale * logit(probability) + shift)`, Platt's scaling. A model trained on stories that hold
    the answer is overconfident about other stories; the two numbers, fitted to both kinds of stories, correct this.

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

    def confidence(self, probabilities: Any) -> Any:
        """Return the confidence for a probability, or an array of them, each between 0 and 1."""
        return _sigmoid(self.scale * _log_odds(probabilities) + self.shift)

    @classmethod
    def fit(cls, probabilities: Any, right: Any, *, threshold: float = 0.5) -> Self:
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
    def load(cls, path: Any) -> Self:
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
