import keras
import numpy as np
import pytest

from dmn_keras.tasks.batching import Batch, Batches, EpochSequence, Features, rung, split_by_size
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.question_answering.preprocessor import EncodedExample, QuestionAnsweringPreprocessor
from dmn_keras.tasks.question_answering.targets import (
    answer_target,
    chain_target,
    gate_target,
    retriever_target,
    stop_target,
)
from dmn_keras.text import END_ID


def encoded(num_facts, facts=(), answer=(5,), words=2, own=None):
    """An example of so many facts; their number can be read off its question."""
    story = ((4,) * words,) * num_facts
    return EncodedExample(story, (3 + num_facts, END_ID), answer, ("",) * num_facts, "", facts, own)


def many(count=57, seed=0):
    rng = np.random.default_rng(seed)
    sizes = zip(rng.integers(1, 30, count), rng.integers(1, 5, count), strict=True)
    return [encoded(int(n), words=int(w)) for n, w in sizes]


def batches(examples, *, targets=None, **options):
    targets = [answer_target(None)] if targets is None else targets
    inputs = QuestionAnsweringPreprocessor().features(examples)
    values = {target.name: list(map(target.value, examples)) for target in targets}
    features = Features(inputs.inputs, values, {**inputs.specs, **{target.name: target.spec for target in targets}})
    return Batches(features, **{"batch_size": 8, **options})


def members(plan):
    return [int(i) for batch in plan for i in batch.members]


def shape(made, batch):
    return made.batch(batch)[0]["story"].shape


@pytest.mark.parametrize("batch_size", [1, 8, 57, 100])
@pytest.mark.parametrize("num_buckets", [1, 4])
@pytest.mark.parametrize("multiple_of", [1, 3])
def test_every_example_stands_in_one_batch_of_an_epoch(batch_size, num_buckets, multiple_of):
    made = batches(many(), batch_size=batch_size, num_buckets=num_buckets, multiple_of=multiple_of)
    for rng in (None, np.random.default_rng(0)):
        plan = made.plan(rng)
        assert len(plan) == len(made)
        assert sorted(members(plan)) == list(range(57))
        assert len({shape(made, batch) for batch in plan}) <= num_buckets
        for batch in plan:
            assert batch.rows % multiple_of == 0
            assert len(batch.members) <= batch.rows <= batch_size + multiple_of - 1
            assert made.batch(batch)[0]["story"].shape[0] == batch.rows


def test_the_last_batch_is_filled_up_with_rows_of_weight_zero():
    made = batches([encoded(3) for _ in range(10)])
    whole, rest = made.plan()
    assert (rest.rows, len(whole.members), len(rest.members)) == (8, 8, 2)
    inputs, targets, weights = made.batch(rest)
    assert inputs["story"].shape == (8, 3, 2)
    assert inputs["story"][:2].all()
    assert not inputs["story"][2:].any()
    assert not inputs["question"][2:].any()
    assert not targets["answer"][2:].any()
    assert set(targets) == set(weights) == {"answer"}
    for name in targets:
        np.testing.assert_allclose(weights[name], [1.6] * 2 + [0.0] * 6)


VALUES = np.random.default_rng(1).normal(size=57)


def weighted(made, batch):
    """The values of a batch's examples, with their weights; 0 in rows without an example."""
    _, _, weights = made.batch(batch)
    values = np.zeros(batch.rows)
    values[: len(batch.members)] = VALUES[batch.members]
    return weights["answer"] * values


def test_a_mean_over_the_rows_is_a_mean_over_the_examples():
    made = batches(many(), multiple_of=3)
    plan = made.plan(np.random.default_rng(0))
    assert np.concatenate([weighted(made, batch) for batch in plan]).mean() == pytest.approx(VALUES.mean(), rel=1e-5)
    # All real rows have the same weight.
    weights = np.concatenate([made.batch(batch)[2]["answer"][: len(batch.members)] for batch in plan])
    assert weights == pytest.approx(sum(batch.rows for batch in plan) / 57)


def test_steps_are_those_of_one_device():
    steps = []
    for devices in (1, 3, 8):
        made = batches(many(), multiple_of=devices, same_steps=True)
        plan = made.plan(np.random.default_rng(0))
        assert all(batch.rows % devices == 0 for batch in plan)
        steps.append([weighted(made, batch).mean() for batch in plan])
    assert any(len(batch.members) < batch.rows for batch in plan)
    for other in steps[1:]:
        np.testing.assert_allclose(other, steps[0], rtol=1e-6)


@pytest.mark.parametrize("seed", [None, 3])
def test_workers_give_the_rows_of_each_batch(seed):
    made = batches(many(), multiple_of=4)
    whole = EpochSequence(made, seed=seed)
    parts = [EpochSequence(made, seed=seed, part=part, parts=2) for part in range(2)]
    for i in range(len(whole)):
        for name, values in enumerate(whole[i]):
            for key, array in values.items():
                both = [part[i][name][key] for part in parts]
                assert len(both[0]) == len(both[1])
                np.testing.assert_array_equal(np.concatenate(both), array)


def test_content_of_a_batch():
    examples = [
        EncodedExample(((5, 6, END_ID), (7, END_ID)), (8, END_ID), (9,), ("", ""), "", (), None),
        EncodedExample(((5, END_ID),), (8, 9, END_ID), (6,), ("",), "", (), None),
    ]
    made = batches(examples, num_buckets=1)
    inputs, targets, _ = made.batch(made.plan()[0])
    np.testing.assert_array_equal(inputs["story"], [[[5, 6, 2], [7, 2, 0]], [[5, 2, 0], [0, 0, 0]]])
    np.testing.assert_array_equal(inputs["question"], [[8, 2, 0], [8, 9, 2]])
    np.testing.assert_array_equal(targets["answer"], [9, 6])
    assert set(inputs) == {"story", "question"}


def test_answers_of_several_words_end_with_the_end_word():
    examples = [encoded(1, answer=words) for words in [(5, 6), (7,), (), (5, 6, 7, 8)]]
    made = batches(examples, targets=[answer_target(2)], multiple_of=5)
    expected = [[5, 6, END_ID], [7, END_ID, 0], [END_ID, 0, 0], [5, 6, 7], [0, 0, 0]]
    np.testing.assert_array_equal(made.batch(made.plan()[0])[1]["answer"], expected)


@pytest.mark.parametrize(
    ("axes", "values", "expected"),
    [
        ((), [3, 4], [3, 4]),
        (("words",), [(3,), (4, 5)], [[3, -1], [4, 5]]),
        ((2,), [(3, 4), (5, 6)], [[3, 4], [5, 6]]),
        ((2, "facts"), [np.ones((2, 1)), np.zeros((2, 2))], [[[1, -1], [1, -1]], [[0, 0], [0, 0]]]),
        (("words", "letters"), [((1, 2), ()), ((3,),)], [[[1, 2], [-1, -1]], [[3, -1], [-1, -1]]]),
        (("x", "y", "z"), [(((1,),), ()), ()], [[[[1]], [[-1]]], [[[-1]], [[-1]]]]),
    ],
)
def test_any_feature_is_padded_along_its_named_axes(axes, values, expected):
    spec = FeatureSpec("int32", axes, padding=-1)
    sizes = {axis: int(counts.max()) for axis, counts in spec.sizes(values).items()}
    assert set(sizes) == set(spec.named_axes)
    np.testing.assert_array_equal(spec.pad(values, sizes), expected)
    assert spec.pad(values, sizes).dtype == "int32"


def test_a_value_larger_than_its_place_is_refused():
    with pytest.raises(ValueError, match=r"sizes must hold at least 3 for 'words'\. Received: 2"):
        FeatureSpec("int32", ("words",)).pad([(1, 2, 3)], {"words": 2})


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        (FeatureSpec("uint8", (4, 4, 3)), list(np.arange(5 * 48, dtype="uint8").reshape(5, 4, 4, 3))),
        (FeatureSpec("float32", ("steps", 2)), [np.ones((n, 2), "float32") for n in (1, 5, 2, 9, 3)]),
        (FeatureSpec("int32", ("words",)), [(1,) * n for n in (1, 5, 2, 9, 3)]),
    ],
    ids=["images", "sequences", "sentences"],
)
def test_images_sequences_and_sentences_are_batched_alike(spec, values):
    made = Batches(Features({"x": values}, {}, {"x": spec}, weights=[1, 2, 3, 4, 5]), batch_size=2, num_buckets=2)
    seen = {}
    for batch in made.plan():
        x = made.batch(batch)[0]["x"]
        seen |= {int(member): x[row] for row, member in enumerate(batch.members)}
    for member, value in enumerate(values):
        found = seen[member][tuple(map(slice, np.shape(value)))]
        np.testing.assert_array_equal(found, value)


def test_examples_have_their_weights():
    made = batches([encoded(1) for _ in range(4)], batch_size=4)
    made.features = Features(made.features.inputs, made.features.targets, made.features.specs, [1, 2, 0, 1])
    np.testing.assert_allclose(made.batch(made.plan()[0])[2]["answer"], [1, 2, 0, 1])


@pytest.mark.parametrize(("size", "expected"), [(1, 8), (8, 8), (9, 16), (17, 32), (100, 128)])
def test_sizes_are_rounded_up_to_a_ladder(size, expected):
    assert rung(size) == expected
    made = batches([encoded(size)], ladder=True)
    assert shape(made, made.plan()[0]) == (1, expected, 8)


def test_on_the_ladder_a_question_is_as_long_as_the_facts():
    made = batches([encoded(3, words=12)], ladder=True)
    inputs, _, _ = made.batch(made.plan()[0])
    assert inputs["story"].shape == (1, 8, 16)
    assert inputs["question"].shape == (1, 16)


def test_stories_without_a_fact_have_a_batch():
    made = batches([encoded(0), encoded(0)])
    inputs, _, _ = made.batch(made.plan()[0])
    assert inputs["story"].shape == (2, 1, 1)
    assert not inputs["story"].any()


def test_no_example_at_all_is_refused():
    with pytest.raises(ValueError, match="features must hold at least one example"):
        batches([])


def test_shuffling_is_seeded_and_changes_with_the_epoch():
    made = batches(many())
    orders = [
        members(EpochSequence(made, seed=seed, epoch=lambda epoch=epoch: epoch).draw())
        for seed, epoch in ((1, 0), (1, 1), (2, 0))
    ]
    assert orders[0] != orders[1]
    assert orders[0] != orders[2]
    assert orders[0] == members(EpochSequence(made, seed=1).draw())
    # Batches themselves differ, not their order alone.
    assert {frozenset(map(int, batch.members)) for batch in made.plan(np.random.default_rng(0))} != {
        frozenset(map(int, batch.members)) for batch in made.plan(np.random.default_rng(1))
    }


def test_a_sequence_that_starts_at_an_epoch_has_that_epochs_batches():
    made = batches(many())
    epochs = iter([0, 1, 2])
    run = EpochSequence(made, seed=7, epoch=lambda: next(epochs))
    run.on_epoch_begin()
    run.on_epoch_begin()
    resumed = EpochSequence(made, seed=7, epoch=lambda: 2)
    assert len(run) == len(resumed) == len(made)
    for i in range(len(run)):
        for one, other in zip(run[i], resumed[i], strict=True):
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])


def gates(facts, num_passes=2, gate="softmax", order="annotated", learned_stop=False):
    targets = [gate_target(num_passes, gate, order=order, learned_stop=learned_stop, weight=1.0)]
    targets += [stop_target(num_passes, 1.0)] if learned_stop else []
    made = batches([encoded(4, facts)], targets=targets)
    return {name: target[0].tolist() for name, target in made.batch(made.plan()[0])[1].items()}


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
        ((2, 0), {"order": "unordered"}, [one_hot(0, 2, value=0.5)] * 2),
        ((2, 0), {"order": "unordered", "gate": "sigmoid"}, [one_hot(0, 2)] * 2),
        ((), {"order": "unordered"}, [UNKNOWN, UNKNOWN]),
    ],
)
def test_gate_targets(facts, options, expected):
    assert gates(facts, **options) == {"gate_logits": expected}


@pytest.mark.parametrize(
    ("facts", "options", "expected", "stop"),
    [
        ((2,), {"num_passes": 3}, [one_hot(2), UNKNOWN, UNKNOWN], [0, 1, 1]),
        ((2, 0), {"num_passes": 3}, [one_hot(2), one_hot(0), UNKNOWN], [0, 0, 1]),
        ((2, 0, 1), {"gate": "sigmoid"}, [one_hot(2), one_hot(0, 1)], [0, 0]),
        ((), {}, [UNKNOWN, UNKNOWN], [-1, -1]),
    ],
)
def test_gate_targets_with_a_learned_stop(facts, options, expected, stop):
    assert gates(facts, learned_stop=True, **options) == {"gate_logits": expected, "stop_logits": stop}


def test_the_retriever_learns_which_facts_are_the_storys_own():
    examples = [encoded(3, own=(0, 2)), encoded(2)]
    made = batches(examples, targets=[retriever_target()], num_buckets=1, multiple_of=3)
    _, targets, weights = made.batch(made.plan()[0])
    np.testing.assert_array_equal(targets["retriever_logits"], [[1, 0, 1], [1, 1, 0], [0, 0, 0]])
    assert set(weights) == set(targets)


def test_a_chain_retriever_learns_the_supporting_facts():
    examples = [encoded(3, facts=(2, 0, 1)), encoded(2, facts=(1,)), encoded(2)]
    made = batches(examples, targets=[chain_target(2)], num_buckets=1, multiple_of=3)
    _, targets, _ = made.batch(made.plan()[0])
    expected = [[[0, 0, 1], [1, 1, 0]], [[0, 1, 0], [0, 0, 0]], [[-1, -1, 0], [-1, -1, 0]]]
    np.testing.assert_array_equal(targets["retriever_logits"], expected)


def padded(sizes, groups):
    return sum(sizes[group].max(axis=0).prod() * len(group) for group in groups)


@pytest.mark.parametrize("num_groups", [1, 2, 3, 6])
@pytest.mark.parametrize("seed", range(5))
def test_rectangles_are_split_into_groups_that_pad_less(num_groups, seed):
    sizes = np.random.default_rng(seed).integers(1, 30, (60, 2))
    groups = split_by_size(sizes, num_groups)
    assert len(groups) <= num_groups
    assert sorted(np.concatenate(groups).tolist()) == list(range(60))
    fewer = split_by_size(sizes, max(num_groups - 1, 1))
    assert padded(sizes, groups) < padded(sizes, fewer) or num_groups == 1


@pytest.mark.parametrize("side", [0, 1])
def test_one_cut_in_two_is_the_best_of_all(side):
    sizes = np.full((40, 2), 7)
    sizes[:, side] = np.random.default_rng(side).choice([1, 2, 3, 5, 8, 9, 14, 30], 40)
    lengths = sizes[:, side]
    best = min(padded(sizes, [np.flatnonzero(lengths <= n), np.flatnonzero(lengths > n)]) for n in set(lengths) - {30})
    assert padded(sizes, split_by_size(sizes, 2)) == best


def test_no_more_buckets_than_are_worth_their_shape():
    lengths = [(40, 6)] * 50 + [(10, 6)] * 50 + [(11, 6)] * 50 + [(40, 2)] * 50
    made = batches([encoded(facts, words=words) for facts, words in lengths], num_buckets=8)
    assert [tuple(bucket.sizes[axis] for axis in ("facts", "words")) for bucket in made.buckets] == [
        (40, 2),
        (11, 6),
        (40, 6),
    ]


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_a_share_of_the_examples_are_the_shortest(share):
    made = batches(many())
    plan = made.plan(np.random.default_rng(0), fraction=share)
    taken, words = set(members(plan)), made.lengths
    most = max(words[i] for i in taken)
    assert taken == {i for i in range(57) if words[i] <= most}, "all that are no longer than the longest"
    assert share * 57 <= len(taken) < 57
    assert len(plan) == len(made), "an epoch has the same number of steps"
    assert {shape(made, batch) for batch in plan} <= {shape(made, batch) for batch in made.plan()}, (
        "and no other shapes"
    )
    again, other = (made.plan(np.random.default_rng(seed), fraction=share) for seed in (0, 1))
    assert members(again) == members(plan) != members(other)


def test_what_is_repeated_in_an_epoch_is_drawn_anew():
    made = batches(many(), batch_size=4, num_buckets=1)
    plan = made.plan(np.random.default_rng(0), fraction=0.2)
    once = -(-len(set(members(plan))) // 4)
    first, second = members(plan[:once]), members(plan[once : 2 * once])
    assert sorted(first) == sorted(second)
    assert first != second


def test_a_curriculum_grows_to_all():
    made = batches(many())
    taken = []
    sequence = EpochSequence(made, seed=3, epoch=lambda: len(taken), curriculum=2)
    for _ in range(4):
        sequence.on_epoch_begin()
        taken.append(set(members(sequence.draw())))
    assert len(taken[0]) < len(taken[1]) < len(taken[2]) == len(taken[3]) == 57
    rngs = (np.random.default_rng([3, epoch]) for epoch in range(4))
    assert taken == [set(members(made.plan(rng, fraction=(i + 1) / 3))) for i, rng in enumerate(rngs)]
    later = EpochSequence(made, seed=3, epoch=lambda: 1, curriculum=2)
    assert set(members(later.draw())) == taken[1]


def assert_same(dataset, sequence):
    """Compare all of a sequence's batches with the next ones of a dataset's iterator."""
    for i in range(len(sequence)):
        for one, other in zip(next(dataset), sequence[i], strict=True):
            assert set(one) == set(other)
            for name in one:
                array = np.asarray(one[name])
                np.testing.assert_array_equal(array, other[name])
                assert array.dtype == other[name].dtype


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data is for TensorFlow")
def test_tf_data_gives_the_batches_of_the_sequence_epoch_after_epoch():
    epochs = []
    sequence = EpochSequence(batches(many()), seed=3, epoch=lambda: len(epochs), curriculum=3)
    dataset = sequence.for_fit()
    assert len(dataset) == len(sequence)
    for arrays in dataset.element_spec:
        for spec in arrays.values():
            assert set(spec.shape) == {None}, "one trace serves all buckets"
    for _ in range(3):
        sequence.on_epoch_begin()
        iterator = iter(dataset)
        assert_same(iterator, sequence)
        assert next(iterator, None) is None
        epochs.append("done")


def test_other_backends_read_the_sequence_itself(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    sequence = EpochSequence(batches(many()))
    assert sequence.for_fit() is sequence
    assert [batch.bucket for batch in sequence.draw()] == sorted(batch.bucket for batch in sequence.draw())
    assert isinstance(sequence.draw()[0], Batch)


def test_examples_drawn_anew_are_put_into_the_shapes_before():
    first = batches([encoded(n) for n in [2, 3, 4, 20, 21, 22] * 4], batch_size=4)
    again = batches([encoded(n) for n in [4, 21, 9]], batch_size=4, like=first)
    plan = again.plan()
    assert sorted(members(plan)) == [0, 1, 2]
    shapes = {shape(first, batch) for batch in first.plan()}
    assert {shape(again, batch) for batch in plan} <= shapes
    longer = batches([encoded(n) for n in [3, 40, 50]], batch_size=4, num_buckets=1, like=again)
    assert [shape(longer, batch)[1] for batch in longer.plan()] == [4, 64]
    last = batches([encoded(60)], batch_size=4, like=longer)
    assert [shape(last, batch)[1] for batch in last.plan()] == [64]


def test_epochs_of_examples_drawn_anew_have_as_many_batches():
    counts, epoch = [24, 40, 3], [0]
    made = [batches([encoded(1 + (n + i) % 9) for i in range(n)], batch_size=4, num_buckets=1) for n in counts]
    drawn = []

    def redraw(number):
        drawn.append(number)
        return made[number]

    sequence = EpochSequence(made[0], seed=1, epoch=lambda: epoch[0], redraw=redraw)
    for number, count in enumerate(counts):
        epoch[0] = number
        sequence.on_epoch_begin()
        assert len(sequence) == 6
        seen = {int(i) for batch in sequence.draw() for i in batch.members}
        assert len(seen) == min(count, 24)
        assert sequence[0][0]["story"].shape[0] == 4 if count > 3 else 3
    assert drawn == [1, 2]
