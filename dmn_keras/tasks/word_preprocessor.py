"""Words and their spelling -> ids, for tasks whose facts are words."""

import abc
import collections
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.preprocessor import Preprocessor, warn_of_one_class, warn_of_unseen
from dmn_keras.text import SPECIAL_WORDS, Vocabulary, lower
from dmn_keras.text.word_vectors import read_word_vectors

PADDING, UNKNOWN, START, END = range(4)
"""Ids of characters that are none of the alphabet: padding, unknown, and the two ends of a word."""
MAX_CHARACTERS = 14
"""Characters of a word that are read, half of them at either end; with the marks of its ends they fill 16 places."""


class WordPreprocessor(Preprocessor):
    """Base class of preprocessors that give each word an id, and its characters.

    Three kinds of words have an id: those that training data holds at least `min_count` times, whose vectors are
    learned; those it holds less often; and, of pretrained vectors, the first `num_pretrained_words`. They have the
    lowest, the next and the highest ids.

    Args:
        word_vectors: Source of pretrained vectors, see `dmn_keras.text.word_vectors.read_word_vectors`; read by `adapt`
            alone. `None` for none.
        num_pretrained_words: How many of their words, the first and so the most frequent ones, have an id though
            training data lacks them.
        min_count: How often training data holds a word whose vector is learned.
        reads_characters: Whether characters are an input.
        words: Words in the order of their ids, without the special ones; `None` before `adapt`.
        num_learned: How many ids have a learned vector.
        vector_dim: Size of a pretrained vector, `None` without.
        alphabet: The characters in the order of their ids.
        labels: The classes, in the order of their numbers.

    Attributes:
        vocabulary: The `Vocabulary`, `None` before `adapt`.
        vectors: Array float16 `(len(vocabulary), vector_dim)` after `adapt`; `None` without pretrained vectors, and
            after loading, where the network's weights hold them.
    """

    def __init__(
        self,
        *,
        word_vectors: str | None = None,
        num_pretrained_words: int = 40_000,
        min_count: int = 2,
        reads_characters: bool = False,
        words: Iterable[str] | None = None,
        num_learned: int = 0,
        vector_dim: int | None = None,
        alphabet: str = "",
        labels: Iterable[str] = (),
    ):
        self.word_vectors = word_vectors
        self.num_pretrained_words = num_pretrained_words
        self.min_count = min_count
        self.reads_characters = reads_characters
        self.vocabulary: Any = None if words is None else Vocabulary(tuple(words))
        self.num_learned = num_learned
        self.vector_dim = vector_dim
        self.alphabet = alphabet
        self._set_labels(labels)
        self.vectors: np.ndarray | None = None
        self._words: dict[str, tuple[int, tuple[int, ...]]] = {}

    @abc.abstractmethod
    def tokens(self, example: Any) -> Sequence[str]:
        """Return the words of an example."""

    @abc.abstractmethod
    def labels_of(self, example: Any) -> Sequence[str]:
        """Return the classes of an example, none where they are not known."""

    @property
    def is_adapted(self) -> bool:
        return self.vocabulary is not None

    def adapt(self, data: Any) -> None:
        """Learn vocabulary, alphabet and classes.

        Args:
            data: The training examples alone.

        Raises:
            ImportError, OSError, ValueError: If the word vectors cannot be read.
            ValueError: If there is no example, or one without its class.
        """
        examples = self.read(data)
        if not examples:
            raise ValueError("adapt needs at least one example. Received none.")
        for number, example in enumerate(examples, start=1):
            if not self.labels_of(example):
                raise ValueError(f"record {number}: training needs a label. Received: {example}"[:300])
        tokens = collections.Counter(word for example in examples for word in self.tokens(example))
        counts: collections.Counter = collections.Counter()
        for word, count in tokens.items():
            counts[lower(word)] += count
        words = sorted(counts.keys() - set(SPECIAL_WORDS), key=lambda word: (-counts[word], word))
        self.num_learned = len(SPECIAL_WORDS) + sum(counts[word] >= self.min_count for word in words)
        self.vectors = self.vector_dim = None
        if self.word_vectors is not None:
            words = self._read_vectors(words)
        self.vocabulary = Vocabulary(words)
        self.alphabet = "".join(sorted({character for word in tokens for character in word}))
        self._set_labels(sorted({label for example in examples for label in self.labels_of(example)}))
        warn_of_one_class("label", self.labels)
        self._words = {}

    def _set_labels(self, labels):
        self.labels = tuple(labels)
        self._label_ids = {label: number for number, label in enumerate(self.labels)}

    def _read_vectors(self, words):
        """Read the pretrained vectors, and return the words with those that have only such a vector."""
        known, self.vector_dim = read_word_vectors(self.word_vectors)
        if known.keys().isdisjoint(words):
            raise ValueError(f"{self.word_vectors} holds none of the {len(words)} words of the training data.")
        own = {*words, *SPECIAL_WORDS}
        frequent = list(known)[: self.num_pretrained_words]
        words = [*words, *(word for word in frequent if word not in own and word == lower(word))]
        self.vectors = np.zeros((len(SPECIAL_WORDS) + len(words), self.vector_dim), "float16")
        for index, word in enumerate(words, start=len(SPECIAL_WORDS)):
            if word in known:
                self.vectors[index] = known[word]
        return words

    @property
    def specs(self) -> dict[str, FeatureSpec]:
        specs = {"words": FeatureSpec("int32", ("words",))}
        if self.reads_characters:
            specs["characters"] = FeatureSpec("int32", ("words", "characters"))
        return specs

    @property
    def num_characters(self) -> int | None:
        """Number of character ids, `None` where characters are not read."""
        return END + 1 + len(self.alphabet) if self.reads_characters else None

    @property
    def vectors_shape(self) -> tuple[int, int] | None:
        """Shape of the table of pretrained vectors, `None` without."""
        return None if self.vector_dim is None else (len(self.vocabulary), self.vector_dim)

    def encode(self, examples: Sequence) -> list:
        """Return the ids of examples, and warn of labels that the training data lacks, which count as wrong."""
        self.check_adapted()
        warn_of_unseen("labels", (label for example in examples for label in self.labels_of(example)), self.labels)
        return [self.encode_one(example, number) for number, example in enumerate(examples, start=1)]

    @abc.abstractmethod
    def encode_one(self, example: Any, number: int) -> Any:
        """Return the ids of an example, the `number`-th of those given.

        Raises:
            ValueError: If it holds no word; the message names its number.
        """

    def word_ids(self, words: Sequence[str]) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
        """Return the ids of words, and the ids of the characters of each."""
        found = [self._words.get(word) or self._word(word) for word in words]
        return tuple(word for word, _ in found), tuple(characters for _, characters in found)

    def _word(self, word):
        [index] = self.vocabulary.ids([word])
        characters = ()
        if self.reads_characters:
            half = MAX_CHARACTERS // 2
            read = word if len(word) <= MAX_CHARACTERS else word[:half] + word[-half:]
            found = (self.alphabet.find(character) for character in read)
            characters = (START, *(UNKNOWN if place < 0 else END + 1 + place for place in found), END)
        self._words[word] = index, characters
        return self._words[word]

    def label_id(self, label: str) -> int:
        """Return the number of a class, that after the last one for a class that training data lacks."""
        return self._label_ids.get(label, len(self.labels))

    def unseen_classes(self, examples: Sequence) -> set[str]:
        return {label for example in examples for label in self.labels_of(example)} - self._label_ids.keys()

    def unknown_words(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the different words that have no id."""
        return tuple(dict.fromkeys(word for word in words if lower(word) not in self.vocabulary))

    def unseen_words(self, examples: Sequence) -> list[str]:
        words = dict.fromkeys(lower(word) for example in examples for word in self.tokens(example))
        return [word for word in words if word not in self.vocabulary]

    def get_config(self) -> dict[str, Any]:
        return {
            "word_vectors": self.word_vectors,
            "num_pretrained_words": self.num_pretrained_words,
            "min_count": self.min_count,
            "reads_characters": self.reads_characters,
            "words": self.vocabulary.known_words if self.is_adapted else None,
            "num_learned": self.num_learned,
            "vector_dim": self.vector_dim,
            "alphabet": self.alphabet,
            "labels": self.labels,
        }
