"""An answer to a question about an image, and where the model looked."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class VisualAnswer:
    """An answer and the evidence for it.

    Attributes:
        answer: One of the answers of the training data.
        probability: Probability the model gives to it, between 0 and 1.
        gates: Of each pass the gates of the regions, a tuple of rows from top to bottom, each a tuple of numbers
            between 0 and 1 from left to right.
        unknown_words: Words of the question that the model does not know; it reads all of them as one word.
        others: The next likeliest answers, pairs of answer and probability.
        question: The question.
    """

    answer: str
    probability: float
    gates: tuple[tuple[tuple[float, ...], ...], ...]
    unknown_words: tuple[str, ...] = ()
    others: tuple[tuple[str, float], ...] = ()
    question: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that JSON can hold."""
        return dataclasses.asdict(self)


def answer_text(answer: VisualAnswer) -> str:
    """Format an answer in a line, with its probability."""
    return f"{answer.answer} (probability {answer.probability:.3f})"


def region_table(answer: VisualAnswer) -> str:
    """Format the gates of each pass for the terminal: a grid of regions, in hundredths."""
    blocks = []
    for number, rows in enumerate(answer.gates, start=1):
        lines = ("".join(f"{100 * gate:4.0f}" for gate in row) for row in rows)
        blocks.append("\n".join([f"pass {number}", *lines]))
    return "\n".join(blocks)
