"""Moving the rows of padded sequences about, on every backend and under XLA."""

from keras import ops


def static_shape(tensor):
    """Return the shape with each dimension as an integer where it is known, else as a scalar tensor."""
    dynamic = ops.shape(tensor)
    return tuple(dynamic[i] if size is None else size for i, size in enumerate(tensor.shape))


def pack_order(mask):
    """Tell how to move the real positions of each row to its front, in their order.

    Args:
        mask: Boolean, `(batch, positions)`.

    Returns:
        Two integer tensors of the mask's shape: `order[b, k]` is the position that comes to place `k`, the real
        ones first; `place[b, p]` is the place that position `p` comes to, so that the second undoes the first.
    """
    real = ops.cast(mask, "int32")
    num_real = ops.sum(real, axis=1, keepdims=True)
    among_real = ops.cumsum(real, axis=1) - 1
    among_padding = ops.cumsum(1 - real, axis=1) - 1 + num_real
    place = ops.where(mask, among_real, among_padding)
    return ops.argsort(place, axis=1), place


def count_to_end(mask):
    """Return how many positions of a row are real from each one on, itself included, int32 `(batch, positions)`."""
    real = ops.flip(ops.cast(mask, "int32"), axis=1)
    return ops.flip(ops.cumsum(real, axis=1), axis=1)


def batched_gather(values, index):
    """Take `values[b, index[b, k]]` of `(batch, positions, dim)` for an index `(batch, k)`."""
    batch, num_positions, dim = static_shape(values)
    offset = ops.expand_dims(ops.arange(batch, dtype="int32") * num_positions, 1)
    flat = ops.reshape(values, (batch * num_positions, dim))
    taken = ops.take(flat, ops.cast(index, "int32") + offset, axis=0)
    return ops.reshape(taken, (*static_shape(index), dim))  # JAX takes nothing of nothing in another shape


def max_or_zero(values, axis):
    """Return the largest value along an axis, at least 0, also of a tensor without entries."""
    shape = static_shape(values)
    largest = ops.max(values, axis=axis, initial=0)
    return ops.broadcast_to(largest, (*shape[:axis], *shape[axis + 1 :]))  # PyTorch gives a scalar where there are none


def zero_where_padded(values, mask):
    """Set the rows of `(batch, positions, dim)` to exact zeros where the mask `(batch, positions)` is False."""
    return ops.where(mask[..., None], values, ops.zeros_like(values))
