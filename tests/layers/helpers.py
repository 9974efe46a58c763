"""What the tests of layers share: random weights, gradients on every backend, weights by the papers' symbols."""

import keras
import numpy as np
import pytest
from keras import ops

each_policy = pytest.mark.parametrize(
    "policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.one_backend)]
)
"""Runs a test in each mixed precision; on the other backends in float16 alone, which overflows first."""


def numpy(value):
    """Return a tensor, or a structure of tensors, as float64 arrays (integers and booleans stay what they are)."""

    def convert(x):
        x = ops.cast(x, "float32") if keras.backend.standardize_dtype(x.dtype) in _HALF else x
        x = ops.convert_to_numpy(x)
        return x.astype("float64") if x.dtype.kind == "f" else x

    return keras.tree.map_structure(convert, value)


_UNSIZED = ("gates", "answer")
"""Inputs whose last axis is no feature axis."""

_HALF = ("float16", "bfloat16")


def randomize(layer, seed=0, scale=0.6):
    """Give every weight its own seeded values, biases too, and return the layer."""
    rng = np.random.default_rng(seed)
    for variable in layer.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            variable.assign(scale * rng.standard_normal(variable.shape))
    return layer


def gradients(function, arrays=(), variables=()):
    """Differentiate a scalar function on the current backend.

    Args:
        function: Takes one tensor per array, returns a scalar tensor.
        arrays: Float arrays to differentiate by.
        variables: Keras variables to differentiate by.

    Returns:
        One array per entry of `arrays`, then one per variable; zeros where the function does not depend on it.
    """
    compute = {"tensorflow": _gradients_tensorflow, "jax": _gradients_jax, "torch": _gradients_torch}
    found = compute[keras.backend.backend()](function, list(arrays), list(variables))
    shapes = [np.shape(a) for a in arrays] + [tuple(v.shape) for v in variables]
    return [
        np.zeros(shape) if g is None else numpy(ops.convert_to_tensor(g))
        for g, shape in zip(found, shapes, strict=True)
    ]


def _gradients_tensorflow(function, arrays, variables):
    import tensorflow as tf

    tensors = [tf.constant(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(*tensors)
    found = tape.gradient(value, tensors + [v.value for v in variables])
    return [tf.convert_to_tensor(g) if isinstance(g, tf.IndexedSlices) else g for g in found]


def _gradients_jax(function, arrays, variables):
    import jax

    def stateless(arrays, values):
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return function(*arrays)

    tensors = [ops.convert_to_tensor(a) for a in arrays]
    by_arrays, by_variables = jax.grad(stateless, argnums=(0, 1))(tensors, [v.value for v in variables])
    return [*by_arrays, *by_variables]


def _gradients_torch(function, arrays, variables):
    import torch

    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    value = function(*tensors)
    if not value.requires_grad:
        return [None] * (len(tensors) + len(variables))
    return torch.autograd.grad(value, tensors + [v.value for v in variables], allow_unused=True)


def weighted_sum(outputs, seed=7):
    """A scalar that depends on every entry of every float output, each with its own weight."""
    rng = np.random.default_rng(seed)
    total = 0.0
    for x in keras.tree.flatten(outputs):
        if keras.backend.is_float_dtype(x.dtype):
            total = total + ops.sum(x * ops.cast(rng.standard_normal(x.shape), x.dtype))
    return ops.convert_to_tensor(total)


def compiled(layer, inputs, masks=None):
    """Run the layer in a compiled functional model whose sizes are unknown, but for the last axis of float arrays.

    Args:
        layer: The layer.
        inputs: Arrays of its call, by argument.
        masks: Boolean arrays of its call, by argument.

    Returns:
        What `predict_on_batch` gives, as float64 arrays, and the shapes that the model declares, as a flat list.
    """
    masks = masks or {}
    arrays = inputs | masks
    symbols = {
        name: keras.Input(
            batch_shape=(None,) * (x.ndim - 1) + (None if name in masks or name in _UNSIZED else x.shape[-1],),
            dtype=str(x.dtype),
            name=name,
        )
        for name, x in arrays.items()
    }
    outputs = layer(**symbols)
    model = keras.Model(symbols, outputs)
    declared = [tuple(x.shape) for x in keras.tree.flatten(outputs)]
    return numpy(keras.tree.map_structure(ops.convert_to_tensor, model.predict_on_batch(arrays))), declared


def gru_weights(cell):
    """The weights of a Keras GRU cell under the names of `tests.reference.gru`."""
    bias = numpy(cell.bias)
    return {"W": numpy(cell.kernel), "U": numpy(cell.recurrent_kernel), "b": bias[0], "b_u": bias[1]}


def attention_gru_weights(cell):
    return {"W": numpy(cell.kernel), "U": numpy(cell.recurrent_kernel), "b": numpy(cell.bias)}


def gate_weights(gate):
    """W1's blocks in the order of the features, one below the other."""
    weights = {
        "W1": np.concatenate([numpy(gate.kernels[name]) for name in gate.features]),
        "b1": numpy(gate.bias),
        "W2": numpy(gate.output_kernel)[:, 0],
        "b2": numpy(gate.output_bias)[0],
    }
    if hasattr(gate, "bilinear"):
        weights["W"] = numpy(gate.bilinear)
    return weights


def update_weights(update):
    if update.kind == "gru":
        return gru_weights(update.update)
    return {"W": numpy(update.update.kernel), "b": numpy(update.update.bias)}


def passes_weights(memory):
    """One dict a pass for `tests.reference.memory.episodic_memory`."""
    passes = []
    for i in range(memory.num_passes):
        k = 0 if memory.tie_weights else i
        heads = memory.attention_gates[k * memory.num_heads : (k + 1) * memory.num_heads]
        weights = {"gates": [gate_weights(gate) for gate in heads], "update": update_weights(memory.updates[k])}
        if memory.layer_norm:
            names = {"facts": "facts", "question": "question", "memory": f"memory_{k}"}
            weights["norms"] = {name: [numpy(w) for w in memory.norms[key].weights] for name, key in names.items()}
        if memory.episode != "soft_attention":
            weights["gru"] = attention_gru_weights(memory.attention_grus[k].cell)
        passes.append(weights)
    return passes


def decoder_weights(decoder):
    weights = {"W_a": numpy(decoder.logits.kernel), "b_a": numpy(decoder.logits.bias)}
    if decoder.max_words is not None:
        weights |= {"L": numpy(decoder.previous_word.embeddings), **gru_weights(decoder.cell)}
    return weights


def controller_weights(cell):
    """The weights of a `ControllerCell` under the names of `tests.reference.ntm`."""
    layer, interface = cell.controller_layer, cell.interface_layer
    weights = {"W_i": numpy(interface.kernel), "b_i": numpy(interface.bias)}
    if cell.controller == "feedforward":
        return weights | {"W": numpy(layer.kernel), "b": numpy(layer.bias)}
    if cell.controller == "gru":
        return weights | gru_weights(layer)
    return weights | {"W": numpy(layer.kernel), "U": numpy(layer.recurrent_kernel), "b": numpy(layer.bias)}
