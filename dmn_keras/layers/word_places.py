"""At which places the words of a text stand."""

from keras import ops


def order_by_word(ids):
    """Return the order that puts equal words of `(batch, places)` side by side, and where the next one is the same."""
    order = ops.argsort(ids, axis=1)
    # The sort is stable on every backend, so that equal words stay in the text's order.
    ordered = ops.take_along_axis(ids, order, axis=1)
    return order, ops.logical_and(ops.equal(ordered[:, 1:], ordered[:, :-1]), ops.not_equal(ordered[:, 1:], 0))


def nearest_places(ids):
    """Find the nearest places before and after each place at which the same word stands.

    Args:
        ids: Integer, `(batch, places)`; 0 is padding.

    Returns:
        Two int32 tensors of the shape of `ids`: 1 + the place, 0 where there is none or it is padding.
    """
    order, same = order_by_word(ids)
    place = ops.cast(order, "int32") + 1
    none = ops.zeros_like(place[:, :1])
    before = ops.concatenate([none, ops.where(same, place[:, :-1], 0)], axis=1)
    after = ops.concatenate([ops.where(same, place[:, 1:], 0), none], axis=1)
    back = ops.argsort(order, axis=1)
    return ops.take_along_axis(before, back, axis=1), ops.take_along_axis(after, back, axis=1)
