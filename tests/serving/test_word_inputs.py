"""Text classification and token tagging are exported with text in."""

import keras
import numpy as np
import pytest

from dmn_keras import TextClassifier, TokenTagger
from dmn_keras.datasets import TextClassificationExample, TokenTaggingExample

if keras.backend.backend() != "tensorflow":
    pytest.skip("a SavedModel is written by TensorFlow", allow_module_level=True)

import tensorflow as tf

SIZES = {"units": 6, "embedding_dim": 4, "gate_units": 4, "min_count": 1}


def test_a_classifier_is_served_from_text(tmp_path):
    task = TextClassifier(**SIZES)
    examples = [TextClassificationExample("It's lovely!", "good"), TextClassificationExample("a dull film", "bad")]
    task.adapt(examples)
    path = task.export(tmp_path, warmup=False)
    served = tf.saved_model.load(str(path)).signatures["text"](text=tf.constant(["Isn't it lovely?", ""]))
    [answer] = task.predict([{"text": "Isn't it lovely?"}])
    assert served["label"].numpy()[0].decode() == answer.label
    assert [word.decode() for word in served["words"].numpy()[0]] == list(answer.words)
    assert [word.decode() for word in served["unknown_words"].numpy()[0]] == list(answer.unknown_words)
    assert len(answer.unknown_words) > 1
    np.testing.assert_allclose(served["gates"][0], answer.gates, atol=1e-5)
    np.testing.assert_allclose(served["probabilities"][0], list(answer.probabilities.values()), atol=1e-5)
    assert np.isfinite(served["probabilities"]).all()


def test_a_tagger_is_served_from_tokens(tmp_path):
    task = TokenTagger(**SIZES, character_units=4)
    examples = [TokenTaggingExample(("Go", "home"), ("VERB", "ADV")), TokenTaggingExample(("!",), ("PUNCT",))]
    task.adapt(examples)
    path = task.export(tmp_path, warmup=False)
    served = tf.saved_model.load(str(path)).signatures["text"](tokens=tf.constant(["Come home !", "Go"]))
    answers = task.predict([{"tokens": ["Come", "home", "!"]}, {"tokens": ["Go"]}])
    tags = [tuple(tag.decode() for tag in row if tag) for row in served["tags"].numpy()]
    assert tags == [answer.tags for answer in answers]
    assert served["unknown_words"].numpy().tolist() == [[b"Come"], [b""]]
    assert [answer.unknown_words for answer in answers] == [("Come",), ()]
