import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import PositionEncoding
from tests.layers.helpers import numpy
from tests.layers.registry import B, D, F, W, random, word_mask
from tests.reference.position import position_encoding

WORDS = random(B, F, W, D)


def encode(words, mask=None):
    mask = None if mask is None else ops.convert_to_tensor(mask)
    return numpy(PositionEncoding()(ops.convert_to_tensor(words), mask=mask))


def test_facts_are_those_of_the_equation():
    expected = np.stack([position_encoding(*row) for row in zip(WORDS, word_mask(), strict=True)])
    np.testing.assert_allclose(encode(WORDS, word_mask()), expected, atol=1e-6)
    expected = np.stack([position_encoding(story, np.ones((F, W))) for story in WORDS])
    np.testing.assert_allclose(encode(WORDS), expected, atol=1e-6)


def test_mask_of_the_result():
    words = ops.convert_to_tensor(WORDS)
    mask = PositionEncoding().compute_mask(words, ops.convert_to_tensor(word_mask()))
    np.testing.assert_array_equal(ops.convert_to_numpy(mask), word_mask().any(-1))
    assert PositionEncoding().compute_mask(words, None) is None


def test_errors():
    message = r"words must have shape \(batch, facts, words, dim\). Received: words.shape=\(2, 3, 4\)"
    with pytest.raises(ValueError, match=message):
        PositionEncoding()(ops.ones((2, 3, 4)))
