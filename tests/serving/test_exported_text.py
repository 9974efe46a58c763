"""An exported graph reads facts, writes answers and weighs unknown words as `Answerer.ask` does."""

import unicodedata

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported by TensorFlow alone", allow_module_level=True)

import tensorflow as tf

from dmn_keras.datasets import Example
from dmn_keras.serving import export
from dmn_keras.text import Vocabulary, join_sentences
from dmn_keras.training.calibration import Calibration
from tests.serving.exported import SETTINGS, answerer

QUESTIONS = [
    Example(("Mary went to the kitchen. John left.", "Mr. Smith moved\nto the U.S. He slept."), "Where is Mary?"),
    Example(("Zoe went to the garden.", "Xander went to the office.", "Yuri slept."), "Where is Zoe?"),
    Example(("Zoe\u0308 went to the kitchen.",), "Where is Zo\u00eb?"),
    Example(("Mary went to the kitchen.", "Zoe and Quinn left."), "Where is Mary?"),
]


@pytest.mark.parametrize("kind", SETTINGS)
def test_an_exported_graph_agrees_with_asking(kind, tmp_path):
    made = answerer(tmp_path / "run", kind)
    words = made.vocabulary.words[3:]
    made.vocabulary = Vocabulary(words, [word.title() for word in words])
    made.calibration = Calibration(scale=0.1, shift=4.0)
    path = export(made, tmp_path / "models", questions=QUESTIONS, warmup=False)
    story = tf.constant([join_sentences(example.story) for example in QUESTIONS])
    question = tf.constant([example.question for example in QUESTIONS])
    outputs = tf.saved_model.load(str(path)).signatures["serving_default"](story=story, question=question)
    expected = [made.ask(example.story, example.question, beam_width=3) for example in QUESTIONS]
    assert [answer.decode() for answer in outputs["answer"].numpy()] == [answer.answer for answer in expected]
    assert all(answer.answer == answer.answer.title() for answer in expected)
    np.testing.assert_allclose(outputs["confidence"], [answer.confidence for answer in expected], rtol=1e-3)
    unknown = [
        [unicodedata.normalize("NFC", word.decode()) for word in row] for row in outputs["unknown_words"].numpy()
    ]
    assert [tuple(filter(None, row)) for row in unknown] == [answer.unknown_words for answer in expected]
    assert outputs["known"].numpy().tolist() == [answer.known for answer in expected]
    assert len({round(answer.confidence, 2) for answer in expected}) > 1
