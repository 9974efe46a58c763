"""Text classification: texts in, classes out."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dmn_keras.datasets.example import TextClassificationExample
from dmn_keras.losses import LabelCrossentropy
from dmn_keras.metrics import LabelAccuracy
from dmn_keras.models.text_dmn_config import TextDMNConfig
from dmn_keras.tasks.config import RunConfig, TrainerConfig
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.target import Target
from dmn_keras.tasks.text_classification.answer import Classification, classification_text
from dmn_keras.tasks.text_classification.config import TextClassificationConfig
from dmn_keras.tasks.text_classification.preprocessor import EncodedText, TextClassificationPreprocessor
from dmn_keras.tasks.word_task import WordTask
from dmn_keras.tasks.words_config import WordsConfig


@keras.saving.register_keras_serializable(package="dmn_keras")
class TextClassifier(WordTask):
    """Gives a text one of the classes of its training data, and shows which words decided.

    Every word is a fact, the question is learned, and the memory is the answer (Kumar et al. 2015, arXiv:1506.07285,
    section 4.2).

    Args:
        config: A `RunConfig`, a `TextDMNConfig`, or `None` for the defaults.
        preprocessor: A `TextClassificationPreprocessor`.
        **settings: Settings to change, by name.

    Example:

    >>> classifier = TextClassifier(units=32)
    >>> examples = [{"text": "A lovely film.", "label": "good"}, {"text": "A dull film.", "label": "bad"}]
    >>> history = classifier.fit(examples, verbose=0)
    >>> classifier.predict([{"text": "What a lovely film!"}])[0].words
    ('What', 'a', 'lovely', 'film', '!')
    """

    preprocessor_class = TextClassificationPreprocessor
    default_config = RunConfig(
        task=TextClassificationConfig(),
        model=TextDMNConfig(dropout=0.5),
        data=WordsConfig(),
        trainer=TrainerConfig(batch_size=64, epochs=10, patience=10, schedule="cosine", num_buckets=6),
    )

    def preprocessor_options(self) -> dict[str, Any]:
        return {"phrase_fraction": self.config.task.phrase_fraction}

    def targets(self) -> list[Target]:
        spec = FeatureSpec("int32", padding=-1)  # rows that only fill a batch have no class
        return [Target("label", spec, operator.attrgetter("label"), LabelCrossentropy(), metrics=(LabelAccuracy(),))]

    def answer(self, row: Mapping[str, np.ndarray], example: EncodedText) -> Classification:
        probabilities = dict(zip(self.preprocessor.labels, row["probabilities"].tolist(), strict=True))
        label = self.preprocessor.labels[int(np.argmax(row["probabilities"]))]
        return Classification(
            label=label,
            probability=probabilities[label],
            probabilities=probabilities,
            words=example.tokens,
            gates=tuple(map(tuple, row["gates"][:, : len(example.words)].tolist())),
            unknown_words=self.preprocessor.unknown_words(example.tokens),
        )

    def score(
        self, examples: Sequence[TextClassificationExample], answers: Sequence[Classification]
    ) -> dict[str, float]:
        right = [answer.label == example.label for example, answer in zip(examples, answers, strict=True)]
        return {"accuracy": 100.0 * float(np.mean(right))}

    def mistake(self, example: TextClassificationExample, answer: Classification) -> dict[str, Any] | None:
        if answer.label == example.label:
            return None
        probability = round(answer.probability, 4)
        unknown = " ".join(answer.unknown_words)
        shown = {"expected": example.label, "answer": answer.label, "probability": probability}
        return {**shown, "unknown_words": unknown, "text": example.text}

    def explain(self, example: TextClassificationExample, answer: Classification) -> str:
        right = f"; right: {example.label}" if example.label else ""
        return f"Text:  {example.text}\nClass: {classification_text(answer)}{right}"
