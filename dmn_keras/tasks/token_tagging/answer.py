"""The tags of a sentence, and the evidence for them."""

import dataclasses
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Tagging:
    """The tags of a sentence, and the evidence for them.

    Attributes:
        tags: The likeliest tag of each word.
        probabilities: Of each word a dict of all tags and their probabilities, which sum to 1.
        words: The words.
        gates: Of each word a tuple of one tuple a pass, with a number between 0 and 1 for each word of its context: as
            many words before it as after it, fewer at the ends of the sentence.
        unknown_words: Words that the model does not know; it reads their characters, if it reads any.
    """

    tags: tuple[str, ...]
    probabilities: tuple[Mapping[str, float], ...]
    words: tuple[str, ...]
    gates: tuple[tuple[tuple[float, ...], ...], ...]
    unknown_words: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict that JSON can hold."""
        return dataclasses.asdict(self)


def tagging_text(answer: Tagging) -> str:
    """Format a `Tagging` in a line: each word with its tag."""
    return " ".join(f"{word}/{tag}" for word, tag in zip(answer.words, answer.tags, strict=True))
