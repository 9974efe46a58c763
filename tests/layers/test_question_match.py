import numpy as np
from keras import ops

from dmn_keras.layers import QuestionMatch
from tests.layers.helpers import numpy, randomize
from tests.layers.registry import B, D, F, Q, U, W, random, word_ids

UNITS = 2
WORDS, STATES, IDS = random(B, F, W, D), random(B, Q, U), word_ids()


def match(words, story, question, states=STATES):
    inputs = [ops.convert_to_tensor(x) for x in (words, story, question, states)]
    layer = QuestionMatch(UNITS)
    layer(*inputs)
    randomize(layer)
    return numpy(layer(*inputs)), numpy(layer.project.kernel)


def test_words_carry_the_mean_state_of_their_places_in_the_question():
    found, kernel = match(WORDS, **IDS)
    story, question = IDS["story"], IDS["question"]
    expected = np.zeros((B, F, W, D + UNITS))
    expected[..., :D] = WORDS
    for place in np.ndindex(B, F, W):
        same = [q for q in range(Q) if question[place[0], q] == story[place] != 0]
        if same:
            expected[place][D:] = STATES[place[0], same].mean(axis=0) @ kernel
    assert (expected[..., D:] == 0).any()
    assert (expected[..., D:] != 0).any()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_single_sentence():
    whole, _ = match(WORDS, **IDS)
    alone, _ = match(WORDS[:, 1], IDS["story"][:, 1], IDS["question"])
    np.testing.assert_allclose(alone, whole[:, 1], atol=1e-6)
