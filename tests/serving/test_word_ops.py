"""Words in an exported graph are those of Python."""

import keras
import numpy as np
import pytest

from dmn_keras.datasets import TextClassificationExample
from dmn_keras.tasks.text_classification import TextClassificationPreprocessor
from dmn_keras.text.words import split_words

if keras.backend.backend() != "tensorflow":
    pytest.skip("written for TensorFlow", allow_module_level=True)

import tensorflow as tf

from dmn_keras.serving.word_ops import WordOps

TEXTS = [
    "It's a lovely, lovely film (isn't it?).",
    "Mr. Smith\u2019s actors\u2019 work -- \u201cgreat\u201d \u2026 twice. Yes!",
    "",
    "\u00a0\u3000 \n",
    "CAN'T well\u2010made soft\u00adware incomprehensibilities",
    "Stra\u00dfe \u041f\u0440\u0438\u0432\u0435\u0442, 1,000.",
    "[x] {y}; z: 10:30 ... ..",
]


@pytest.mark.parametrize("reads_characters", [True, False])
def test_words_and_ids_are_those_of_the_preprocessor(reads_characters):
    preprocessor = TextClassificationPreprocessor(reads_characters=reads_characters, min_count=1)
    preprocessor.adapt([TextClassificationExample(text, "good") for text in TEXTS[:2]])
    ops = WordOps(preprocessor)
    tokens = ops.split(tf.constant(TEXTS))
    assert [[word.decode() for word in row] for row in tokens.to_list()] == [split_words(text) for text in TEXTS]
    with_words = [text for text in TEXTS if split_words(text)]
    expected = preprocessor({"text": with_words})
    given = ops.ids(ops.split(tf.constant(with_words)))
    assert given.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(given[name], array)


def test_texts_without_words_have_one_place():
    preprocessor = TextClassificationPreprocessor(reads_characters=True)
    preprocessor.adapt([TextClassificationExample("a film", "good")])
    ops = WordOps(preprocessor)
    given = ops.ids(ops.split(tf.constant(["", " "])))
    assert [array.shape.as_list() for array in given.values()] == [[2, 1], [2, 1, 1]]
    assert not any(np.any(array) for array in given.values())
