"""The class of a text, and the evidence for it."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Classification:
    """The class of a text, and the evidence for it.

    Attributes:
        label: The likeliest class.
        probability: Its probability, between 0 and 1.
        probabilities: Dict of all classes and their probabilities, which sum to 1.
        words: The words of the text.
        gates: Tuple of one tuple a pass, with a number between 0 and 1 for each word.
        unknown_words: Words that the model does not know.
    """

    label: str
    probability: float
    probabilities: Mapping[str, float]
    words: tuple[str, ...]
    gates: tuple[tuple[float, ...], ...]
    unknown_words: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict that JSON can hold."""
        return dataclasses.asdict(self)


def classification_text(answer: Classification) -> str:
    """Format a `Classification` in a line: its class and probability."""
    return f"{answer.label} (probability {answer.probability:.3f})"
