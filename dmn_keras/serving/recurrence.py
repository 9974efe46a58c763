"""Keras' GRU as the loop that answers a single question soonest.

What a loop over words costs a single question is the number of operations of a step, not their size. Here the words are
multiplied by the input kernel before the loop and nothing is left in it but what needs the state. Nor does the loop
depend on the machine that exports: Keras would take cuDNN where it finds a GPU, and the graph would need one to serve.
"""

import contextlib
import functools

import keras
import tensorflow as tf


@contextlib.contextmanager
def lean_recurrence(model):
    """Let every plain GRU of a Keras model run as `gru` while its graph is traced."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.GRU) and _is_plain(layer)]
    for layer in layers:
        layer.inner_loop = functools.partial(_inner_loop, layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.inner_loop


def _is_plain(layer):
    """Return whether `gru` does what the layer does."""
    return layer.return_sequences and not layer.go_backwards and layer.use_bias and layer.reset_after


def _inner_loop(layer, sequences, initial_state, mask, training=False):
    if mask is not None:
        return type(layer).inner_loop(layer, sequences, initial_state, mask, training)
    states = gru(layer.cell, sequences, initial_state[0])
    return states[:, -1], states, [states[:, -1]]


def gru(cell, sequences, state):
    """Run a GRU over sequences, in inference.

    Args:
        cell: A built `keras.layers.GRUCell` with `reset_after=True`.
        sequences: `(batch, steps, dim)`.
        state: The first state, `(batch, units)`.

    Returns:
        All states, `(batch, steps, units)`.
    """
    kernel, recurrent = (tf.cast(weight, sequences.dtype) for weight in (cell.kernel, cell.recurrent_kernel))
    bias = tf.unstack(tf.cast(cell.bias, sequences.dtype))
    inputs = tf.transpose(tf.matmul(sequences, kernel) + bias[0], [1, 0, 2])
    steps = tf.shape(inputs)[0]
    inputs = tf.TensorArray(inputs.dtype, steps, element_shape=inputs.shape[1:]).unstack(inputs)
    states = tf.TensorArray(state.dtype, steps, element_shape=state.shape)

    def step(t, state, states):
        update, reset, new = tf.split(inputs.read(t), 3, axis=-1)
        of_update, of_reset, of_new = tf.split(tf.matmul(state, recurrent) + bias[1], 3, axis=-1)
        update = cell.recurrent_activation(update + of_update)
        new = cell.activation(new + cell.recurrent_activation(reset + of_reset) * of_new)
        state = new + update * (state - new)
        return t + 1, state, states.write(t, state)

    _, _, states = tf.while_loop(lambda t, *_: t < steps, step, (tf.constant(0), state, states))
    return tf.transpose(states.stack(), [1, 0, 2])
