import operator

import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import LexicalLinks, lexical_links
from tests.layers.helpers import compiled, gradients, numpy, randomize, weighted_sum
from tests.layers.registry import B, D, F, U, W, random, word_ids
from tests.reference.gru import sigmoid

UNITS = 2
WORDS, STORY, FACTS = random(B, F, W, D), word_ids()["story"], random(B, F, U)


def built(mode="neighbours"):
    layer = LexicalLinks(UNITS, mode=mode)
    layer.build((B, F, W, D), (B, F, W), (B, F, U))
    return randomize(layer)


def link(words=WORDS, story=STORY, facts=FACTS, mode="neighbours"):
    return numpy(built(mode)(*(ops.convert_to_tensor(x) for x in (words, story, facts))))


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


def expected_chains():
    layer = built(mode="chain")
    kernel, bias, words_kernel = (
        numpy(x) for x in (layer.project.kernel, layer.project.bias, layer.project_words.kernel)
    )
    linked = np.zeros((B, F, W, UNITS))
    for b in range(B):
        places = list(np.ndindex(F, W))
        for step in (1, -1):
            memories = {}
            for t, j in places[::step]:
                word = STORY[b, t, j]
                if word == 0:
                    continue
                memory = memories.get(word, np.zeros(UNITS))
                linked[b, t, j] += memory
                written = FACTS[b, t] @ kernel + bias + WORDS[b, t, j] @ words_kernel
                z, x = written.reshape(2, 2, UNITS)[0 if step == 1 else 1]
                z = np.clip(1.2 * sigmoid(z) - 0.1, 0, 1)
                memories[word] = (1 - z) * memory + z * x
    return np.concatenate([WORDS, linked], axis=-1)


def test_words_carry_what_was_written_along_their_chains():
    np.testing.assert_allclose(link(mode="chain"), expected_chains(), atol=1e-5)


@pytest.mark.usefixtures("float64")
def test_gradients_along_chains_are_those_of_differences(monkeypatch):
    monkeypatch.setattr(lexical_links, "_NOISE", 0.0)
    layer = randomize(LexicalLinks(UNITS, mode="chain", dtype="float64"))
    arrays = [WORDS.astype("float64"), FACTS.astype("float64")]

    def function(words, facts):
        words, facts = (ops.convert_to_tensor(x, dtype="float64") for x in (words, facts))
        return weighted_sum(layer(words, ops.convert_to_tensor(STORY), facts, training=True))

    function(*arrays)
    randomize(layer)
    found = gradients(function, arrays, layer.trainable_variables)
    rng, delta = np.random.default_rng(0), 1e-4
    for array, gradient in zip(arrays, found, strict=False):
        direction = rng.standard_normal(array.shape)
        up, down = ([a + sign * delta * direction if a is array else a for a in arrays] for sign in (1, -1))
        difference = (function(*up) - function(*down)) / (2 * delta)
        np.testing.assert_allclose(np.sum(gradient * direction), numpy(difference), rtol=1e-5)
    assert all(np.abs(gradient).max() > 1e-5 for gradient in found)


def test_gates_along_chains_are_noisy_in_training_alone():
    layer = built(mode="chain")
    arguments = [ops.convert_to_tensor(x) for x in (WORDS, STORY, FACTS)]
    first, second = (numpy(layer(*arguments, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(numpy(layer(*arguments)), numpy(layer(*arguments)))


@pytest.mark.slow
def test_what_a_chain_holds_outlasts_any_number_of_facts():
    """The first fact of a long chain is written, and nothing else."""
    layer = LexicalLinks(1, mode="chain")
    words, facts = np.zeros((1, 3000, 1, 1), "float32"), np.zeros((1, 3000, 1), "float32")
    facts[0, 0] = 1
    layer.build(words.shape, words.shape[:-1], facts.shape)
    layer.project.set_weights([np.array([[200.0, 7, 0, 0]]), np.array([-100.0, 0, -100, 0])])
    layer.project_words.set_weights([np.zeros((1, 4))])
    linked = layer(*(ops.convert_to_tensor(x) for x in (words, np.ones(words.shape[:-1], "int32"), facts)))
    np.testing.assert_array_equal(numpy(linked)[0, :, 0, 1], [0] + [7] * 2999)


@pytest.mark.parametrize("mode", ["neighbours", "chain"])
def test_a_word_that_stands_once_is_linked_to_nothing(mode):
    alone = np.arange(1, B * F * W + 1, dtype="int32").reshape(B, F, W)
    assert not link(story=alone, mode=mode)[..., D:].any()
    assert not link(story=np.zeros_like(STORY), mode=mode)[..., D:].any()


@pytest.mark.parametrize("mode", ["neighbours", "chain"])
def test_padding_anywhere_changes_nothing(mode):
    places, words = [0, 1, 3, 4, 6], [0, 2, 3, 5]
    story, vectors = np.zeros((B, F + 3, W + 2), "int32"), 7 * random(B, F + 3, W + 2, D)
    facts = 7 * random(B, F + 3, U)
    rows = np.ix_(range(B), places, words)
    story[rows], vectors[rows], facts[:, places] = STORY, WORDS, FACTS
    found = link(vectors, story, facts, mode)
    np.testing.assert_allclose(found[rows], link(mode=mode), atol=1e-5)
    found[rows] = 0
    assert not found[..., D:].any()


def test_hundreds_of_equal_words_stay_in_order():
    """The order of equal words rests on a sort that is stable."""
    facts = random(1, 900, U)
    found = link(np.zeros((1, 900, 1, D), "float32"), np.ones((1, 900, 1), "int32"), facts)[0, :, 0, D:]
    before, after = np.split(numpy(built().project.kernel), 2, axis=1)
    expected = np.zeros((900, UNITS))
    expected[1:] += facts[0, :-1] @ before
    expected[:-1] += facts[0, 1:] @ after
    np.testing.assert_allclose(found, expected, atol=1e-5)
