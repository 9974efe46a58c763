import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import PositionEncoder
from tests.layers.helpers import compiled, numpy
from tests.layers.registry import B, D, F, W, random, word_mask
from tests.reference.position import position_encoding

WORDS = random(B, F, W, D)


def encode(words, mask=None):
    mask = None if mask is None else ops.convert_to_tensor(mask)
    return numpy(PositionEncoder()(ops.convert_to_tensor(words), mask=mask))


def test_facts_are_those_of_the_equation():
    expected = np.stack([position_encoding(*row) for row in zip(WORDS, word_mask(), strict=True)])
    np.testing.assert_allclose(encode(WORDS, word_mask()), expected, atol=1e-6)
    outputs, _ = compiled(PositionEncoder(), {"words": WORDS}, {"mask": word_mask()})
    np.testing.assert_allclose(outputs, expected, atol=1e-6)
    expected = np.stack([position_encoding(story, np.ones((F, W))) for story in WORDS])
    np.testing.assert_allclose(encode(WORDS), expected, atol=1e-6)


def test_a_sentence_is_read_by_its_own_length():
    """Padding between and behind the words leaves each with its place and the sentence with its length."""
    padded, places = 7 * random(B, F, W + 3, D), [0, 2, 3, 6]
    padded[:, :, places] = WORDS
    mask = np.zeros((B, F, W + 3), bool)
    mask[:, :, places] = True
    np.testing.assert_allclose(encode(padded, mask), encode(WORDS), atol=1e-6)


def test_a_sentence_of_one_word():
    weights = np.arange(1, D + 1) / D
    np.testing.assert_allclose(encode(WORDS[:, :, :1]), weights * WORDS[:, :, 0], atol=1e-6)


def test_word_order_matters():
    assert np.abs(encode(WORDS) - encode(WORDS[:, :, ::-1])).max() > 0.1


def test_mask_of_the_result():
    words = ops.convert_to_tensor(WORDS)
    mask = PositionEncoder().compute_mask(words, ops.convert_to_tensor(word_mask()))
    np.testing.assert_array_equal(ops.convert_to_numpy(mask), word_mask().any(-1))
    assert PositionEncoder().compute_mask(words, None) is None


def test_errors():
    message = r"words must have shape \(batch, facts, words, dim\). Received: words.shape=\(2, 3, 4\)"
    with pytest.raises(ValueError, match=message):
        PositionEncoder()(ops.ones((2, 3, 4)))
