import operator

import numpy as np
from keras import ops

from dmn_keras.layers import FactLinks
from tests.layers.helpers import compiled, numpy, randomize
from tests.layers.registry import B, D, F, U, W, random, word_ids

UNITS = 2
WORDS, STORY, FACTS = random(B, F, W, D), word_ids()["story"], random(B, F, U)


def built():
    layer = FactLinks(UNITS)
    layer.build((B, F, W, D), (B, F, W), (B, F, U))
    return randomize(layer)


def link(words=WORDS, story=STORY, facts=FACTS):
    return numpy(built()(*(ops.convert_to_tensor(x) for x in (words, story, facts))))


def expected():
    before, after = np.split(numpy(built().project.kernel), 2, axis=1)
    linked = np.zeros((B, F, W, UNITS))
    for b, t, j in np.ndindex(B, F, W):
        same = [place for place in np.ndindex(F, W) if STORY[b, *place] == STORY[b, t, j] != 0]
        earlier, later = ([s for s, k in same if side((s, k), (t, j))] for side in (operator.lt, operator.gt))
        if earlier:
            linked[b, t, j] += FACTS[b, earlier[-1]] @ before
        if later:
            linked[b, t, j] += FACTS[b, later[0]] @ after
    return np.concatenate([WORDS, linked], axis=-1)


def test_words_carry_the_facts_at_the_places_before_and_after_them():
    np.testing.assert_allclose(link(), expected(), atol=1e-5)
    outputs, _ = compiled(built(), {"words": WORDS, "story": STORY, "facts": FACTS})
    np.testing.assert_allclose(outputs, expected(), atol=1e-5)


def test_a_word_that_stands_once_is_linked_to_nothing():
    alone = np.arange(1, B * F * W + 1, dtype="int32").reshape(B, F, W)
    assert not link(story=alone)[..., D:].any()
    assert not link(story=np.zeros_like(STORY))[..., D:].any()


def test_padding_anywhere_changes_nothing():
    places, words = [0, 1, 3, 4, 6], [0, 2, 3, 5]
    story, vectors = np.zeros((B, F + 3, W + 2), "int32"), 7 * random(B, F + 3, W + 2, D)
    facts = 7 * random(B, F + 3, U)
    rows = np.ix_(range(B), places, words)
    story[rows], vectors[rows], facts[:, places] = STORY, WORDS, FACTS
    found = link(vectors, story, facts)
    np.testing.assert_allclose(found[rows], link(), atol=1e-5)
    found[rows] = 0
    assert not found[..., D:].any()


def test_which_word_it_is_does_not_matter():
    renamed = np.array([0, 7, 9, 8, 1, 2], "int32")[STORY]
    np.testing.assert_allclose(link(story=renamed), link(), atol=1e-5)


def test_hundreds_of_equal_words_stay_in_order():
    """The order of equal words rests on a sort that is stable."""
    facts = random(1, 900, U)
    found = link(np.zeros((1, 900, 1, D), "float32"), np.ones((1, 900, 1), "int32"), facts)[0, :, 0, D:]
    before, after = np.split(numpy(built().project.kernel), 2, axis=1)
    expected = np.zeros((900, UNITS))
    expected[1:] += facts[0, :-1] @ before
    expected[:-1] += facts[0, 1:] @ after
    np.testing.assert_allclose(found, expected, atol=1e-5)
