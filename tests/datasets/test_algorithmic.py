"""Targets of the algorithmic tasks, recomputed from their inputs step by step."""

import collections
import itertools
import math

import numpy as np
import pytest

from dmn_keras.datasets import algorithmic


def rows(array):
    return [tuple(row) for row in array.tolist()]


def solve_copy(inputs):
    vectors = rows(inputs[:, :-1])
    return vectors[: inputs[:, -1].tolist().index(1)]


def solve_repeat_copy(inputs):
    end = inputs[:, -2].tolist().index(1)
    repeats = round(float(inputs[end, -1]) * math.sqrt(8.25) + 5.5)
    return [(*vector, 0) for vector in rows(inputs[:end, :-2])] * repeats + [(0,) * (inputs.shape[1] - 2) + (1,)]


def solve_associative_recall(inputs):
    items, query, in_query = [], [], False
    for *vector, delimiter, query_delimiter in inputs.tolist():
        if query_delimiter:
            if in_query:
                break
            in_query = True
        elif delimiter:
            items.append([])
        else:
            (query if in_query else items[-1]).append(tuple(vector))
    assert len({tuple(item) for item in items}) == len(items)
    return items[items.index(query) + 1]


def solve_priority_sort(inputs, results):
    end = inputs[:, -1].tolist().index(1)
    ranked = sorted(inputs[:end].tolist(), key=lambda row: row[-2], reverse=True)
    return [tuple(row[:-2]) for row in ranked[:results]]


@pytest.mark.parametrize(
    ("config", "solve"),
    [
        ("copy", solve_copy),
        ("copy,length=40,width=3", solve_copy),
        ("repeat_copy", solve_repeat_copy),
        ("repeat_copy,length=3,repeats=20,width=4", solve_repeat_copy),
        ("associative_recall", solve_associative_recall),
        ("associative_recall,items=15,item_length=2,width=4", solve_associative_recall),
        ("priority_sort", lambda inputs: solve_priority_sort(inputs, 16)),
        ("priority_sort,length=5-9,results=4,width=6", lambda inputs: solve_priority_sort(inputs, 4)),
    ],
)
def test_targets_follow_from_inputs(config, solve):
    for example in algorithmic.load("test", config=config, num_examples=30):
        assert rows(example.targets[example.scored]) == solve(example.inputs)
        assert not example.targets[~example.scored].any()
        assert not example.inputs[example.scored].any()  # no input while the output is produced


def test_sizes_of_the_paper():
    sizes = {task: set() for task in algorithmic.TASKS}
    for task in sizes:
        for example in algorithmic.load("train", config=task, num_examples=300):
            sizes[task].add(int(example.scored.sum()))
    assert sizes["copy"] == set(range(1, 21))
    assert {min(sizes["repeat_copy"]), max(sizes["repeat_copy"])} == {2, 101}
    assert sizes["associative_recall"] == {3}
    assert sizes["n_grams"] == {200 - 5}
    assert sizes["priority_sort"] == {16}


def test_snapshots():
    (example,) = algorithmic.load("train", config="copy,length=3,width=2", num_examples=1)
    assert rows(example.inputs) == [(1, 1, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 0, 0), (0, 0, 0), (0, 0, 0)]
    (example,) = algorithmic.load("train", config="repeat_copy,length=2,repeats=2,width=1", num_examples=1)
    assert example.inputs[2].tolist() == pytest.approx([0, 1, -1.2185], abs=1e-4)
    (example,) = algorithmic.load("train", config="associative_recall,items=3,item_length=1,width=3", num_examples=1)
    assert rows(example.inputs[:, :3])[1::2] == [(0, 1, 0), (1, 0, 1), (1, 1, 0), (0, 1, 0), (0, 0, 0)]
    (example,) = algorithmic.load("train", config="n_grams,length=12,order=3", num_examples=1)
    assert example.inputs[:, 0].tolist() == [0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1]
    (example,) = algorithmic.load("train", config="priority_sort,length=4,results=2,width=2", num_examples=1)
    assert example.inputs[:4, 2].tolist() == pytest.approx([0.93, 0.20, 0.01, 0.77], abs=0.006)


def test_targets_of_n_grams_are_the_next_bits():
    for example in algorithmic.load("train", config="n_grams,length=20,order=4", num_examples=10):
        np.testing.assert_array_equal(example.targets[:-1], example.inputs[1:])
        assert example.scored.tolist() == [False] * 2 + [True] * 17


def evidence(bits, order, grid):
    """Chance of all bits after the first `order - 1`, averaged over tables from Beta(1/2, 1/2) by summing a grid."""
    counts = {}
    for position in range(order - 1, len(bits)):
        counts.setdefault(bits[position - order + 1 : position], [0, 0])[bits[position]] += 1
    product = 1.0
    for zeros, ones in counts.values():
        product *= np.mean(grid**ones * (1 - grid) ** zeros)
    return product


@pytest.mark.parametrize("order", [1, 2, 3])
def test_bayes_optimum_is_the_predictive_chance_by_brute_force(order):
    # The quantiles of Beta(1/2, 1/2), the arcsine law, at equal steps: their mean is the integral.
    grid = np.sin(np.pi / 2 * (np.arange(20_000) + 0.5) / 20_000) ** 2
    (example,) = algorithmic.load("train", config=f"n_grams,length=14,order={order}", num_examples=1)
    bits = (*example.inputs[:, 0].astype(int).tolist(), int(example.targets[-1, 0]))
    optimum = algorithmic.n_grams_bayes_optimum(example, order=order)
    for step in np.flatnonzero(example.scored):
        before = bits[: step + 1]
        chance = evidence((*before, 1), order, grid) / evidence(before, order, grid)
        assert optimum[step] == pytest.approx(chance, abs=1e-5)
    assert (optimum[~example.scored] == 0.5).all()
    chances = np.where(np.array(bits[1:]) == 1, optimum, 1 - optimum)[example.scored]
    assert algorithmic.n_grams_bayes_bits(example, order=order) == pytest.approx(-sum(map(math.log2, chances)))


def test_no_other_counting_rule_predicts_n_grams_better():
    """The mean cost of add-alpha rules is least at the prior's 1/2, and near the paper's figure of 133 bits."""
    examples = algorithmic.load("test", config="n_grams", num_examples=400)
    optimum = np.mean([algorithmic.n_grams_bayes_bits(example) for example in examples])
    assert optimum + 5 == pytest.approx(133, abs=4)  # the paper counts the first 5 bits as well
    assert optimum < np.mean([cost(example, 1.0) for example in examples])
    assert optimum < np.mean([cost(example, 0.25) for example in examples])


def cost(example, alpha, order=6):
    bits = "".join(str(int(bit)) for bit in (*example.inputs[:, 0], example.targets[-1, 0]))
    seen, total = collections.Counter(), 0.0
    for position in range(order - 1, len(bits)):
        context, bit = bits[position - order + 1 : position], bits[position]
        total -= math.log2((seen[context + bit] + alpha) / (seen[context + "0"] + seen[context + "1"] + 2 * alpha))
        seen[context + bit] += 1
    return total


def test_items_are_all_there_are():
    (example,) = algorithmic.load("train", config="associative_recall,items=8,item_length=1,width=3", num_examples=1)
    assert set(rows(example.inputs[1:16:2, :3])) == set(itertools.product((0.0, 1.0), repeat=3))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("associative_recall,items=9,item_length=1,width=3", "items must be at most 8"),
        ("associative_recall,items=1", "items must be an integer of at least 2"),
        ("priority_sort,length=15", "length must be an integer of at least 16"),
        ("n_grams,length=5", "length must be an integer of at least 6"),
        ("n_grams,order=21", "order must be at most 20"),
        ("repeat_copy,repeats=0", "repeats must be"),
    ],
)
def test_bounds(config, message):
    with pytest.raises(ValueError, match=message):
        algorithmic.load("train", config=config, num_examples=1)


def test_sequences_in_a_row_are_copied_one_by_one():
    (example,) = algorithmic.load("train", config="copy,length=2,width=3,sequences=3", num_examples=1)
    assert example.inputs.shape == (15, 4)
    arrays = example.inputs, example.targets, example.scored
    for part in range(3):
        inputs, targets, scored = (array[5 * part : 5 * part + 5] for array in arrays)
        assert rows(targets[scored]) == solve_copy(inputs)
        assert scored.tolist() == [False, False, False, True, True]
