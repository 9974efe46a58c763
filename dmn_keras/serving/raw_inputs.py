"""What an exported graph reads of raw examples: text and encoded images in, the answers of a task out."""

import abc
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from dmn_keras.serving.samples import SAMPLES
from dmn_keras.serving.text_ops import TextOps
from dmn_keras.tasks.preprocessor import Preprocessor
from dmn_keras.tasks.question_answering import QuestionAnsweringPreprocessor
from dmn_keras.tasks.task import Task
from dmn_keras.text import Vocabulary, join_sentences


class RawInputs(tf.Module, abc.ABC):
    """The signature `text` of a task: strings `(batch,)` in, in TensorFlow operations alone.

    Class attributes:
        names: Names of the strings.
    """

    names: ClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def serve(self, run: Callable[..., dict], **strings: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return the outputs of the signature.

        Args:
            run: Function of the preprocessor's arrays by name to the outputs of the prediction network.
            **strings: The strings by name.
        """

    @abc.abstractmethod
    def strings(self, examples: Sequence) -> dict[str, list]:
        """Return examples as a server takes them: a list of texts or bytes for each of `names`."""

    @abc.abstractmethod
    def samples(self, preprocessor: Preprocessor) -> Sequence:
        """Return a few examples to compare the signature on where none are given."""

    @abc.abstractmethod
    def expected(self, task: Task, examples: Sequence) -> Mapping[str, Any]:
        """Return what the signature has to give for examples, as Python computes it."""


def sample_words(vocabulary: Vocabulary) -> list[tuple[str, ...]]:
    """Return a short, a longer and a long sequence of words of a vocabulary, none of which holds a blank."""
    words = tuple(word for word in vocabulary.known_words if not any(map(str.isspace, word)))
    return [words[:length] for length in (1, 6, 24)]


def padded_texts(texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Return lists of texts as an array of bytes, padded with empty ones."""
    rows = np.full((len(texts), max(map(len, texts))), b"", object)
    for row, of_row in zip(rows, texts, strict=True):
        row[: len(of_row)] = [text.encode() for text in of_row]
    return rows


@functools.singledispatch
def raw_inputs(preprocessor: Preprocessor) -> RawInputs | None:
    """Return the `RawInputs` of a preprocessor; `None` where a graph takes its arrays alone.

    `raw_inputs.register` adds those of a further class.
    """
    return None


class StoryInputs(RawInputs):
    """`story` and `question`; gives the outputs of the prediction network and `facts`, strings `(batch, facts)`."""

    names = ("story", "question")

    def __init__(self, preprocessor: QuestionAnsweringPreprocessor):
        super().__init__(name="story_inputs")
        self._text = TextOps(preprocessor.vocabulary, preprocessor.max_facts)

    def serve(self, run, story, question):
        read = self._text.read(story, question)
        apart = self._text.assign_placeholders(read)
        return {**run(story=apart.story, question=apart.question), "facts": read.facts}

    def strings(self, examples):
        return {"story": [join_sentences(e.story) for e in examples], "question": [e.question for e in examples]}

    def samples(self, preprocessor):
        return SAMPLES

    def expected(self, task, examples):
        outputs = task.prediction_network()(task.preprocessor(examples), training=False)
        return {**outputs, "facts": padded_texts([example.facts for example in task.preprocessor.encode(examples)])}


raw_inputs.register(QuestionAnsweringPreprocessor, StoryInputs)
