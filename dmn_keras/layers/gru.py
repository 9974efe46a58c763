"""Keras' GRU on this package's recurrence."""

import functools
from typing import Any

import keras
from keras import ops

from dmn_keras.layers import recurrence
from dmn_keras.layers.scan import scan


class GRU(keras.layers.GRU):
    """`keras.layers.GRU` that returns all states, with a loop of its own: the same weights, the same numbers.

    In training the loop has its own gradient (`scan`); in inference all inputs are multiplied by their kernel
    before the loop, and a step holds what needs the state alone. Where cuDNN can be had, on TensorFlow with a GPU, it
    trains; an exported graph never needs it. PyTorch runs Keras' own loop.

    Masking: the caller puts padding behind the real steps, where it does no harm. Under a mask, or from a given first
    state, Keras' own loop runs.

    Args:
        units: Positive integer, size of a state.
        recompute: As for `scan`. Defaults to `False`.
        **kwargs: Arguments of `keras.layers.GRU`.
    """

    def __init__(self, units: int, *, recompute: bool = False, **kwargs: Any):
        super().__init__(units, return_sequences=True, **kwargs)
        self.recompute = recompute

    def call(self, sequences, initial_state=None, mask=None, training=False):
        if initial_state is not None or mask is not None or _other_loop(training):
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        kernel, recurrent_kernel, bias = (
            ops.convert_to_tensor(weight, dtype=sequences.dtype)
            for weight in (self.cell.kernel, self.cell.recurrent_kernel, self.cell.bias)
        )
        inputs = ops.transpose(sequences, (1, 0, 2))
        state = ops.zeros((ops.shape(sequences)[0], self.units), dtype=sequences.dtype)
        cell, weights = recurrence.GRU, (recurrent_kernel, bias[1])
        if training:
            cell, weights = recurrence.with_input_product(cell), (kernel, bias[0], *weights)
        else:
            inputs = ops.matmul(inputs, kernel) + bias[0]
        gradient = cell.gradient if training else None
        _, states = scan(cell.step, state, (inputs,), weights=weights, gradient=gradient, recompute=self.recompute)
        return ops.transpose(states, (1, 0, 2))


def _other_loop(training):
    """Return whether another loop than ours is the quicker one."""
    return keras.backend.backend() == "torch" or (training and _has_cudnn())


@functools.cache
def _has_cudnn():
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
