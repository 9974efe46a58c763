"""Addressing of external memories: pure functions that compute where heads read and write.

Shapes: a memory is `(batch, slots, width)`, and a weighting over its slots `(batch, heads, slots)`. What a head emits,
such as a gate, is `(batch, heads, 1)`. Nothing here gathers or sorts, so that every function and its gradient compile
under XLA with an unknown batch.

Reference:
    Graves et al. 2014, "Neural Turing Machines", arXiv:1410.5401; Graves et al. 2016, "Hybrid computing using a neural
    network with dynamic external memory", Nature 538; Gulcehre et al. 2016, arXiv:1607.00036; Csordas and Schmidhuber
    2019, arXiv:1904.10278.
"""

import functools
import operator

from keras import ops

EPSILON = 1e-6
SMALLEST_WEIGHT = 1e-12


def content_weights(memory, keys, strengths, mask=None):
    """Weigh slots by the cosine similarity of their content to a key.

    `softmax(strength * K(key, m))` with `K(k, m) = k . m / sqrt((|k|^2 + eps) (|m|^2 + eps))` (Graves et al. 2014,
    equations 5 and 6). The epsilon inside the root keeps value and gradient finite for zero keys and zero memory.

    Args:
        memory: `(batch, slots, width)`.
        keys: `(batch, heads, width)`.
        strengths: Non-negative, `(batch, heads, 1)`.
        mask: Between 0 and 1, `(batch, heads, width)`: the entries of key and slots that are compared (Csordas and
            Schmidhuber 2019, equation 6). `None` compares all.

    Returns:
        Weights `(batch, heads, slots)` that sum to 1.
    """
    slots = ops.transpose(memory, (0, 2, 1))
    if mask is None:
        products, slot_norms = ops.matmul(keys, slots), ops.sum(memory * memory, axis=-1)[:, None, :]
    else:
        keys = keys * mask
        products, slot_norms = ops.matmul(keys * mask, slots), ops.matmul(mask * mask, slots * slots)
    key_norms = ops.sum(keys * keys, axis=-1, keepdims=True)
    return ops.softmax(strengths * products / ops.sqrt((key_norms + EPSILON) * (slot_norms + EPSILON)), axis=-1)


def interpolate(content, previous, gates):
    """Mix content weights with the previous weights: `g * content + (1 - g) * previous` (2014, equation 7)."""
    return gates * content + (1 - gates) * previous


def circular_shift(weights, shifts):
    """Move weights along the ring of slots (2014, equation 8).

    Args:
        weights: `(batch, heads, slots)`.
        shifts: Probabilities `(batch, heads, 2 * range + 1)` of the shifts from `-range` to `range`. A shift of +1
            moves the weight of slot 0 to slot 1, and that of the last slot to slot 0.

    Returns:
        The shifted weights, `(batch, heads, slots)`.

    Raises:
        ValueError: If the number of shifts is even.
    """
    if shifts.shape[-1] % 2 == 0:
        raise ValueError(f"shifts must be (batch, heads, 2 * range + 1). Received: shape {tuple(shifts.shape)}")
    reach = shifts.shape[-1] // 2
    return sum(shifts[..., i : i + 1] * ops.roll(weights, i - reach, axis=-1) for i in range(2 * reach + 1))


def sharpen(weights, exponents):
    """Raise weights to a power and normalise them: `w^gamma / sum w^gamma` (2014, equation 9).

    Computed as `softmax(gamma * log w)`, which divides no 0 by 0; weights below 1e-12 count as 1e-12.

    Args:
        weights: Non-negative, `(..., slots)`.
        exponents: `(..., 1)`.

    Returns:
        Weights of the same shape that sum to 1.
    """
    return ops.softmax(exponents * ops.log(ops.maximum(weights, SMALLEST_WEIGHT)), axis=-1)


def erase_and_add(memory, weights, erase, add):
    """Write to a memory: first the erasures of all heads, then their additions (2014, equations 3 and 4).

    Args:
        memory: `(batch, slots, width)`.
        weights: Of the write heads, `(batch, heads, slots)`.
        erase: Between 0 and 1, `(batch, heads, width)`.
        add: `(batch, heads, width)`.

    Returns:
        The memory `M * prod_h (1 - w_h e_h^T) + sum_h w_h a_h^T`.
    """
    by_head = [(weights[:, head, :, None], erase[:, head, None], add[:, head, None]) for head in range(erase.shape[1])]
    for w, e, _ in by_head:
        memory = memory * (1 - w * e)
    for w, _, a in by_head:
        memory = memory + w * a
    return memory


def retention(read_weights, free_gates):
    """Return how much of each slot its readers retain: `prod_r (1 - f_r w_r)` (2016, psi).

    Args:
        read_weights: Of the previous step, `(batch, heads, slots)`.
        free_gates: `(batch, heads, 1)`.

    Returns:
        Between 0 and 1, `(batch, slots)`.
    """
    return _product_over_heads(1 - free_gates * read_weights)


def usage(previous, write_weights, retained):
    """Return how much each slot is used: `(u + w - u * w) * psi` (2016).

    Args:
        previous: The usage before, `(batch, slots)`.
        write_weights: Of the previous step, `(batch, heads, slots)`; those of several heads count as
            `w = 1 - prod_h (1 - w_h)`.
        retained: What `retention` returns, `(batch, slots)`.

    Returns:
        Between 0 and 1, `(batch, slots)`.
    """
    written = 1 - _product_over_heads(1 - write_weights)
    return (previous + written - previous * written) * retained


def allocation_weights(usage, tie_break=0.0):
    """Weigh slots so that the least used is written next.

    With slots sorted by usage, `a = (1 - u) * product of the usage of all slots before it` (2016, equation 1). The
    product over the slots before one is a sum of logarithms under comparison, so that nothing is sorted. Equal slots
    are taken in the order of their index. The order has no gradient.

    Args:
        usage: Between 0 and 1, `(batch, slots)`.
        tie_break: What is added to the usage for each index, in the comparison alone. A small positive number makes the
            order of nearly equal slots that of their index, independent of rounding. Defaults to `0.0`.

    Returns:
        `(batch, slots)`, with a sum of at most 1.
    """
    slots = usage.shape[-1]
    index = ops.arange(slots)
    keys = ops.stop_gradient(usage) + tie_break * ops.cast(index, usage.dtype)
    one, other = keys[:, :, None], keys[:, None, :]
    is_before = ops.where(index[None, :] < index[:, None], other <= one, other < one)
    usage = EPSILON + (1 - EPSILON) * usage
    logarithms = ops.matmul(ops.cast(is_before, usage.dtype), ops.log(usage)[..., None])[..., 0]
    return (1 - usage) * ops.exp(logarithms)


def temporal_link(link, precedence, write_weights):
    """Update which slot was written after which (2016).

    `L[i, j] = (1 - w[i] - w[j]) * L[i, j] + w[i] * p[j]`, with a diagonal of zeros.

    Args:
        link: `(batch, heads, slots, slots)`.
        precedence: Of the previous step, `(batch, heads, slots)`.
        write_weights: `(batch, heads, slots)`.

    Returns:
        The new link, `(batch, heads, slots, slots)`; rows and columns sum to at most 1.
    """
    after, before = write_weights[..., :, None], write_weights[..., None, :]
    # As a product of matrices, whose gradient is two of them: XLA's sums over slots take several times as long.
    written = ops.matmul(after, precedence[..., None, :])
    link = (1 - after - before) * link + written
    return link * (1 - ops.eye(link.shape[-1], dtype=link.dtype))


def update_precedence(precedence, write_weights):
    """Return how much each slot is the last one written: `(1 - sum w) * p + w` (2016), `(batch, heads, slots)`."""
    return (1 - ops.sum(write_weights, axis=-1, keepdims=True)) * precedence + write_weights


def directional_weights(link, read_weights):
    """Weigh the slots written after, and before, those that were read (2016).

    Args:
        link: `(batch, write_heads, slots, slots)`.
        read_weights: Of the previous step, `(batch, read_heads, slots)`.

    Returns:
        The forward weights `L w` and the backward weights `L^T w`, each `(batch, read_heads, write_heads, slots)`.
    """
    links = [link[:, head] for head in range(link.shape[1])]
    forward = [ops.einsum("bij,brj->bri", link, read_weights) for link in links]
    backward = [ops.einsum("bij,bri->brj", link, read_weights) for link in links]
    return ops.stack(forward, axis=2), ops.stack(backward, axis=2)


def least_recently_used_logits(logits, average, strengths):
    """Lower the logits of slots that were addressed lately (Gulcehre et al. 2016, section 3.2).

    Args:
        logits: Content logits `z`, `(batch, heads, slots)`.
        average: The moving average `v` of the logits of earlier steps, `(batch, heads, slots)`.
        strengths: `gamma`, between 0 and 1, `(batch, heads, 1)`.

    Returns:
        The logits `z - gamma * v` and the new average `0.1 * v + 0.9 * z`, through neither of whose terms a gradient
        passes.
    """
    average = ops.stop_gradient(average)
    return logits - strengths * average, 0.1 * average + 0.9 * ops.stop_gradient(logits)


def _product_over_heads(factors):
    """Multiply `(batch, heads, ...)` over the heads; unlike `ops.prod`, with a gradient that compiles under XLA."""
    return functools.reduce(operator.mul, [factors[:, head] for head in range(factors.shape[1])])
