import numpy as np
from keras import ops

from dmn_keras.layers import FactEncoder, LastState
from tests.layers.helpers import gru_weights, numpy, randomize
from tests.layers.registry import D, U, random
from tests.reference.gru import question_vector

WORDS = random(4, 5, D)
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)


def test_the_state_at_the_true_end_of_the_question():
    encoder = FactEncoder(U)
    encoder.build((None, None, D))
    randomize(encoder)
    weights = gru_weights(encoder.gru.cell)
    expected = np.stack([question_vector(*row, weights) for row in zip(WORDS, MASK, strict=True)])
    states = encoder(ops.convert_to_tensor(WORDS), ops.convert_to_tensor(MASK))
    q = LastState()(states, ops.convert_to_tensor(MASK))
    np.testing.assert_allclose(numpy(q), expected, atol=1e-6)


def test_the_result_carries_no_mask():
    states, mask = ops.convert_to_tensor(random(4, 5, U)), ops.convert_to_tensor(MASK)
    assert LastState().compute_mask(states, mask) is None
