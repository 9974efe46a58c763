import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import FactEncoder
from tests.layers.helpers import compiled, gru_weights, numpy, randomize
from tests.layers.registry import D, U, random, word_mask
from tests.reference.gru import facts_at_sentence_ends, facts_at_words

STORY = random(3, 5, 4, D)
SENTENCE = random(3, 6, D)
SENTENCE_MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 1, 0]], bool)


@pytest.mark.parametrize("scope", ["story", "sentence"])
def test_facts_are_the_states_at_the_sentence_ends(scope):
    encoder = FactEncoder(U, scope=scope)
    encoder.build((None, None, None, D))
    weights = gru_weights(randomize(encoder).gru.cell)
    expected = np.stack([facts_at_sentence_ends(*row, weights, scope) for row in zip(STORY, word_mask(), strict=True)])
    eager = numpy(encoder(ops.convert_to_tensor(STORY), ops.convert_to_tensor(word_mask())))
    np.testing.assert_allclose(eager, expected, atol=1e-6)
    np.testing.assert_allclose(compiled(encoder, {"words": STORY}, {"mask": word_mask()})[0], expected, atol=1e-6)


def test_a_single_sentence_yields_a_fact_per_word():
    encoder = FactEncoder(U)
    encoder.build((None, None, D))
    weights = gru_weights(randomize(encoder).gru.cell)
    expected = np.stack([facts_at_words(*row, weights) for row in zip(SENTENCE, SENTENCE_MASK, strict=True)])
    eager = numpy(encoder(ops.convert_to_tensor(SENTENCE), ops.convert_to_tensor(SENTENCE_MASK)))
    np.testing.assert_allclose(eager, expected, atol=1e-6)
    np.testing.assert_allclose(compiled(encoder, {"words": SENTENCE}, {"mask": SENTENCE_MASK})[0], expected, atol=1e-6)


def test_keras_fills_in_the_mask_and_the_result_carries_one():
    ids = np.array([[[3, 0, 4], [0, 0, 0], [5, 6, 0]]])
    embedding = keras.layers.Embedding(7, D, mask_zero=True)
    encoder = FactEncoder(U)
    words = embedding(ops.convert_to_tensor(ids))
    facts = encoder(words)
    explicit = encoder(ops.convert_to_tensor(numpy(words).astype("float32")), ops.convert_to_tensor(ids != 0))
    np.testing.assert_allclose(numpy(facts), numpy(explicit), atol=1e-7)
    np.testing.assert_array_equal(ops.convert_to_numpy(keras.src.backend.get_keras_mask(facts)), [[True, False, True]])


def test_building_a_model_does_not_run_the_words(monkeypatch):
    """PyTorch would take minutes: unknown sizes stand for thousands of words, which it steps through one by one."""
    monkeypatch.setattr(FactEncoder, "call", lambda self, words, mask=None: pytest.fail("call was traced"))
    assert FactEncoder(U)(keras.Input((None, None, D))).shape == (None, None, U)
    assert FactEncoder(U)(keras.Input((None, D))).shape == (None, None, U)


def test_mask_of_the_result():
    encoder = FactEncoder(U)
    story, sentence = ops.convert_to_tensor(STORY), ops.convert_to_tensor(SENTENCE)
    mask = encoder.compute_mask(story, ops.convert_to_tensor(word_mask()))
    np.testing.assert_array_equal(ops.convert_to_numpy(mask), word_mask().any(-1))
    mask = encoder.compute_mask(sentence, ops.convert_to_tensor(SENTENCE_MASK))
    np.testing.assert_array_equal(ops.convert_to_numpy(mask), SENTENCE_MASK)
    assert encoder.compute_mask(story, None) is None


def test_errors():
    message = r"words must have shape \(batch, facts, words, dim\) or \(batch, words, dim\)"
    with pytest.raises(ValueError, match=message + r". Received: words.shape=\(2, 3\)"):
        FactEncoder(U)(ops.ones((2, 3)))
