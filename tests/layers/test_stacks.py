import functools

import numpy as np
import pytest
from keras import ops

from dmn_keras.layers.stacks import list_update, stack_update
from tests.layers.helpers import numpy
from tests.reference import stacks as reference

PUSH, POP, STAY = [1, 0, 0], [0, 1, 0], [0, 0, 1]
INSERT, LEFT, RIGHT = [1, 0, 0], [0, 1, 0], [0, 0, 1]


def updated(update, memory, action, value, **arguments):
    """One memory of numbers after one action."""
    tensors = (np.reshape(x, shape) for x, shape in ((memory, (1, 1, -1, 1)), (action, (1, 1, -1)), (value, (1, 1, 1))))
    return numpy(update(*(ops.convert_to_tensor(x, "float32") for x in tensors), **arguments))[0, 0, :, 0].tolist()


@pytest.mark.parametrize(
    ("stack", "action", "expected"),
    [
        ([-1, -1, -1], PUSH, [9, -1, -1]),
        ([1, 2, -1], PUSH, [9, 1, 2]),
        ([1, 2, 3], PUSH, [9, 1, 2]),
        ([1, 2, 3], POP, [2, 3, -1]),
        ([-1, -1, -1], POP, [-1, -1, -1]),
        ([1, 2, 3], STAY, [1, 2, 3]),
        ([1, 2, 3], [0.5, 0.5], [5.5, 2, 0.5]),
    ],
)
def test_stack_by_hand(stack, action, expected):
    assert updated(stack_update, stack, action, 9) == expected


@pytest.mark.parametrize(
    ("entries", "action", "expected"),
    [
        ([1, 2, 3, 4, 5], INSERT, [2, 3, 9, 4, 5]),
        ([1, 2, 3, 4, 5], LEFT, [-1, 1, 2, 3, 4]),
        ([1, 2, 3, 4, 5], RIGHT, [2, 3, 4, 5, -1]),
        ([1, 2, 3, 4, 5], [0, 0, 0, 1], [1, 2, 3, 4, 5]),
        ([1, 2, 3, 4, 5], [0, 0.5, 0.5], [0.5, 2, 3, 4, 1.5]),
    ],
)
def test_list_by_hand(entries, action, expected):
    assert updated(list_update, entries, action, 9, head=2) == expected


def test_empty_value_comes_in_at_the_ends():
    assert updated(stack_update, [1, 2, 3], POP, 9, empty_value=7.0) == [2, 3, 7]
    assert updated(list_update, [1, 2, 3], LEFT, 9, head=1, empty_value=7.0) == [7, 1, 2]
    assert updated(list_update, [1, 2, 3], RIGHT, 9, head=1, empty_value=7.0) == [2, 3, 7]


def test_pop_undoes_push_and_left_undoes_insert():
    pushed = updated(stack_update, [1, 2, -1], PUSH, 9)
    assert updated(stack_update, pushed, POP, 0) == [1, 2, -1]
    inserted = updated(list_update, [-1, 1, 2, 3, 4], INSERT, 9, head=2)
    assert updated(list_update, inserted, LEFT, 0, head=2)[:3] == [-1, 1, 2]


@pytest.mark.parametrize("num_actions", [2, 3])
def test_stack_update_is_that_of_the_loops(num_actions):
    compare(stack_update, reference.stack_update, num_actions)


@pytest.mark.parametrize("num_actions", [3, 4])
def test_list_update_is_that_of_the_loops(num_actions):
    compare(list_update, reference.list_update, num_actions, head=2)


def compare(update, loops, num_actions, **arguments):
    rng = np.random.default_rng(num_actions)
    memory, values = rng.standard_normal((2, 3, 5, 2)), rng.standard_normal((2, 3, 2))
    actions = rng.dirichlet(np.ones(num_actions), (2, 3))
    found = update(*(ops.convert_to_tensor(x, "float32") for x in (memory, actions, values)), **arguments)
    for b, j in np.ndindex(2, 3):
        expected = loops(memory[b, j], actions[b, j], values[b, j], empty=-1.0, **arguments)
        np.testing.assert_allclose(numpy(found)[b, j], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("update", "counts"), [(stack_update, (1, 4)), (functools.partial(list_update, head=1), (2, 5))]
)
def test_another_number_of_actions_is_refused(update, counts):
    for count in counts:
        with pytest.raises(ValueError, match=rf"actions must be probabilities of \d actions, .* \(1, 1, {count}\)"):
            updated(update, [1, 2, 3], [1 / count] * count, 9)
