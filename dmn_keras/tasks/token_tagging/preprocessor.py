"""Sentences of tokens -> the ids of words and characters."""

import dataclasses

from dmn_keras.datasets.example import TokenTaggingExample
from dmn_keras.tasks.word_preprocessor import WordPreprocessor


@dataclasses.dataclass(frozen=True, slots=True)
class EncodedSentence:
    """A sentence as ids, not yet padded.

    Attributes:
        words: Id of each word.
        characters: Ids of each word's characters.
        tags: Number of each word's tag, none where they are not known.
        tokens: The words as they are written.
    """

    words: tuple[int, ...]
    characters: tuple[tuple[int, ...], ...]
    tags: tuple[int, ...]
    tokens: tuple[str, ...]


class TokenTaggingPreprocessor(WordPreprocessor):
    """Turns the tokens of sentences into the ids of words and characters.

    Example:

    >>> preprocessor = TokenTaggingPreprocessor()
    >>> preprocessor.adapt([{"tokens": ["Go", "!"], "tags": ["VERB", "PUNCT"]}])
    >>> preprocessor([{"tokens": ["Go", "home", "!"]}])["words"].shape
    (1, 3)
    """

    example_class = TokenTaggingExample

    def tokens(self, example: TokenTaggingExample) -> tuple[str, ...]:
        return example.tokens

    def labels_of(self, example: TokenTaggingExample) -> tuple[str, ...]:
        return example.tags

    def encode_one(self, example: TokenTaggingExample, number: int) -> EncodedSentence:
        words, characters = self.word_ids(example.tokens)
        return EncodedSentence(words, characters, tuple(map(self.label_id, example.tags)), tuple(example.tokens))
