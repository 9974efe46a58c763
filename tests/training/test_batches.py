import itertools

import numpy as np
import pytest

from dmn_keras.text import END_ID, EncodedExample
from dmn_keras.training.batches import EpochSequence, StoryBatches, bucket_edges


def encoded(num_facts, facts=(), answer=(5,), words=2):
    """An example of so many sentences; the number of its facts can be read off its question."""
    return EncodedExample(((4,) * words,) * num_facts, (3 + num_facts, END_ID), answer, facts)


def many(count=57, seed=0):
    rng = np.random.default_rng(seed)
    return [
        encoded(int(n), words=int(w))
        for n, w in zip(rng.integers(1, 30, count), rng.integers(1, 5, count), strict=True)
    ]


def batches(examples, **options):
    return StoryBatches(examples, **{"batch_size": 8, "num_passes": 2, **options})


def members(plan):
    return [int(i) for _, _, indexes in plan for i in indexes]


@pytest.mark.parametrize("batch_size", [1, 8, 57, 100])
@pytest.mark.parametrize("num_buckets", [1, 4])
@pytest.mark.parametrize("multiple_of", [1, 3])
def test_every_example_stands_in_one_batch_of_an_epoch(batch_size, num_buckets, multiple_of):
    made = batches(many(), batch_size=batch_size, num_buckets=num_buckets, multiple_of=multiple_of)
    for rng in (None, np.random.default_rng(0)):
        plan = made.plan(rng)
        assert len(plan) == len(made)
        assert sorted(members(plan)) == list(range(57))
        shapes = {(num_facts, rows) for num_facts, rows, _ in plan}
        assert len(shapes) <= num_buckets
        assert all(rows % multiple_of == 0 for _, rows in shapes)
        assert all(len(indexes) <= rows <= batch_size + multiple_of - 1 for _, rows, indexes in plan)
        for num_facts, _, indexes in plan:
            assert max(len(made.encoded[i].story) for i in indexes) <= num_facts


def test_the_last_batch_is_filled_up_with_rows_of_weight_zero():
    made = batches([encoded(3) for _ in range(10)])
    (_, _, whole), (num_facts, rows, rest) = made.plan()
    assert (num_facts, rows, len(whole), len(rest)) == (3, 8, 8, 2)
    inputs, targets, weights = made.batch(num_facts, rows, rest)
    assert inputs["story"].shape == (8, 3, 2)
    assert inputs["story"][:2].all()
    assert not inputs["story"][2:].any()
    assert not inputs["question"][2:].any()
    assert not targets["answer"][2:].any()
    assert (targets["gates"][2:] == -1).all()
    for name in targets:
        np.testing.assert_allclose(weights[name], [1.6] * 2 + [0.0] * 6)


def test_a_mean_over_the_rows_is_a_mean_over_the_examples():
    made = batches(many(), multiple_of=3)
    value = np.random.default_rng(1).normal(size=57)
    total = 0.0
    plan = made.plan(np.random.default_rng(0))
    for num_facts, rows, indexes in plan:
        _, _, weights = made.batch(num_facts, rows, indexes)
        row_values = np.zeros(rows)
        row_values[: len(indexes)] = value[indexes]
        total += (weights["answer"] * row_values).mean() * rows
    assert total / sum(rows for _, rows, _ in plan) == pytest.approx(value.mean(), rel=1e-5)
    # All real rows have the same weight.
    assert made.weight == pytest.approx(sum(rows for _, rows, _ in plan) / 57)


def test_content_of_a_batch():
    examples = [
        EncodedExample(((5, 6, END_ID), (7, END_ID)), (8, END_ID), (9,), ()),
        EncodedExample(((5, END_ID),), (8, 9, END_ID), (6,), ()),
    ]
    inputs, targets, _ = batches(examples).batch(2, 2, [0, 1])
    np.testing.assert_array_equal(inputs["story"], [[[5, 6, 2], [7, 2, 0]], [[5, 2, 0], [0, 0, 0]]])
    np.testing.assert_array_equal(inputs["question"], [[8, 2, 0], [8, 9, 2]])
    np.testing.assert_array_equal(targets["answer"], [9, 6])
    assert set(inputs) == {"story", "question"}


def test_answers_of_several_words_end_with_the_end_word():
    examples = [encoded(1, answer=words) for words in [(5, 6), (7,), (), (5, 6, 7, 8)]]
    inputs, targets, _ = batches(examples, answer_words=2).batch(1, 5, range(4))
    expected = [[5, 6, END_ID], [7, END_ID, 0], [END_ID, 0, 0], [5, 6, 7], [0, 0, 0]]
    np.testing.assert_array_equal(targets["answer"], expected)
    np.testing.assert_array_equal(inputs["answer"], expected)


def test_facts_of_words_have_no_sentences():
    examples = [EncodedExample(((5, 6, 7, END_ID),), (8, END_ID), (9,), ()), EncodedExample(((5,),), (8,), (9,), ())]
    inputs, _, _ = batches(examples, fact_level="word").batch(1, 2, [0, 1])
    np.testing.assert_array_equal(inputs["story"], [[5, 6, 7, 2], [5, 0, 0, 0]])


def test_stories_without_a_fact_have_a_batch():
    made = batches([encoded(0), encoded(0)])
    inputs, _, _ = made.batch(*made.plan()[0])
    assert inputs["story"].shape == (2, 1, 1)
    assert not inputs["story"].any()


def test_no_example_at_all_is_refused():
    with pytest.raises(ValueError, match="encoded must hold at least one example"):
        batches([])


def test_shuffling_is_seeded_and_changes_with_the_epoch():
    made = batches(many())
    orders = [
        members(EpochSequence(made, seed=seed, first_epoch=epoch)._plan) for seed, epoch in ((1, 0), (1, 1), (2, 0))
    ]
    assert orders[0] != orders[1]
    assert orders[0] != orders[2]
    assert orders[0] == members(EpochSequence(made, seed=1)._plan)
    # Batches themselves differ, not their order alone.
    assert {frozenset(map(int, p[2])) for p in made.plan(np.random.default_rng(0))} != {
        frozenset(map(int, p[2])) for p in made.plan(np.random.default_rng(1))
    }


def test_a_sequence_that_starts_at_an_epoch_has_that_epochs_batches():
    made = batches(many())
    run = EpochSequence(made, seed=7)
    run.on_epoch_end()
    run.on_epoch_end()
    resumed = EpochSequence(made, seed=7, first_epoch=2)
    assert len(run) == len(resumed) == len(made)
    for i in range(len(run)):
        for one, other in zip(run[i], resumed[i], strict=True):
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])


def gates(facts, num_facts=4, **options):
    made = batches([encoded(num_facts, facts)], **{"gate_targets": "file", **options})
    _, targets, _ = made.batch(num_facts, 1, [0])
    return {name: target[0].tolist() for name, target in targets.items() if name != "answer"}


def one_hot(*indexes, value=1.0):
    return [value if i in indexes else 0.0 for i in range(4)]


UNKNOWN = [-1.0] * 4


@pytest.mark.parametrize(
    ("facts", "options", "expected"),
    [
        ((2, 0), {}, [one_hot(2), one_hot(0)]),
        ((2,), {}, [one_hot(2), one_hot(2)]),
        ((2,), {"num_passes": 3}, [one_hot(2)] * 3),
        ((3, 0, 1), {}, [one_hot(3), one_hot(0, 1, value=0.5)]),
        ((3, 0, 1), {"gate": "sigmoid"}, [one_hot(3), one_hot(0, 1)]),
        ((3, 0, 1), {"num_passes": 1, "gate": "sigmoid"}, [one_hot(0, 1, 3)]),
        ((), {}, [UNKNOWN, UNKNOWN]),
        ((2, 0), {"gate_targets": "any"}, [one_hot(0, 2, value=0.5)] * 2),
        ((2, 0), {"gate_targets": "any", "gate": "sigmoid"}, [one_hot(0, 2)] * 2),
        ((), {"gate_targets": "any"}, [UNKNOWN, UNKNOWN]),
        ((2, 0), {"gate_targets": None}, [[-1.0]]),
    ],
)
def test_gate_targets(facts, options, expected):
    assert gates(facts, **options) == {"gates": expected}


@pytest.mark.parametrize(
    ("facts", "options", "expected", "stop"),
    [
        ((2,), {"num_passes": 3}, [one_hot(2), UNKNOWN, UNKNOWN], [0, 1, 1]),
        ((2, 0), {"num_passes": 3}, [one_hot(2), one_hot(0), UNKNOWN], [0, 0, 1]),
        ((2, 0, 1), {"gate": "sigmoid"}, [one_hot(2), one_hot(0, 1)], [0, 0]),
        ((), {}, [UNKNOWN, UNKNOWN], [-1, -1]),
        ((2,), {"gate_targets": None}, [[-1.0]], [-1, -1]),
    ],
)
def test_gate_targets_with_a_learned_stop(facts, options, expected, stop):
    assert gates(facts, learned_stop=True, **options) == {"gates": expected, "stop": stop}


def padding(edges, lengths):
    return sum(min(edge for edge in edges if edge >= n) - n for n in lengths)


@pytest.mark.parametrize("num_buckets", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_bucket_edges_pad_least(num_buckets, seed):
    lengths = np.random.default_rng(seed).choice([1, 2, 3, 5, 8, 9, 14, 30], 40)
    edges = bucket_edges(lengths, num_buckets)
    assert edges == sorted(set(edges))
    assert len(edges) <= num_buckets
    assert edges[-1] == lengths.max()
    values = sorted(set(lengths.tolist()))
    choices = itertools.combinations_with_replacement(values, num_buckets - 1)
    assert padding(edges, lengths) == min(padding([*choice, values[-1]], lengths) for choice in choices)


def test_equal_lengths_need_one_bucket():
    assert bucket_edges(np.array([7, 7, 7]), 4) == [7]


def test_no_more_buckets_than_are_worth_their_shape():
    lengths = [10] * 50 + [11] * 50 + [40] * 50
    made = batches([encoded(n) for n in lengths], num_buckets=4)
    assert [num_facts for num_facts, _, _ in made.buckets] == [11, 40]
