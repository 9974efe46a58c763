"""Steps of recurrences with gradients of their own, for `scan`: where training spends its time.

What a loop over time costs beyond its matrix products is memory traffic and, for every step, the bookkeeping of
automatic differentiation. Here a step's gradient is written out, and inputs are multiplied by their kernel within the
step, while they are in the cache.
"""

import typing

from keras import ops


class Cell(typing.NamedTuple):
    """A step and its gradient, arguments of `scan`.

    Attributes:
        step: `(weights, h, x) -> (next h, y, residuals)`, where `weights` and `x` are tuples of tensors.
        gradient: `(weights, h, x, residuals, d_next, d_y) -> (d_weights, d_h, d_x)`.
    """

    step: typing.Callable
    gradient: typing.Callable


def with_input_product(cell):
    """Return the `Cell` that multiplies its first input by a kernel and adds a bias, within the step.

    In training that is quicker than one large product before the loop, whose result is thrice the input's size. Its
    weights are `(kernel, bias, *weights of cell)`.
    """

    def step(weights, h, inputs):
        (w, b, *weights), (x, *inputs) = weights, inputs
        return cell.step(weights, h, (ops.matmul(x, w) + b, *inputs))

    def gradient(weights, h, inputs, residuals, d_next, d_y):
        (w, _, *weights), (x, *others) = weights, inputs
        d_weights, d_h, (d_wx, *d_others) = cell.gradient(weights, h, (None, *others), residuals, d_next, d_y)
        d_weights = (_d_kernel(x, d_wx), ops.sum(d_wx, axis=0), *d_weights)
        return d_weights, d_h, (ops.matmul(d_wx, ops.transpose(w)), *d_others)

    return Cell(step, gradient)


def _d_kernel(left, d_product):
    """Return the gradient at the kernel `K` of a product `left K`."""
    return ops.matmul(ops.transpose(left), d_product)


def _gru_step(weights, h, inputs):
    (u, d), (wx,) = weights, inputs
    units = h.shape[-1]
    w_zr, w_n = ops.split(wx, [2 * units], axis=-1)
    u_zr, u_n = ops.split(ops.matmul(h, u) + d, [2 * units], axis=-1)
    zr = ops.sigmoid(w_zr + u_zr)
    z, r = ops.split(zr, 2, axis=-1)
    n = ops.tanh(w_n + r * u_n)
    h = n + z * (h - n)
    return h, h, (zr, n, u_n)


def _gru_gradient(weights, h, inputs, residuals, d_next, d_y):
    (u, _), (zr, n, u_n) = weights, residuals
    d_next = d_next + d_y
    z, r = ops.split(zr, 2, axis=-1)
    # Of update, reset and candidate, each before its activation.
    d_z = d_next * (h - n) * z * (1 - z)
    d_n = d_next * (1 - z) * (1 - n * n)
    d_r = d_n * u_n * r * (1 - r)
    d_uh = ops.concatenate([d_z, d_r, d_n * r], axis=-1)
    d_h = d_next * z + ops.matmul(d_uh, ops.transpose(u))
    return (_d_kernel(h, d_uh), ops.sum(d_uh, axis=0)), d_h, (ops.concatenate([d_z, d_r, d_n], axis=-1),)


GRU = Cell(_gru_step, _gru_gradient)
"""The GRU of Keras and cuDNN, with a bias inside the reset gate's product, of inputs multiplied by their kernel.

With `wx = W x + b` and state `h`, and blocks in the order update, reset, candidate: `z = sigmoid(wx_z + U_z h + d_z)`,
`r = sigmoid(wx_r + U_r h + d_r)`, `n = tanh(wx_n + r * (U_n h + d_n))`, `h' = z * h + (1 - z) * n`. Its weights are
`(U, d)`, its inputs `(wx,)`; a step yields the next state.
"""


def _attention_step(weights, h, inputs):
    (u,), (wc, g) = weights, inputs
    blocks = u.shape[-1] // h.shape[-1]
    w_r, w_n, *w_z = ops.split(wc, blocks, axis=-1)
    u_r, u_n, *u_z = ops.split(ops.matmul(h, u), blocks, axis=-1)
    r = ops.sigmoid(w_r + u_r)
    n = ops.tanh(w_n + r * u_n)
    if blocks == 2:
        return g * n + (1 - g) * h, (), (r, n, u_n)
    z = ops.sigmoid(w_z[0] + u_z[0])
    return g * (z * h + (1 - z) * n) + (1 - g) * h, (), (r, n, u_n, z)


def _attention_gradient(weights, h, inputs, residuals, d_next, d_y):
    (u,), (_, g), (r, n, u_n, *update) = weights, inputs, residuals
    d_full, d_h = d_next * g, d_next * (1 - g)
    full, d_n = n, d_full * (1 - n * n)
    for z in update:
        full, d_n = z * h + (1 - z) * n, d_n * (1 - z)
        d_h = d_h + d_full * z
        update = [d_full * (h - n) * z * (1 - z)]
    d_g = ops.sum(d_next * (full - h), axis=-1, keepdims=True)
    d_r = d_n * u_n * r * (1 - r)
    d_uh = ops.concatenate([d_r, d_n * r, *update], axis=-1)
    d_wc = ops.concatenate([d_r, d_n, *update], axis=-1)
    return (_d_kernel(h, d_uh),), d_h + ops.matmul(d_uh, ops.transpose(u)), (d_wc, d_g)


ATTENTION_GRU = Cell(_attention_step, _attention_gradient)
"""The GRU whose step a gate weighs, of facts multiplied by their kernel: `AttentionGRUCell` has the equations.

Its weights are `(U,)`, its inputs `(W c + b, g)` with gates `(batch, 1)`; a step yields nothing. Blocks stand in the
order reset, candidate and, with three blocks in place of two, update.
"""


def _leaky_step(weights, h, inputs):
    z, x = inputs
    return h + z * (x - h), h, ()


def _leaky_gradient(weights, h, inputs, residuals, d_next, d_y):
    z, x = inputs
    return (), d_next * (1 - z) + d_y, (d_next * (x - h), d_next * z)


LEAKY = Cell(_leaky_step, _leaky_gradient)
"""A state that is written over, entry by entry, as far as a gate is open: `h' = (1 - z) * h + z * x`.

It has no weights; its inputs are `(z, x)`; a step yields the state before it.
"""
