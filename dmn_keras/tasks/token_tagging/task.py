"""Token tagging: sentences in, a tag for each word out."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dmn_keras.datasets.example import TokenTaggingExample
from dmn_keras.losses import LabelCrossentropy
from dmn_keras.metrics import LabelAccuracy
from dmn_keras.models.text_dmn_config import TextDMNConfig, WordEncoderConfig
from dmn_keras.tasks.config import RunConfig, TrainerConfig
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.target import Target
from dmn_keras.tasks.token_tagging.answer import Tagging, tagging_text
from dmn_keras.tasks.token_tagging.config import TokenTaggingConfig
from dmn_keras.tasks.token_tagging.preprocessor import EncodedSentence, TokenTaggingPreprocessor
from dmn_keras.tasks.word_task import WordTask
from dmn_keras.tasks.words_config import WordsConfig


@keras.saving.register_keras_serializable(package="dmn_keras")
class TokenTagger(WordTask):
    """Gives each word of a sentence one of the tags of its training data.

    Each word has a memory of its own: its question is the learned one and the word itself, its facts are the words
    around it, and the memory is its answer (Kumar et al. 2015, arXiv:1506.07285, section 4.3).

    Args:
        config: A `RunConfig`, a `TextDMNConfig`, or `None` for the defaults.
        preprocessor: A `TokenTaggingPreprocessor`.
        **settings: Settings to change, by name.

    Example:

    >>> tagger = TokenTagger(units=32)
    >>> history = tagger.fit([{"tokens": ["Go", "home", "!"], "tags": ["VERB", "ADV", "PUNCT"]}], verbose=0)
    >>> len(tagger.predict([{"tokens": ["Come", "home"]}])[0].tags)
    2
    """

    preprocessor_class = TokenTaggingPreprocessor
    default_config = RunConfig(
        task=TokenTaggingConfig(),
        model=TextDMNConfig(input=WordEncoderConfig(character_units=64)),
        data=WordsConfig(),
        trainer=TrainerConfig(
            batch_size=32, epochs=14, patience=14, schedule="cosine", num_buckets=6, learning_rate=2e-3, clip_norm=50.0
        ),
    )

    def network_options(self) -> dict[str, Any]:
        return {"context_size": self.config.task.context_size}

    def targets(self) -> list[Target]:
        spec = FeatureSpec("int32", ("words",), padding=-1)
        return [Target("tags", spec, operator.attrgetter("tags"), LabelCrossentropy(), metrics=(LabelAccuracy(),))]

    def answer(self, row: Mapping[str, np.ndarray], example: EncodedSentence) -> Tagging:
        num_words, size, names = len(example.words), self.config.task.context_size, self.preprocessor.labels
        probabilities = row["probabilities"][:num_words]
        gates = []
        for place, of_word in enumerate(row["gates"][:num_words].tolist()):
            first, end = max(size - place, 0), size + num_words - place
            gates.append(tuple(tuple(of_pass[first:end]) for of_pass in of_word))
        return Tagging(
            tags=tuple(names[index] for index in np.argmax(probabilities, axis=-1).tolist()),
            probabilities=tuple(dict(zip(names, of_word, strict=True)) for of_word in probabilities.tolist()),
            words=example.tokens,
            gates=tuple(gates),
            unknown_words=self.preprocessor.unknown_words(example.tokens),
        )

    def score(self, examples: Sequence[TokenTaggingExample], answers: Sequence[Tagging]) -> dict[str, float]:
        """Return the accuracy: the percentage of the words whose tag is right."""
        right = [
            given == tag
            for example, answer in zip(examples, answers, strict=True)
            for given, tag in zip(answer.tags, example.tags, strict=True)
        ]
        return {"accuracy": 100.0 * float(np.mean(right))}

    def mistake(self, example: TokenTaggingExample, answer: Tagging) -> dict[str, Any] | None:
        wrong = [
            f"{word}: {given} for {tag}"
            for word, given, tag in zip(answer.words, answer.tags, example.tags, strict=True)
            if given != tag
        ]
        return {"wrong": ", ".join(wrong), "tokens": " ".join(example.tokens)} if wrong else None

    def explain(self, example: TokenTaggingExample, answer: Tagging) -> str:
        return tagging_text(answer)
