"""Updates of soft stacks and lists: pure functions of action probabilities and the value to store.

Entries are vectors, of size 1 in the paper. `empty_value` comes in at the bottom of a stack and at the ends of a list.

Reference:
    Joulin and Mikolov 2015, "Inferring Algorithmic Patterns with Stack-Augmented Recurrent Nets", arXiv:1503.01007.
"""

from keras import ops


def stack_update(stacks, actions, values, empty_value=-1.0):
    """Push onto stacks, pop from them, or leave them, as far as each action is probable.

    With the top at 0, `s'[0] = a_push * v + a_pop * s[1] + a_noop * s[0]` and, below it,
    `s'[i] = a_push * s[i - 1] + a_pop * s[i + 1] + a_noop * s[i]` (equations 3 and 4). The lowest entry of a full stack
    is lost on a push.

    Args:
        stacks: `(batch, stacks, depth, cell_size)`, the top first.
        actions: Probabilities `(batch, stacks, 2)` of push and pop, or `(batch, stacks, 3)` with no-op as the last.
            Those of one stack sum to 1.
        values: Vectors to push, `(batch, stacks, cell_size)`.
        empty_value: Number that fills an empty stack. Defaults to `-1.0`.

    Returns:
        The new stacks, `(batch, stacks, depth, cell_size)`.

    Raises:
        ValueError: If there are probabilities of another number of actions.

    Example:

    >>> stacks, push = keras.ops.full((1, 1, 3, 1), -1.0), keras.ops.array([[[1.0, 0.0]]])
    >>> stacks = stack_update(stacks, push, keras.ops.array([[[0.5]]]))
    >>> keras.ops.convert_to_numpy(stacks)[0, 0, :, 0].tolist()
    [0.5, -1.0, -1.0]
    """
    pushed = ops.concatenate([values[:, :, None], stacks[:, :, :-1]], axis=2)
    popped = ops.concatenate([stacks[:, :, 1:], _empty(stacks, empty_value)], axis=2)
    return _mix(actions, [pushed, popped, stacks])


def list_update(lists, actions, values, head, empty_value=-1.0):
    """Insert into lists at their head, move the head left or right, or leave them, as far as each action is probable.

    The head stays at one index and the entries move. At the head
    `l'[i] = a_insert * v + a_left * l[i - 1] + a_right * l[i + 1] + a_noop * l[i]`. Elsewhere `l[i + 1]` stands in the
    place of `v` left of the head, where the earlier entries move, and `l[i]` right of it.

    Args:
        lists: `(batch, lists, entries, cell_size)`.
        actions: Probabilities `(batch, lists, 3)` of insert, left and right, or `(batch, lists, 4)` with no-op as the
            last. Those of one list sum to 1.
        values: Vectors to insert, `(batch, lists, cell_size)`.
        head: Index of the head.
        empty_value: Number that fills an empty list. Defaults to `-1.0`.

    Returns:
        The new lists, `(batch, lists, entries, cell_size)`.

    Raises:
        ValueError: If there are probabilities of another number of actions.

    Example:

    >>> lists, insert = keras.ops.array([[[[1.0], [2.0], [3.0]]]]), keras.ops.array([[[1.0, 0.0, 0.0]]])
    >>> lists = list_update(lists, insert, keras.ops.array([[[9.0]]]), head=1)
    >>> keras.ops.convert_to_numpy(lists)[0, 0, :, 0].tolist()
    [2.0, 9.0, 3.0]
    """
    empty = _empty(lists, empty_value)
    inserted = ops.concatenate([lists[:, :, 1 : head + 1], values[:, :, None], lists[:, :, head + 1 :]], axis=2)
    left = ops.concatenate([empty, lists[:, :, :-1]], axis=2)
    right = ops.concatenate([lists[:, :, 1:], empty], axis=2)
    return _mix(actions, [inserted, left, right, lists])


def _empty(memory, empty_value):
    return ops.zeros_like(memory[:, :, :1]) + empty_value


def _mix(actions, outcomes):
    """Sum what each action leads to, weighted by its probability; the last outcome, of no-op, may have none."""
    if len(outcomes) - actions.shape[-1] not in (0, 1):
        raise ValueError(
            f"actions must be probabilities of {len(outcomes) - 1} actions, or {len(outcomes)} with no-op. "
            f"Received: shape {tuple(actions.shape)}"
        )
    probabilities = ops.split(actions[..., None], actions.shape[-1], axis=2)  # each (batch, memories, 1, 1)
    return sum(probability * outcome for probability, outcome in zip(probabilities, outcomes, strict=False))
