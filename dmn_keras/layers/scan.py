"""A loop over time for nested states, with a gradient of its own where a step has one."""

import keras
from keras import ops

from dmn_keras.errors import unknown_name


def scan(step, init, xs, *, weights=(), reverse=False, gradient=None, recompute=False):
    """Carry a nested state over the first axis of nested tensors.

    With `gradient` the loop is differentiated by a loop of its own: the forward loop keeps each step's state and
    residuals and no more, the backward loop sums the weights' gradients in at least float32. Without it the backend
    differentiates the loop. `keras.ops.scan` on TensorFlow neither lets results differ in shape from the state nor runs
    as quickly as the backend's own loop, which is used here.

    Structures may be nested: tuples, lists and dicts of tensors, also empty ones.

    Args:
        step: `(weights, state, x) -> (next state, y, residuals)`. `y` is what the caller wants of a step, `()` for
            nothing; `residuals` is what `gradient` needs besides the state before the step and `x`.
        init: The first state; a step keeps its structure, shapes and dtypes.
        xs: Inputs, `(time, ...)` each.
        weights: What all steps share. Without `gradient` a step may close over it in place of taking it.
        reverse: Whether time runs from the last to the first. Defaults to `False`.
        gradient: `(weights, state, x, residuals, d_next, d_y) -> (d_weights, d_state, d_x)`: from the gradients at the
            next state and at `y` those at the step's arguments, in their structures. All of them are then floats.
            PyTorch, whose automatic differentiation costs the loop nothing more, never uses it. Defaults to `None`.
        recompute: Whether `gradient` gets residuals that are computed again rather than kept: less memory, more time.
            Defaults to `False`.

    Returns:
        The last state, and `y` of all steps, `(time, ...)`, in the order of `xs`.

    Raises:
        ValueError: If Keras runs on a backend without a loop here.

    Example:

    >>> def step(weights, state, x):
    ...     total = {"sum": state["sum"] + x}
    ...     return total, total["sum"], ()
    >>> last, sums = scan(step, {"sum": keras.ops.zeros(())}, keras.ops.ones((3,)))
    >>> float(last["sum"]), keras.ops.convert_to_numpy(sums).tolist()
    (3.0, [1.0, 2.0, 3.0])
    """
    if gradient is not None and keras.backend.backend() != "torch":
        return _scan_with_gradient(step, init, xs, weights, reverse, gradient, recompute)

    def without_residuals(state, x):
        state, y, _ = step(weights, state, x)
        return state, y

    return _loop(without_residuals, init, xs, reverse)


def recomputed_gradient(step):
    """Return a `gradient` for `scan` that runs a step again and lets the backend differentiate it.

    The loop then keeps nothing but the states, which is quicker where a step has many intermediate results of the size
    of its state.

    Args:
        step: As for `scan`; it takes all that has a gradient as arguments.
    """

    def gradient(weights, state, x, residuals, d_next, d_y):
        def without_residuals(weights, state, x):
            following, y, _ = step(weights, state, x)
            return following, y

        differentiate = {"jax": _jax_gradient, "tensorflow": _tensorflow_gradient}[keras.backend.backend()]
        return differentiate(without_residuals, (weights, state, x), (d_next, d_y))

    return gradient


def _jax_gradient(function, arguments, upstream):
    import jax

    _, backward = jax.vjp(function, *arguments)
    return backward(upstream)


def _tensorflow_gradient(function, arguments, upstream):
    import tensorflow as tf

    flat = keras.tree.flatten(arguments)
    with tf.GradientTape() as tape:
        tape.watch(flat)
        results = keras.tree.flatten(function(*keras.tree.pack_sequence_as(arguments, flat)))
    upstream = keras.tree.flatten(upstream)
    found = tape.gradient(results, flat, upstream, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return keras.tree.pack_sequence_as(arguments, found)


def _scan_with_gradient(step, init, xs, weights, reverse, gradient, recompute):
    structure = (weights, init, xs)
    results = None

    @ops.custom_gradient
    def differentiable(*arguments):
        weights, init, xs = keras.tree.pack_sequence_as(structure, arguments)

        def forward(state, x):
            following, y, residuals = step(weights, state, x)
            return following, (y, (state, () if recompute else residuals))

        last, (ys, kept) = _loop(forward, init, xs, reverse)
        nonlocal results
        results = (last, ys)

        def backward(*upstream, **_):
            d_last, d_ys = keras.tree.pack_sequence_as((last, ys), keras.tree.flatten(upstream))

            def back(carried, at):
                (d_next, sums), (x, d_y, (state, residuals)) = carried, at
                if recompute:
                    _, _, residuals = step(weights, state, x)
                d_weights, d_state, d_x = gradient(weights, state, x, residuals, d_next, d_y)
                sums = keras.tree.map_structure(lambda total, d: total + ops.cast(d, total.dtype), sums, d_weights)
                return (d_state, sums), d_x

            sums = keras.tree.map_structure(lambda weight: ops.zeros(weight.shape, _sum_dtype(weight)), weights)
            (d_init, sums), d_xs = _loop(back, (d_last, sums), (xs, d_ys, kept), not reverse)
            d_weights = keras.tree.map_structure(lambda total, weight: ops.cast(total, weight.dtype), sums, weights)
            return tuple(keras.tree.flatten((d_weights, d_init, d_xs)))

        return keras.tree.flatten(results), backward

    # Copies, since `tf.custom_gradient` takes tensors and no variables.
    copies = keras.tree.map_structure(ops.copy, weights)
    flat = differentiable(*keras.tree.flatten((copies, init, xs)))
    if keras.backend.backend() == "tensorflow":
        _move_gradient_to_graph(flat[0])
    return keras.tree.pack_sequence_as(results, flat)


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


def _loop(step, state, xs, reverse):
    """Run `step`, `(state, x) -> (state, y)`, in the backend's own loop."""
    backend = keras.backend.backend()
    if backend not in _LOOPS:
        raise ValueError(unknown_name("KERAS_BACKEND", backend, _LOOPS))
    return _LOOPS[backend](step, state, xs, reverse)


def _jax_loop(step, state, xs, reverse):
    import jax

    return jax.lax.scan(step, state, xs, reverse=reverse)


def _tensorflow_loop(step, state, xs, reverse):
    import tensorflow as tf

    if tf.executing_eagerly():
        return _python_loop(step, state, xs, reverse)
    flatten, pack = keras.tree.flatten, keras.tree.pack_sequence_as
    state_spec = keras.tree.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), state)
    x_spec = keras.tree.map_structure(lambda x: tf.TensorSpec(x.shape[1:], x.dtype), xs)
    _, y_spec = tf.function(step).get_concrete_function(state_spec, x_spec).structured_outputs
    steps = tf.shape(flatten(xs)[0])[0]
    inputs = [_array(x.dtype, x.shape[1:], steps).unstack(x) for x in flatten(xs)]
    outputs = [_array(y.dtype, y.shape, steps) for y in flatten(y_spec)]

    def body(t, flat_state, outputs):
        at = steps - 1 - t if reverse else t
        following, y = step(pack(state, flat_state), pack(xs, [array.read(at) for array in inputs]))
        return t + 1, flatten(following), [array.write(at, y) for array, y in zip(outputs, flatten(y), strict=True)]

    start = (tf.constant(0), flatten(state), outputs)
    _, last, outputs = tf.while_loop(lambda t, *_: t < steps, body, start, maximum_iterations=steps)
    return pack(state, last), pack(y_spec, [array.stack() for array in outputs])


def _array(dtype, shape, size):
    import tensorflow as tf

    return tf.TensorArray(dtype, size, element_shape=shape, clear_after_read=False)


def _python_loop(step, state, xs, reverse):
    def at(t):
        return keras.tree.map_structure(lambda x: x[t], xs)

    num_steps, results = keras.tree.flatten(xs)[0].shape[0], []
    for t in reversed(range(num_steps)) if reverse else range(num_steps):
        state, y = step(state, at(t))
        results.append(y)
    if not results:  # one step over zeros tells the shapes
        _, y = step(state, keras.tree.map_structure(lambda x: ops.zeros(x.shape[1:], x.dtype), xs))
        return state, keras.tree.map_structure(lambda x: ops.zeros((0, *x.shape), x.dtype), y)
    if reverse:
        results.reverse()
    return state, keras.tree.map_structure(lambda *ys: ops.stack(ys), *results)


_LOOPS = {"jax": _jax_loop, "tensorflow": _tensorflow_loop, "torch": _python_loop}
