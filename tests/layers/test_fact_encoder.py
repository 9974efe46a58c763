import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import FactEncoder
from tests.layers.helpers import compiled, gradients, gru_weights, numpy, randomize, weighted_sum
from tests.layers.registry import D, U, random, word_mask
from tests.reference.gru import facts_at_sentence_ends, facts_at_words

STORY = random(3, 5, 4, D)
SENTENCE = random(3, 6, D)
SENTENCE_MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 0, 0], [0, 0, 1, 0, 1, 0]], bool)


@pytest.fixture
def encoder():
    layer = FactEncoder(U)
    layer.build((None, None, None, D))
    return randomize(layer)


def test_facts_are_the_states_at_the_sentence_ends(encoder):
    weights = gru_weights(encoder.gru.cell)
    expected = np.stack([facts_at_sentence_ends(*row, weights) for row in zip(STORY, word_mask(), strict=True)])
    eager = numpy(encoder(ops.convert_to_tensor(STORY), ops.convert_to_tensor(word_mask())))
    np.testing.assert_allclose(eager, expected, atol=1e-6)
    np.testing.assert_allclose(compiled(encoder, {"words": STORY}, {"mask": word_mask()})[0], expected, atol=1e-6)


def test_a_fact_of_scope_sentence_is_that_sentence_alone():
    encoder = FactEncoder(U, scope="sentence")
    encoder.build((None, None, None, D))
    weights = gru_weights(randomize(encoder).gru.cell)
    expected = [facts_at_sentence_ends(*row, weights, "sentence") for row in zip(STORY, word_mask(), strict=True)]
    eager = numpy(encoder(ops.convert_to_tensor(STORY), ops.convert_to_tensor(word_mask())))
    np.testing.assert_allclose(eager, np.stack(expected), atol=1e-6)
    outputs, _ = compiled(encoder, {"words": STORY}, {"mask": word_mask()})
    np.testing.assert_allclose(outputs, np.stack(expected), atol=1e-6)


def test_without_mask_all_words_are_real(encoder):
    weights = gru_weights(encoder.gru.cell)
    expected = np.stack([facts_at_sentence_ends(row, np.ones((5, 4)), weights) for row in STORY])
    np.testing.assert_allclose(numpy(encoder(ops.convert_to_tensor(STORY))), expected, atol=1e-6)


def test_a_single_sentence_yields_a_fact_per_word(encoder):
    weights = gru_weights(encoder.gru.cell)
    expected = np.stack([facts_at_words(*row, weights) for row in zip(SENTENCE, SENTENCE_MASK, strict=True)])
    eager = numpy(encoder(ops.convert_to_tensor(SENTENCE), ops.convert_to_tensor(SENTENCE_MASK)))
    np.testing.assert_allclose(eager, expected, atol=1e-6)
    np.testing.assert_allclose(compiled(encoder, {"words": SENTENCE}, {"mask": SENTENCE_MASK})[0], expected, atol=1e-6)


def test_padding_between_words_and_sentences_changes_nothing(encoder):
    """Outputs and gradients of a story without padding, and of the same with padding sown into it."""
    rng = np.random.default_rng(3)
    story = random(2, 3, 3, D)
    rows, columns = [0, 2, 3], [1, 2, 5]
    padded = 5 * rng.standard_normal((2, 6, 7, D)).astype("float32")
    padded[np.ix_([0, 1], rows, columns)] = story
    mask = np.zeros((2, 6, 7), bool)
    mask[np.ix_([0, 1], rows, columns)] = True

    def plain(words):
        return weighted_sum(encoder(ops.convert_to_tensor(words)))

    def sown(words):
        facts = encoder(ops.convert_to_tensor(words), ops.convert_to_tensor(mask))
        return weighted_sum(ops.stack([facts[:, row] for row in rows], axis=1))

    facts = numpy(encoder(ops.convert_to_tensor(padded), ops.convert_to_tensor(mask)))
    np.testing.assert_allclose(facts[:, rows], numpy(encoder(ops.convert_to_tensor(story))), atol=1e-6)
    assert np.all(facts[:, [1, 4, 5]] == 0)
    by_story, *by_weights = gradients(plain, [story], encoder.weights)
    by_padded, *by_weights_padded = gradients(sown, [padded], encoder.weights)
    np.testing.assert_allclose(by_padded[np.ix_([0, 1], rows, columns)], by_story, atol=1e-5)
    assert np.all(by_padded[~mask] == 0)
    for a, b in zip(by_weights, by_weights_padded, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_an_empty_story_gives_zeros(encoder):
    nothing = np.zeros((3, 5, 4), bool)
    assert np.all(numpy(encoder(ops.convert_to_tensor(STORY), ops.convert_to_tensor(nothing))) == 0)


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
    with pytest.raises(ValueError, match=r"units must be a positive integer. Received: units=0"):
        FactEncoder(0)
    with pytest.raises(ValueError, match=r"scope must be one of story, sentence. Received: 'word'"):
        FactEncoder(U, scope="word")
    message = r"words must have shape \(batch, facts, words, dim\) or \(batch, words, dim\)"
    with pytest.raises(ValueError, match=message + r". Received: words.shape=\(2, 3\)"):
        FactEncoder(U)(ops.ones((2, 3)))
