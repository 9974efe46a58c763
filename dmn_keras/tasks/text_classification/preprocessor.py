"""Texts -> word ids."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from dmn_keras.datasets.example import TextClassificationExample
from dmn_keras.datasets.sst import draw_phrases
from dmn_keras.tasks.batching import Features
from dmn_keras.tasks.word_preprocessor import WordPreprocessor
from dmn_keras.text.words import split_words


@dataclasses.dataclass(frozen=True, slots=True)
class EncodedText:
    """A text as ids, not yet padded.

    Attributes:
        words: Id of each word.
        characters: Ids of each word's characters.
        label: Number of the class, -1 where it is not known.
        weight: Weight in the training loss.
        is_phrase: Whether an epoch may leave it out.
        tokens: The words as they are written.
    """

    words: tuple[int, ...]
    characters: tuple[tuple[int, ...], ...]
    label: int
    weight: float
    is_phrase: bool
    tokens: tuple[str, ...]


class TextClassificationPreprocessor(WordPreprocessor):
    """Turns texts into the ids of their words, as `split_words` finds them.

    Args:
        phrase_fraction: Fraction of the phrases in the training data that an epoch draws.
        **settings: Those of `WordPreprocessor`.

    Example:

    >>> preprocessor = TextClassificationPreprocessor()
    >>> preprocessor.adapt([{"text": "A lovely film.", "label": "positive"}])
    >>> preprocessor({"text": ["Lovely!"]})["words"].shape
    (1, 2)
    """

    example_class = TextClassificationExample

    def __init__(self, *, phrase_fraction: float = 0.5, **settings: Any):
        super().__init__(**settings)
        self.phrase_fraction = phrase_fraction

    def tokens(self, example: TextClassificationExample) -> list[str]:
        return split_words(example.text)

    def labels_of(self, example: TextClassificationExample) -> tuple[str, ...]:
        return (example.label,) if example.label else ()

    def encode_one(self, example: TextClassificationExample, number: int) -> EncodedText:
        tokens = tuple(self.tokens(example))
        if not tokens:
            raise ValueError(f"record {number}: text must hold at least one word. Received: {example.text!r}")
        words, characters = self.word_ids(tokens)
        label = self.label_id(example.label) if example.label else -1
        return EncodedText(words, characters, label, example.weight, example.is_phrase, tokens)

    def features(self, encoded: Sequence[EncodedText]) -> Features:
        def draw(rng):
            return draw_phrases(encoded, rng, self.phrase_fraction)

        weights = [example.weight for example in encoded]
        draws = any(example.is_phrase for example in encoded) and self.phrase_fraction < 1
        return dataclasses.replace(super().features(encoded), weights=weights, draw=draw if draws else None)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "phrase_fraction": self.phrase_fraction}
