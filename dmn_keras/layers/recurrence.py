"""Recurrences with a gradient of their own: the loops over words and facts, where training spends its time.

What a loop over time costs beyond its matrix products is memory traffic and, for every step, the bookkeeping of
automatic differentiation. Here the forward loop keeps what the backward loop needs and no more, the backward loop sums
the weights' gradients as it goes, and inputs are multiplied by their kernel within the step, while they are in the
cache.

A recurrence is a `Cell` of two functions. Shapes below leave out time: a loop runs over the first axis of its
inputs.
"""

import typing

import keras
from keras import ops

from dmn_keras.errors import unknown_name


class Cell(typing.NamedTuple):
    """One step of a recurrence and its gradient.

    Attributes:
        step: `(weights, state, inputs) -> (next state, kept)`, all but `state` tuples of tensors; `kept` is what the
            gradient needs besides state and inputs.
        gradient: `(weights, state, inputs, kept, d_next) -> (d_state, d_weights, d_inputs)`: from the gradient at the
            next state those at the state before, the weights (a tuple like `weights`) and the inputs (a tuple like
            `inputs`).
    """

    step: typing.Callable
    gradient: typing.Callable


def run(cell, weights, inputs, state, *, every_state, training, recompute=False):
    """Run a recurrence over time.

    Args:
        cell: The `Cell`.
        weights: Tuple of tensors.
        inputs: Tuple of tensors, `(time, batch, ...)`.
        state: The first state, `(batch, units)`.
        every_state: Whether all states are wanted, or the last one alone.
        training: Whether the cell's own gradient is used. Without it nothing is kept for a gradient, and automatic
            differentiation goes through the loop.
        recompute: Whether the gradient keeps the states alone and computes what else it needs again: for a GRU a fifth
            of the memory, for one more forward step in three.

    Returns:
        All states, `(time, batch, units)`, or the last, `(batch, units)`.
    """
    # PyTorch has no loop of its own: its automatic differentiation costs the loop nothing more.
    if training and keras.backend.backend() != "torch":
        return _run_with_own_gradient(cell, weights, inputs, state, every_state, recompute)

    def step(state, at):
        state, _ = cell.step(weights, state, at)
        return state, (state,) if every_state else ()

    last, states = loop(step, state, inputs)
    return states[0] if every_state else last


def _run_with_own_gradient(cell, weights, inputs, state, every_state, recompute):
    num_weights = len(weights)

    @ops.custom_gradient
    def differentiable(*arguments):
        weights, inputs, first = arguments[:num_weights], arguments[num_weights:-1], arguments[-1]

        def step(state, at):
            following, kept = cell.step(weights, state, at)
            return following, (state,) if recompute else (state, *kept)

        last, (states, *kept) = loop(step, first, inputs)

        def gradient(*upstream, **_):
            sums = tuple(ops.zeros(weight.shape, dtype=_sum_dtype(weight)) for weight in weights)

            def back(carried, at):
                d_next, *sums = carried
                if every_state:
                    d_state, *at = at
                    d_next = d_next + d_state
                state, of_kept, of_inputs = at[0], at[1 : 1 + len(kept)], at[1 + len(kept) :]
                if recompute:
                    _, of_kept = cell.step(weights, state, of_inputs)
                d_next, d_weights, d_inputs = cell.gradient(weights, state, of_inputs, of_kept, d_next)
                sums = [total + ops.cast(d, total.dtype) for total, d in zip(sums, d_weights, strict=True)]
                return (d_next, *sums), d_inputs

            d_last = ops.zeros_like(last) if every_state else upstream[0]
            along = (*upstream[:1], states, *kept, *inputs) if every_state else (states, *kept, *inputs)
            (d_first, *d_weights), d_inputs = loop(back, (d_last, *sums), along, backwards=True)
            d_weights = [ops.cast(d, weight.dtype) for d, weight in zip(d_weights, weights, strict=True)]
            return (*d_weights, *d_inputs, d_first)

        return (ops.concatenate([states[1:], last[None]], axis=0) if every_state else last), gradient

    # Copies, since `tf.custom_gradient` takes tensors and no variables.
    result = differentiable(*(ops.copy(weight) for weight in weights), *inputs, state)
    if keras.backend.backend() == "tensorflow":
        _move_gradient_to_graph(result)
    return result


def _move_gradient_to_graph(result):
    """Let a gradient of `tf.custom_gradient` end with its graph (tensorflow/tensorflow#97697).

    TensorFlow registers it for the life of the process, and with it all tensors of the graph, hence the model. The
    operation itself may hold it, where TensorFlow looks first.
    """
    import tensorflow as tf
    from tensorflow.python.framework import ops as framework

    if tf.executing_eagerly():
        return
    registered = getattr(framework.gradient_registry, "_registry", {})
    gradient = registered.pop(result.op.get_attr("_gradient_op_type").decode(), None)
    if gradient is not None:  # private, and so are its names: a TensorFlow that has others keeps its gradients
        result.op._gradient_function = gradient["type"]


def _sum_dtype(weight):
    """Return the dtype in which a weight's gradients are summed over time: 16 bits would lose the small ones."""
    dtype = keras.backend.standardize_dtype(weight.dtype)
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def loop(step, state, inputs, *, backwards=False):
    """Carry a state over the first axis of tensors.

    The loop of the backend itself: `keras.ops.scan` on TensorFlow neither lets results differ in shape from the state
    nor runs as quickly.

    Args:
        step: `(state, tuple of inputs at one time) -> (state, tuple of results)`.
        state: Tensor, or tuple of tensors.
        inputs: Tuple of tensors, `(time, ...)`.
        backwards: Whether time runs from the last to the first.

    Returns:
        The last state, and a tuple of the results over time, `(time, ...)`, in the order of the inputs.
    """
    backend = keras.backend.backend()
    if backend not in _LOOPS:
        raise ValueError(unknown_name("KERAS_BACKEND", backend, _LOOPS))
    return _LOOPS[backend](step, state, inputs, backwards)


def _jax_loop(step, state, inputs, backwards):
    import jax

    return jax.lax.scan(step, state, inputs, reverse=backwards)


def _tensorflow_loop(step, state, inputs, backwards):
    import tensorflow as tf

    if tf.executing_eagerly():
        return _python_loop(step, state, inputs, backwards)
    steps = tf.shape(inputs[0])[0]
    like = tf.nest.map_structure(lambda tensor: tf.TensorSpec(tensor.shape, tensor.dtype), state)
    at = tuple(tf.TensorSpec(of_input.shape[1:], of_input.dtype) for of_input in inputs)
    _, results = tf.function(step).get_concrete_function(like, at).structured_outputs
    results = [_array(of_result.dtype, of_result.shape, steps) for of_result in results]
    inputs = [_array(of_input.dtype, of_input.shape[1:], steps).unstack(of_input) for of_input in inputs]

    def body(t, state, results):
        at = steps - 1 - t if backwards else t
        state, result = step(state, tuple(array.read(at) for array in inputs))
        return t + 1, state, [array.write(at, of_result) for array, of_result in zip(results, result, strict=True)]

    start = (tf.constant(0), state, results)
    _, state, results = tf.while_loop(lambda t, *_: t < steps, body, start, maximum_iterations=steps)
    return state, tuple(array.stack() for array in results)


def _array(dtype, shape, size):
    import tensorflow as tf

    return tf.TensorArray(dtype, size, element_shape=shape, clear_after_read=False)


def _python_loop(step, state, inputs, backwards):
    results = []
    times = range(inputs[0].shape[0])
    for t in reversed(times) if backwards else times:
        state, result = step(state, tuple(of_input[t] for of_input in inputs))
        results.append(result)
    if backwards:
        results.reverse()
    return state, tuple(ops.stack(of_result) for of_result in zip(*results, strict=True))


_LOOPS = {"jax": _jax_loop, "tensorflow": _tensorflow_loop, "torch": _python_loop}


def with_input_product(cell):
    """Return the `Cell` that multiplies its first input by a kernel and adds a bias, within the step.

    In training that is quicker than one large product before the loop, whose result is thrice the input's size. Its
    weights are `(kernel, bias, *weights of cell)`.
    """

    def step(weights, state, inputs):
        (w, b, *weights), (x, *inputs) = weights, inputs
        return cell.step(weights, state, (ops.matmul(x, w) + b, *inputs))

    def gradient(weights, state, inputs, kept, d_next):
        (w, _, *weights), (x, *others) = weights, inputs
        d_state, d_weights, (d_wx, *d_others) = cell.gradient(weights, state, (None, *others), kept, d_next)
        of_product = _d_kernel(x, d_wx), ops.sum(d_wx, axis=0)
        return d_state, (*of_product, *d_weights), (ops.matmul(d_wx, ops.transpose(w)), *d_others)

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
    return n + z * (h - n), (zr, n, u_n)


def _gru_gradient(weights, h, inputs, kept, d_next):
    (u, _), (zr, n, u_n) = weights, kept
    z, r = ops.split(zr, 2, axis=-1)
    # Of update, reset and candidate, each before its activation.
    d_z = d_next * (h - n) * z * (1 - z)
    d_n = d_next * (1 - z) * (1 - n * n)
    d_r = d_n * u_n * r * (1 - r)
    d_uh = ops.concatenate([d_z, d_r, d_n * r], axis=-1)
    d_h = d_next * z + ops.matmul(d_uh, ops.transpose(u))
    return d_h, (_d_kernel(h, d_uh), ops.sum(d_uh, axis=0)), (ops.concatenate([d_z, d_r, d_n], axis=-1),)


GRU = Cell(_gru_step, _gru_gradient)
"""The GRU of Keras and cuDNN, with a bias inside the reset gate's product, of inputs multiplied by their kernel.

With `wx = W x + b` and state `h`, and blocks in the order update, reset, candidate: `z = sigmoid(wx_z + U_z h + d_z)`,
`r = sigmoid(wx_r + U_r h + d_r)`, `n = tanh(wx_n + r * (U_n h + d_n))`, `h' = z * h + (1 - z) * n`. Its weights are
`(U, d)`, its inputs `(wx,)`.
"""


def _attention_step(weights, h, inputs):
    (u,), (wc, g) = weights, inputs
    blocks = u.shape[-1] // h.shape[-1]
    w_r, w_n, *w_z = ops.split(wc, blocks, axis=-1)
    u_r, u_n, *u_z = ops.split(ops.matmul(h, u), blocks, axis=-1)
    r = ops.sigmoid(w_r + u_r)
    n = ops.tanh(w_n + r * u_n)
    if blocks == 2:
        return g * n + (1 - g) * h, (r, n, u_n)
    z = ops.sigmoid(w_z[0] + u_z[0])
    return g * (z * h + (1 - z) * n) + (1 - g) * h, (r, n, u_n, z)


def _attention_gradient(weights, h, inputs, kept, d_next):
    (u,), (_, g), (r, n, u_n, *update) = weights, inputs, kept
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
    return d_h + ops.matmul(d_uh, ops.transpose(u)), (_d_kernel(h, d_uh),), (d_wc, d_g)


ATTENTION_GRU = Cell(_attention_step, _attention_gradient)
"""The GRU whose step a gate weighs, of facts multiplied by their kernel: `AttentionGRUCell` has the equations.

Its weights are `(U,)`, its inputs `(W c + b, g)` with gates `(batch, 1)`. Blocks stand in the order reset, candidate
and, with three blocks in place of two, update.
"""


def _leaky_step(weights, h, inputs):
    z, x = inputs
    return h + z * (x - h), ()


def _leaky_gradient(weights, h, inputs, kept, d_next):
    z, x = inputs
    return d_next * (1 - z), (), (d_next * (x - h), d_next * z)


LEAKY = Cell(_leaky_step, _leaky_gradient)
"""A state that is written over, entry by entry, as far as a gate is open: `h' = (1 - z) * h + z * x`.

It has no weights; its inputs are `(z, x)`.
"""
