"""Answering questions about images."""

import operator
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dmn_keras.datasets.example import VisualQuestionAnsweringExample
from dmn_keras.losses import LabelCrossentropy
from dmn_keras.metrics import LabelAccuracy
from dmn_keras.models.visual_dmn_config import VisualDMNConfig
from dmn_keras.tasks.batching import Batches
from dmn_keras.tasks.config import RunConfig, TrainerConfig
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.target import Target
from dmn_keras.tasks.task import Task
from dmn_keras.tasks.visual_question_answering.answer import VisualAnswer, answer_text, region_table
from dmn_keras.tasks.visual_question_answering.config import VisualQuestionAnsweringConfig
from dmn_keras.tasks.visual_question_answering.preprocessor import (
    UNKNOWN_ANSWER,
    EncodedQuestions,
    VisualQuestionAnsweringPreprocessor,
    group_by_image,
)

NUM_OTHERS = 2
"""How many of the next likeliest answers are given."""


@keras.saving.register_keras_serializable(package="dmn_keras")
class VisualQuestionAnswerer(Task):
    """Answers questions about images, and shows which regions each pass attended to.

    An image is an array, the path or the bytes of a PNG or JPEG file. The answer is one of those of the training data.

    Args:
        config: A `RunConfig`, a `VisualDMNConfig`, or `None` for the defaults.
        preprocessor: A `VisualQuestionAnsweringPreprocessor`.
        **settings: Settings to change, by name.

    Raises:
        ValueError: If a setting is unknown or out of range, or the model is of another family.

    Example:

    >>> vqa = dmn_keras.VisualQuestionAnswerer.from_preset("easy-vqa")
    >>> image = np.full((64, 64, 3), 255, np.uint8)
    >>> image[20:40, 20:40] = (255, 0, 0)
    >>> vqa.ask(image, "What color is the shape?").answer
    'red'
    """

    preprocessor_class = VisualQuestionAnsweringPreprocessor
    families = ("visual_dmn",)
    default_config = RunConfig(
        task=VisualQuestionAnsweringConfig(),
        model=VisualDMNConfig(),
        trainer=TrainerConfig(learning_rate=2e-3, schedule="cosine", batch_size=16, epochs=20, patience=20),
    )

    def new_preprocessor(self) -> VisualQuestionAnsweringPreprocessor:
        return VisualQuestionAnsweringPreprocessor(self.config.model.input.image_size)

    def build_network(self) -> keras.Model:
        model = self.config.model.replace(image_size=self.preprocessor.image_size)
        network = model.build(len(self.preprocessor.vocabulary), len(self.preprocessor.answers))
        # A preset holds all weights: it does not need those that its training started from.
        self.config = self.config.replace(pretrained=None)
        return network

    def targets(self) -> list[Target]:
        spec = FeatureSpec("int32", ("questions",), padding=UNKNOWN_ANSWER)
        weight = 1 / self.config.task.questions_per_row  # the loss of a row is a sum over its questions
        answers = operator.attrgetter("answer")
        return [Target("answer", spec, answers, LabelCrossentropy(), weight, metrics=(LabelAccuracy(),))]

    def encoded_batches(self, encoded: Sequence[EncodedQuestions], **options: Any) -> Batches:
        return super().encoded_batches(group_by_image(encoded, self.config.task.questions_per_row), **options)

    def ask(self, image: np.ndarray | bytes | str | os.PathLike, question: str) -> VisualAnswer:
        """Answer one question.

        Args:
            image: Array uint8 `(height, width)` or `(height, width, channels)`, or the bytes or the path of a PNG or
                JPEG file.
            question: Text.

        Raises:
            FileNotFoundError, TypeError, ValueError: As `dmn_keras.utils.images.load_image`; or if the question holds
                no word.
        """
        [answer] = self.predict([{"image": image, "question": question}], batch_size=1)
        return answer

    def score(
        self, examples: Sequence[VisualQuestionAnsweringExample], answers: Sequence[VisualAnswer]
    ) -> dict[str, float]:
        """Return `"accuracy"` and, where the examples name several kinds of question, that of each, by its name."""
        kinds: dict[str, list[bool]] = {}
        for example, answer in zip(examples, answers, strict=True):
            kinds.setdefault(example.task, []).append(answer.answer == example.answer)
        rights = {"accuracy": [right for of_kind in kinds.values() for right in of_kind]}
        if len(kinds) > 1:
            rights |= kinds
        return {name: 100.0 * sum(right) / len(right) for name, right in rights.items()}

    def mistake(self, example: VisualQuestionAnsweringExample, answer: VisualAnswer) -> dict[str, Any] | None:
        if answer.answer == example.answer:
            return None
        return {
            "image": str(example.image) if isinstance(example.image, str | os.PathLike) else example.image_id,
            "question": example.question,
            "expected": example.answer,
            "answer": answer.answer,
            "probability": round(answer.probability, 4),
            "unknown_words": " ".join(answer.unknown_words),
        }

    def explain(self, example: VisualQuestionAnsweringExample, answer: VisualAnswer) -> str:
        right = f"; right: {example.answer}" if example.answer else ""
        return f"Question: {example.question}\nAnswer:   {answer_text(answer)}{right}\n\n{region_table(answer)}"

    def decode(
        self, outputs: Sequence[Mapping[str, np.ndarray]], encoded: Sequence[EncodedQuestions]
    ) -> list[VisualAnswer]:
        return [
            self._answer(output["answer"][0], output["gates"][0], questions.question_texts[0])
            for output, questions in zip(outputs, encoded, strict=True)
        ]

    def _answer(self, logits, gates, question):
        probabilities = np.exp(logits - logits.max())
        probabilities /= probabilities.sum()
        likeliest = np.argsort(-probabilities, kind="stable")[: 1 + NUM_OTHERS]
        (answer, probability), *others = [(self.preprocessor.answers[i], float(probabilities[i])) for i in likeliest]
        return VisualAnswer(
            answer=answer,
            probability=probability,
            gates=tuple(tuple(map(tuple, rows)) for rows in gates.tolist()),
            unknown_words=tuple(self.preprocessor.vocabulary.unknown_words([question])),
            others=tuple(others),
            question=question,
        )
