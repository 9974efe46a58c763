import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import ChainRetriever
from dmn_keras.losses import GateCrossentropy
from tests.layers.helpers import numpy, randomize
from tests.reference.addressing import softmax
from tests.reference.gru import sigmoid
from tests.reference.position import position_encoding

WORDS_KNOWN, UNITS = 12, 5
STORY = np.random.default_rng(0).integers(0, WORDS_KNOWN, (3, 14, 4)).astype("int32")
STORY[0, 7], STORY[2, 11:] = 0, 0
QUESTION = np.random.default_rng(1).integers(0, WORDS_KNOWN, (3, 4)).astype("int32")


def built(max_facts=4, **options):
    layer = ChainRetriever(WORDS_KNOWN, UNITS, max_facts, **options)
    layer.build(STORY.shape, QUESTION.shape)
    return randomize(layer, scale=1.0)


def retrieve(layer, story=STORY, question=QUESTION):
    outputs = layer(ops.convert_to_tensor(story), ops.convert_to_tensor(question))
    return {name: ops.convert_to_numpy(x) for name, x in outputs.items()}


class Walk:
    """Follows every chain of steps through one story, fact by fact."""

    def __init__(self, layer, story, question):
        self.words = numpy(layer.words.embeddings)
        self.W, self.V, self.P, self.Q, self.U = (
            numpy(dense.kernel)
            for dense in (
                layer.project_target,
                layer.project_source,
                layer.project_word,
                layer.project_question,
                layer.query,
            )
        )
        self.b, self.e = numpy(layer.project_target.bias), numpy(layer.project_question.bias)
        self.g = numpy(layer.query.bias)
        self.story, self.question = story, question

    def sum(self, ids, chosen):
        """The terms of the chosen words alone, of the position-weighted sum of all."""
        vectors = np.where(chosen[:, None], self.words[ids], 0.0)
        return position_encoding(vectors[None], (ids > 0)[None])[0]

    def fact(self, ids):
        return np.concatenate([self.sum(ids, ids > 0), self.sum(ids, (ids > 0) & np.isin(ids, self.question))])

    def step(self, ids, place, source):
        """The probability of each fact that no word leads from `place` to it."""
        none = np.ones(len(self.story))
        q = self.sum(self.question, self.question > 0)
        for j in np.flatnonzero(ids):
            role = self.P.T @ self.sum(ids, np.arange(len(ids)) == j) + source + self.Q.T @ q + self.e
            query = self.U.T @ np.tanh(role) + self.g
            previous, later, last, _ = softmax(query[UNITS + 1 :])
            holds = [t for t, fact in enumerate(self.story) if ids[j] in fact and t != place]
            keys = {t: np.tanh(self.W.T @ self.fact(self.story[t]) + self.b) for t in holds}
            match = {t: sigmoid(query[:UNITS] @ keys[t] + query[UNITS]) for t in holds}
            for t in holds:
                if t < place:
                    nearest = previous * np.prod([1 - match[i] for i in holds if t < i < place])
                else:
                    nearest = later * np.prod([1 - match[i] for i in holds if place < i < t])
                nearest += last * np.prod([1 - match[i] for i in holds if i > t])
                none[t] *= 1 - self.start * nearest * match[t]
        return none

    def gates(self, num_rounds, beam_width):
        self.start = 1.0
        of_round = gates = 1 - self.step(self.question, len(self.story), 0.0)
        for _ in range(num_rounds - 1):
            none = np.ones(len(self.story))
            for s in np.argsort(-of_round, kind="stable")[:beam_width]:
                self.start = of_round[s]
                none *= self.step(self.story[s], s, self.V.T @ self.fact(self.story[s]))
            of_round = 1 - none
            gates = np.maximum(gates, of_round)
        return gates


@pytest.mark.parametrize(("num_rounds", "beam_width"), [(1, 4), (2, 1), (3, 2), (3, 20)])
def test_gates_are_those_of_the_best_chains(num_rounds, beam_width):
    layer = built(num_rounds=num_rounds, beam_width=beam_width)
    found = retrieve(layer)
    for b in range(len(STORY)):
        expected = Walk(layer, STORY[b], QUESTION[b]).gates(num_rounds, beam_width)
        np.testing.assert_allclose(found["gates"][b], expected, atol=2e-6)
        chosen = sorted(np.argsort(-expected, kind="stable")[:4])
        chosen = [t for t in chosen if expected[t] > 0.5]
        assert np.flatnonzero(found["retrieved"][b]).tolist() == chosen
        np.testing.assert_array_equal(found["story"][b, : len(chosen)], STORY[b, chosen])
        assert not found["story"][b, len(chosen) :].any()


def test_padding_anywhere_changes_nothing():
    wider = np.zeros((3, 19, 7), "int32")
    places = np.setdiff1d(np.arange(19), [0, 5, 6, 12, 18])
    wider[np.ix_(range(3), places, [0, 1, 3, 6])] = STORY
    question = np.pad(QUESTION, [[0, 0], [1, 2]])
    found, expected = retrieve(built(), wider, question), retrieve(built())
    np.testing.assert_allclose(found["gates"][:, places], expected["gates"], atol=1e-6)
    np.testing.assert_array_equal(found["retrieved"][:, places], expected["retrieved"])


def test_facts_without_a_shared_word_are_not_reached():
    story = np.array([[[1, 2], [2, 3], [4, 5], [3, 6]]], "int32")
    for num_rounds, reached in ((1, [0]), (2, [0, 1]), (3, [0, 1, 3])):
        gates = retrieve(built(num_rounds=num_rounds), story, np.array([[1, 7]], "int32"))["gates"]
        assert np.flatnonzero(gates[0]).tolist() == reached


def test_placeholders_are_compared_by_their_ids_and_read_as_the_unknown_word():
    layer = built(num_placeholders=3)
    story, question = np.array([[[9, 2], [10, 2], [11, 3]]], "int32"), np.array([[10, 4]], "int32")
    gates = retrieve(layer, story, question)["gates"]
    swapped = retrieve(layer, np.array([[[11, 2], [9, 2], [10, 3]]], "int32"), np.array([[9, 4]], "int32"))["gates"]
    np.testing.assert_allclose(gates, swapped, atol=1e-6)
    assert gates[0, 1] > 0


def test_a_story_without_words_is_empty():
    found = retrieve(built(), np.zeros((2, 3, 4), "int32"), QUESTION[:2])
    assert not found["gates"].any()
    assert not found["retrieved"].any()
    assert np.isfinite(found["gate_logits"]).all()


def test_rounding_leaves_the_gates_of_long_stories_finite():
    """The sum over all facts and that up to the last match differ by rounding, on JAX."""
    layer = built(num_rounds=1)
    layer.query.kernel.assign(0.1 * layer.query.kernel)
    layer.query.bias.assign([0.0] * UNITS + [80.1, 0.0, 0.0, 30.0, 0.0])  # a match is certain, the last is chosen
    others = np.random.default_rng(3).integers(4, 12, (16, 1000, 2))
    story = np.concatenate([np.ones((16, 1000, 1)), others], axis=-1).astype("int32")
    for b in range(16):
        story[b, 330 + 40 * b :] = 3  # without the question's word
    found = retrieve(layer, story, np.ones((16, 1), "int32"))
    assert np.isfinite(found["gate_logits"]).all()
    assert (found["gates"] <= 1).all()


def planted(count, num_facts, seed):
    """Stories of "person moved to place" and "person took thing"; where is a thing? Two facts tell."""
    rng = np.random.default_rng([seed, num_facts])
    people, places, things, moved, took, where = range(2, 6), range(6, 10), range(10, 14), 14, 15, 16
    story, question = np.zeros((count, num_facts, 3), "int32"), np.zeros((count, 2), "int32")
    targets = np.zeros((count, 2, num_facts), "float32")
    for b in range(count):
        for t in range(num_facts):
            move = rng.random() < 0.5
            fact = (rng.choice(people), moved if move else took, rng.choice(places if move else things))
            story[b, t] = fact
        story[b, 0], story[b, 1] = (people[0], moved, places[0]), (people[0], took, things[0])
        taken = rng.choice(np.flatnonzero(story[b, :, 1] == took))
        thing = story[b, taken, 2]
        taken = np.flatnonzero(story[b, :, 2] == thing)[-1]
        moves = np.flatnonzero((story[b, :, 0] == story[b, taken, 0]) & (story[b, :, 1] == moved))
        question[b], targets[b, 0, taken] = (where, thing), 1.0
        targets[b, 1, moves[-1:]] = 1.0
    return story, question, targets


@pytest.mark.slow
def test_learns_chains_that_hold_in_longer_stories():
    keras.utils.set_random_seed(0)
    layer = ChainRetriever(17, 16, max_facts=4, num_rounds=2)
    story, question = keras.Input((None, 3), dtype="int32"), keras.Input((2,), dtype="int32")
    model = keras.Model([story, question], layer(story, question)["gate_logits"])
    model.compile(keras.optimizers.Adam(0.02), GateCrossentropy("sigmoid"))
    *inputs, targets = planted(600, 8, seed=0)
    model.fit(inputs, targets, batch_size=50, epochs=12, verbose=0)
    *inputs, targets = planted(100, 60, seed=1)
    right = (retrieve(layer, *inputs)["retrieved"] == targets.any(axis=1)).all(axis=1)
    assert right.mean() > 0.9
