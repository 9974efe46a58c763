"""Token tagging: sentences in, a tag for each word out."""

import keras
import numpy as np

from dmn_keras.losses import LabelCrossentropy
from dmn_keras.metrics import LabelAccuracy
from dmn_keras.models.text_dmn_config import TextDMNConfig, WordEncoderConfig
from dmn_keras.tasks.config import RunConfig, TrainerConfig
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.target import Target
from dmn_keras.tasks.token_tagging.answer import Tagging, tagging_text
from dmn_keras.tasks.token_tagging.config import TokenTaggingConfig
from dmn_keras.tasks.token_tagging.preprocessor import TokenTaggingPreprocessor
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
    >>> tagger.fit([{"tokens": ["Go", "home", "!"], "tags": ["VERB", "ADV", "PUNCT"]}])
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

    def network_options(self):
        return {"context_size": self.config.task.context_size}

    def targets(self):
        spec = FeatureSpec("int32", ("words",), padding=-1)
        return [Target("tags", spec, _tags, LabelCrossentropy(), metrics=(LabelAccuracy(),))]

    def answer(self, row, example):
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

    def score(self, examples, answers):
        """Return the accuracy: the percentage of the words whose tag is right."""
        pairs = zip(examples, answers, strict=True)
        right = [given == tag for example, answer in pairs for given, tag in _paired(answer, example)]
        return {"accuracy": 100.0 * np.mean(right)}

    def mistake(self, example, answer):
        wrong = [
            f"{word}: {given} for {tag}"
            for word, (given, tag) in zip(answer.words, _paired(answer, example), strict=True)
            if given != tag
        ]
        return {"wrong": ", ".join(wrong), "tokens": " ".join(example.tokens)} if wrong else None

    def explain(self, example, answer):
        return tagging_text(answer)


def _paired(answer, example):
    return zip(answer.tags, example.tags, strict=True)


def _tags(encoded):
    return [example.tags for example in encoded]
