import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import FactRetriever, ScatterGates
from dmn_keras.layers.fact_retriever import RETRIEVER_FEATURES
from tests.layers.helpers import compiled, numpy, randomize
from tests.reference.attention import gate_logits
from tests.reference.gru import sigmoid
from tests.reference.position import position_encoding

WORDS_KNOWN, UNITS = 12, 5
STORY = np.random.default_rng(0).integers(0, WORDS_KNOWN, (3, 40, 6)).astype("int32")
STORY[0, 7], STORY[2, 30:] = 0, 0
QUESTION = np.random.default_rng(1).integers(1, WORDS_KNOWN, (3, 4)).astype("int32")


def built(max_facts=10, **options):
    layer = FactRetriever(WORDS_KNOWN, UNITS, max_facts, **options)
    layer.build(STORY.shape, QUESTION.shape)
    return randomize(layer)


def retrieve(layer, story=STORY, question=QUESTION, **options):
    outputs = layer(ops.convert_to_tensor(story), ops.convert_to_tensor(question), **options)
    return {name: ops.convert_to_numpy(x) for name, x in outputs.items()}


def expected_gates():
    layer = built()
    words = numpy(layer.words.embeddings)

    weights = {
        "W1": np.concatenate([numpy(layer.gate.kernels[name]) for name in RETRIEVER_FEATURES]),
        "b1": numpy(layer.gate.bias),
        "W2": numpy(layer.gate.output_kernel)[:, 0],
        "b2": numpy(layer.gate.output_bias)[0],
    }
    gates = np.zeros(STORY.shape[:2])
    for b, question in enumerate(QUESTION):
        facts, [q] = (position_encoding(words[ids], ids > 0) for ids in (STORY[b], question[None]))
        gates[b] = sigmoid(gate_logits(facts, q, q, RETRIEVER_FEATURES, weights)) * STORY[b].any(axis=1)
    return gates


def best(gates, max_facts):
    """The facts above the threshold with the highest gates, the later of equal ones, in the story's order."""
    above = [t for t, gate in enumerate(gates) if gate > 0.5]
    ranked = sorted(above, key=lambda t: (round(1000 * gates[t]), t), reverse=True)
    return sorted(ranked[:max_facts])


@pytest.mark.parametrize("max_facts", [1, 10, 100])
def test_retrieves_the_facts_with_the_highest_gates_in_their_order(max_facts):
    found = retrieve(built(max_facts))
    np.testing.assert_allclose(found["gates"], expected_gates(), atol=1e-5)
    assert found["story"].shape == (3, min(40, max_facts), 6)
    for b, gates in enumerate(expected_gates()):
        chosen = best(gates, max_facts)
        assert np.flatnonzero(found["retrieved"][b]).tolist() == chosen
        np.testing.assert_array_equal(found["story"][b, : len(chosen)], STORY[b, chosen])
        assert not found["story"][b, len(chosen) :].any()


def test_more_facts_are_above_the_threshold_than_are_retrieved():
    # What the tests above and below look at.
    assert ((expected_gates() > 0.5).sum(axis=1) > 10).all()


def test_of_equal_gates_the_later_facts_are_retrieved():
    same = np.tile(STORY[:, best(expected_gates()[0], 1)[0]][:, None], (1, 40, 1))
    found = retrieve(built(3), story=same[:1], question=QUESTION[:1])
    assert np.flatnonzero(found["retrieved"][0]).tolist() == [37, 38, 39]


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, 7, 119, 120, 1000])
def test_facts_read_in_pieces_are_read_the_same(chunk):
    whole, pieces = retrieve(built(), training=True), retrieve(built(chunk=chunk))
    np.testing.assert_allclose(pieces["gates"], whole["gates"], atol=1e-6)
    np.testing.assert_array_equal(pieces["story"], whole["story"])
    outputs, _ = compiled(built(chunk=chunk), {"story": STORY, "question": QUESTION})
    np.testing.assert_allclose(outputs["gates"], whole["gates"], atol=1e-6)
    np.testing.assert_array_equal(outputs["story"], whole["story"])


def test_what_was_retrieved_is_retrieved_again():
    once = retrieve(built())
    again = retrieve(built(), story=once["story"])
    np.testing.assert_array_equal(again["story"], once["story"])


def test_padding_anywhere_changes_nothing():
    wider = np.zeros((3, 45, 8), "int32")
    places = np.setdiff1d(np.arange(45), [0, 9, 10, 30, 44])
    wider[np.ix_(range(3), places, [0, 1, 3, 4, 5, 7])] = STORY
    found = retrieve(built(), story=wider)
    np.testing.assert_allclose(found["gates"][:, places], expected_gates(), atol=1e-5)
    np.testing.assert_array_equal(found["retrieved"][:, places], retrieve(built())["retrieved"])


def test_a_story_that_is_closed_from_end_to_end_is_empty():
    layer = built()
    layer.gate.output_bias.assign([-100.0])
    found = retrieve(layer)
    assert not found["retrieved"].any()
    assert not found["story"].any()


def test_gates_return_to_where_the_retrieved_facts_stand():
    retrieved = np.array([[False, True, False, True], [True, True, True, False]])
    gates = np.arange(1, 13, dtype="float32").reshape(2, 2, 3)
    scattered = ops.convert_to_numpy(ScatterGates()(ops.convert_to_tensor(gates), ops.convert_to_tensor(retrieved)))
    expected = np.zeros((2, 2, 4))
    for b in range(2):
        places = np.flatnonzero(retrieved[b])
        expected[b][:, places] = gates[b][:, : len(places)]
    np.testing.assert_array_equal(scattered, expected)
