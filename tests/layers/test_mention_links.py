import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import MentionLinks
from tests.layers.helpers import compiled, gru_weights, numpy, randomize
from tests.layers.registry import B, D, F, Q, U, W, random, word_ids
from tests.reference.gru import fused_facts, sigmoid

ROUNDS = 2
INPUTS = {
    "words": random(B, F, W, D),
    "story": word_ids()["story"],
    "question_words": random(B, Q, D + 1),
    "question": word_ids()["question"],
}


def built(rounds=ROUNDS, units=U, ordered=False):
    layer = MentionLinks(units, rounds, ordered=ordered)
    layer.build(*(x.shape for x in INPUTS.values()))
    return randomize(layer)


def read(inputs, layer=None):
    layer = built() if layer is None else layer
    return numpy(layer(**{name: ops.convert_to_tensor(x) for name, x in inputs.items()}))


def compute_expected(layer, words, story, question_words, question):
    """Facts and question of one example, place by place."""
    weights = {
        name: numpy(getattr(layer, name).kernel)
        for name in ("role", "message", "update_role", "update_message", "update_fact")
    }
    biases = {name: numpy(getattr(layer, name).bias) for name in ("role", "update_role")}
    first, ids = {}, {}  # in the order of the text: the question comes last
    for t in range(F + 1):
        vectors, numbers = (words[t], story[t]) if t < F else (question_words, question)
        reader = layer.read_story if t < F else layer.read_question
        directions = (gru_weights(gru.cell) for gru in (reader.forward_gru, reader.backward_gru))
        for place, state in enumerate(fused_facts(vectors, numbers != 0, *directions)):
            if numbers[place]:
                first[t, place], ids[t, place] = state, numbers[place]

    def exchange(states):
        kept = {p: np.max([states[r] for r in ids if ids[r] == ids[p]], axis=0) for p in ids}
        messages = {p: state + ordered(p, states) for p, state in kept.items()}
        facts = np.zeros((F + 1, U))
        for place, message in messages.items():
            a, b = first[place] @ weights["role"] + biases["role"], message @ weights["message"]
            facts[place[0]] = np.maximum(facts[place[0]], a + b + a * b)
        return kept, messages, facts

    def ordered(place, states):
        if layer.order is None:
            return 0
        kernels = np.split(numpy(layer.order.kernel), 2, axis=1)
        same = [p for p in ids if ids[p] == ids[place]]
        nearest = ([p for p in same if p < place][-1:], [p for p in same if p > place][:1])
        return sum(states[p] @ kernel for found, kernel in zip(nearest, kernels, strict=True) for p in found)

    def update(place, kept, message, fact):
        known = first[place] @ weights["update_role"] + biases["update_role"]
        gate, candidate = np.split(known + message @ weights["update_message"] + fact @ weights["update_fact"], 2)
        gate = sigmoid(gate + 1)
        state = gate * kept + (1 - gate) * np.maximum(candidate, 0)
        normed = (state - state.mean()) / np.sqrt(state.var() + layer.norm.epsilon)
        return normed * numpy(layer.norm.gamma) + numpy(layer.norm.beta)

    kept, messages, facts = exchange(first)
    for _ in range(ROUNDS):
        kept, messages, facts = exchange({p: update(p, kept[p], messages[p], facts[p[0]]) for p in ids})
    return facts[:F], facts[F]


@pytest.mark.parametrize("ordered", [False, True])
def test_facts_and_question_are_those_of_the_equations(ordered):
    layer = built(ordered=ordered)
    examples = [compute_expected(layer, *(x[b] for x in INPUTS.values())) for b in range(B)]
    expected = [np.stack(x) for x in zip(*examples, strict=True)]
    for found in (read(INPUTS, layer), compiled(layer, INPUTS)[0]):
        for x, y in zip(found, expected, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-5)


def find_changes(place, **inputs):
    """Which sentences change, the question last, if the first state of another word at a place of the story does."""
    layer = built(inputs.pop("rounds"), units=32)  # so many that a maximum hides no change of all of them
    facts, q = read(inputs, layer)
    words = inputs["words"].copy()
    words[0][place] += 1
    other_facts, other_q = read({**inputs, "words": words}, layer)
    return [*np.abs(facts - other_facts)[0].any(axis=-1), np.abs(q - other_q).any()]


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_a_round_carries_information_one_fact_further(rounds):
    story = np.array([[[1, 2], [2, 3], [3, 4], [4, 5], [5, 6]]], "int32")
    inputs = {
        "words": random(1, 5, 2, D), "story": story,
        "question_words": random(1, 1, D + 1), "question": np.array([[9]], "int32"),
    }  # fmt: skip
    found = find_changes((0, 0), rounds=rounds, **inputs)
    assert found == [number <= rounds + 1 for number in range(5)] + [False]


def test_question_and_facts_exchange_messages():
    story, question = np.array([[[1, 2], [3, 4]]], "int32"), np.array([[4]], "int32")
    inputs = {"words": random(1, 2, 2, D), "story": story, "question_words": random(1, 1, D + 1), "question": question}
    assert find_changes((1, 0), rounds=1, **inputs) == [False, True, True]
    assert find_changes((0, 0), rounds=1, **inputs) == [True, False, False]


@pytest.mark.parametrize("ordered", [False, True])
def test_only_ordered_messages_tell_the_order_of_the_facts(ordered):
    story, words = np.array([[[1, 2], [1, 3], [1, 4]]], "int32"), random(1, 3, 2, D)
    asked = {"question_words": random(1, 1, D + 1), "question": np.array([[1]], "int32")}
    layer, back = built(ordered=ordered), [2, 1, 0]
    facts, q = read({"words": words, "story": story, **asked}, layer)
    other_facts, other_q = read({"words": words[:, back], "story": story[:, back], **asked}, layer)
    for x, y in ((facts, other_facts[:, back]), (q, other_q)):
        assert np.allclose(x, y, atol=1e-5) == (not ordered)


@pytest.mark.parametrize("ordered", [False, True])
def test_padding_anywhere_changes_nothing(ordered):
    places, words, asked = [0, 1, 3, 4, 6], [0, 2, 3, 5], [1, 2, 4]
    rows = np.ix_(range(B), places, words)
    padded = {
        "words": 7 * random(B, F + 3, W + 2, D), "story": np.zeros((B, F + 3, W + 2), "int32"),
        "question_words": 7 * random(B, Q + 2, D + 1), "question": np.zeros((B, Q + 2), "int32"),
    }  # fmt: skip
    padded["words"][rows], padded["story"][rows] = INPUTS["words"], INPUTS["story"]
    padded["question_words"][:, asked], padded["question"][:, asked] = INPUTS["question_words"], INPUTS["question"]
    layer = built(ordered=ordered)
    (facts, q), (expected, expected_q) = read(padded, layer), read(INPUTS, layer)
    np.testing.assert_allclose(facts[:, places], expected, atol=1e-5)
    np.testing.assert_allclose(q, expected_q, atol=1e-5)
    facts[:, places] = 0
    assert not facts.any()


def test_the_mask_marks_the_sentences_that_hold_a_word():
    mask = np.array([[[True, False], [False, False]]])
    facts_mask, question_mask = built().compute_mask(None, ops.convert_to_tensor(mask))
    np.testing.assert_array_equal(numpy(facts_mask), [[True, False]])
    assert question_mask is None
