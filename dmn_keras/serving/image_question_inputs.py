"""Encoded images and questions in, answers out: the signature `text` of visual question answering."""

import os
import unicodedata

import numpy as np
import tensorflow as tf

from dmn_keras.datasets import VisualQuestionAnsweringExample
from dmn_keras.serving.image_ops import decode_images
from dmn_keras.serving.raw_inputs import RawInputs, padded_texts, raw_inputs, sample_words
from dmn_keras.serving.text_ops import TextOps, distinct_words
from dmn_keras.tasks.visual_question_answering import VisualQuestionAnsweringPreprocessor


class ImageQuestionInputs(RawInputs):
    """`image`, the bytes of PNG or JPEG files, and `question`.

    Gives `answer`, strings `(batch,)`, `probability`, `(batch,)`, `gates`, `(batch, passes, rows, columns)`, and
    `unknown_words`, strings `(batch, words)`, in lower case and Unicode's form NFD, padded with empty ones.
    """

    names = ("image", "question")

    def __init__(self, preprocessor: VisualQuestionAnsweringPreprocessor):
        super().__init__(name="image_question_inputs")
        self._text = TextOps(preprocessor.vocabulary)
        self._answers = tf.constant(preprocessor.answers)
        self._image_size = preprocessor.image_size

    def serve(self, run, image, question):
        read = self._text.read(tf.zeros_like(question), question)
        outputs = run(image=decode_images(image, self._image_size), question=read.question[:, None])
        unknown = distinct_words(read.unknown_at[:, 0], read.unknown, tf.shape(read.question)[0])
        probabilities = tf.nn.softmax(outputs["answer"][:, 0])
        return {
            "answer": tf.gather(self._answers, tf.argmax(probabilities, axis=-1)),
            "probability": tf.reduce_max(probabilities, axis=-1),
            "gates": outputs["gates"][:, 0],
            "unknown_words": unknown.to_tensor(""),
        }

    def samples(self, preprocessor):
        shape = (preprocessor.image_size, preprocessor.image_size, 3)
        image = np.random.default_rng(0).integers(256, size=shape, dtype="uint8")
        words = sample_words(preprocessor.vocabulary)
        return [VisualQuestionAnsweringExample(image, " ".join(of_question)) for of_question in words]

    def strings(self, examples):
        return {"image": [_content(e.image) for e in examples], "question": [e.question for e in examples]}

    def expected(self, task, examples):
        answers = task.predict(examples)
        unknown = [[unicodedata.normalize("NFD", word) for word in answer.unknown_words] for answer in answers]
        return {
            "answer": np.array([answer.answer.encode() for answer in answers], object),
            "probability": np.array([answer.probability for answer in answers]),
            "gates": np.array([answer.gates for answer in answers]),
            "unknown_words": padded_texts(unknown),
        }


def _content(image):
    """Return an image as the bytes of a file."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | os.PathLike):
        with open(image, "rb") as file:
            return file.read()
    return tf.io.encode_png(image if image.ndim == 3 else image[:, :, None]).numpy()


raw_inputs.register(VisualQuestionAnsweringPreprocessor, ImageQuestionInputs)
