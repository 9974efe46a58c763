"""Images and questions -> arrays of pixels and token ids; ids of answers -> answers."""

import collections
import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from dmn_keras.datasets.example import VisualQuestionAnsweringExample
from dmn_keras.layers.checks import positive_integer
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.preprocessor import Preprocessor, warn_of_one_class, warn_of_unseen
from dmn_keras.text import Vocabulary, sentence_ids, tokenize
from dmn_keras.utils.images import load_image

UNKNOWN_ANSWER = -1
"""Stands for an answer that is not given: it does not count in loss and metrics."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class EncodedQuestions:
    """An image and questions about it.

    Attributes:
        image: uint8 `(image_size, image_size, 3)`; questions about one image share the array.
        question: Ids of each question, ending with the end word.
        answer: Id of the answer to each question: the number of answers for one that training data lacks,
            `UNKNOWN_ANSWER` where there is none.
        question_texts: The questions as they are written.
    """

    image: np.ndarray
    question: tuple[tuple[int, ...], ...]
    answer: tuple[int, ...]
    question_texts: tuple[str, ...]


class VisualQuestionAnsweringPreprocessor(Preprocessor):
    """Turns images and questions into pixels and token ids, and ids into answers.

    Pixels stay whole numbers from 0 to 255: the network scales them. An image that several questions share is decoded
    and resized once.

    Args:
        image_size: Height and width in pixels that images are resized to (`dmn_keras.utils.images.load_image`).
        words: Words in the order of their ids, without the special ones; `None` before `adapt`.
        answers: The answers that can be given, in the order of their ids.

    Attributes:
        vocabulary: The `Vocabulary` of questions, `None` before `adapt`.

    Example:

    >>> preprocessor = VisualQuestionAnsweringPreprocessor(image_size=32)
    >>> image = np.zeros((40, 60, 3), np.uint8)
    >>> preprocessor.adapt([{"image": image, "question": "Is it red?", "answer": "no"}])
    >>> {name: array.shape for name, array in preprocessor({"image": [image], "question": ["Is it red?"]}).items()}
    {'image': (1, 32, 32, 3), 'question': (1, 1, 4)}
    """

    example_class = VisualQuestionAnsweringExample

    def __init__(self, image_size: int = 64, *, words: Iterable[str] | None = None, answers: Iterable[str] = ()):
        self.image_size = positive_integer("image_size", image_size)
        self.vocabulary: Any = None if words is None else Vocabulary(tuple(words))
        self.answers = tuple(answers)

    @property
    def is_adapted(self) -> bool:
        return self.vocabulary is not None

    def adapt(self, data: Any) -> None:
        """Learn the words of the questions, and the answers, the commonest first.

        Args:
            data: The training examples alone.

        Raises:
            ValueError: If there is no example, or none has an answer.
        """
        examples = self.read(data)
        counts = collections.Counter(example.answer for example in examples if example.answer)
        if not counts:
            raise ValueError(
                f"adapt needs at least one example with an answer. Received {len(examples)} examples, none with one."
            )
        questions = {example.question for example in examples}
        words = {word for question in questions for word in tokenize(question, lowercase=True)}
        self.vocabulary = Vocabulary(sorted(words))
        self.answers = tuple(sorted(counts, key=lambda answer: (-counts[answer], answer)))
        warn_of_one_class("answer", self.answers)

    @property
    def specs(self) -> dict[str, FeatureSpec]:
        return {
            "image": FeatureSpec("uint8", (self.image_size, self.image_size, 3)),
            "question": FeatureSpec("int32", ("questions", "question_words")),
        }

    def encode(self, examples: Sequence[VisualQuestionAnsweringExample]) -> list[EncodedQuestions]:
        """Return an image with a single question of each example.

        Raises:
            FileNotFoundError, TypeError, ValueError: As `dmn_keras.utils.images.load_image`; the message has the number
                of the question, from 1.
        """
        self.check_adapted()
        images: dict[Any, np.ndarray] = {}
        ids = {text: sentence_ids(self.vocabulary, text) for text in {example.question for example in examples}}
        answers = {answer: number for number, answer in enumerate(self.answers)}
        warn_of_unseen("answers", (example.answer for example in examples if example.answer), answers)
        encoded = []
        for number, example in enumerate(examples, start=1):
            key = example.image if isinstance(example.image, str | bytes | os.PathLike) else id(example.image)
            if key not in images:
                size = (self.image_size, self.image_size)
                images[key] = load_image(example.image, size=size, name=f"question {number}: image")
            answer = answers.get(example.answer, len(answers)) if example.answer else UNKNOWN_ANSWER
            encoded.append(EncodedQuestions(images[key], (ids[example.question],), (answer,), (example.question,)))
        return encoded

    def unseen_classes(self, examples: Sequence[VisualQuestionAnsweringExample]) -> set[str]:
        return {example.answer for example in examples if example.answer} - set(self.answers)

    def unseen_words(self, examples: Sequence[VisualQuestionAnsweringExample]) -> list[str]:
        return self.vocabulary.unknown_words({example.question: None for example in examples})

    def get_config(self) -> dict[str, Any]:
        return {
            "image_size": self.image_size,
            "words": list(self.vocabulary.known_words) if self.is_adapted else None,
            "answers": list(self.answers),
        }


def group_by_image(encoded: Sequence[EncodedQuestions], most: int) -> list[EncodedQuestions]:
    """Return images with up to `most` questions each, of images with questions that share their arrays.

    Args:
        encoded: What `VisualQuestionAnsweringPreprocessor.encode` returned.
        most: Most questions of an image; one with more is there several times.

    Returns:
        The groups, images and questions in their order.
    """
    of_image: dict[int, list[EncodedQuestions]] = {}
    for questions in encoded:
        of_image.setdefault(id(questions.image), []).append(questions)
    chunks = [same[i : i + most] for same in of_image.values() for i in range(0, len(same), most)]
    return [
        EncodedQuestions(
            chunk[0].image,
            tuple(ids for questions in chunk for ids in questions.question),
            tuple(answer for questions in chunk for answer in questions.answer),
            tuple(text for questions in chunk for text in questions.question_texts),
        )
        for chunk in chunks
    ]
