"""Recurrent networks whose cells write to a memory and read from it, as functional models."""

import keras

from dmn_keras import layers
from dmn_keras.layers.checks import positive_integer
from dmn_keras.models.recurrent_memory_config import RecurrentMemoryConfig

_KERAS_LAYERS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simple_rnn": keras.layers.SimpleRNN}
_SIZES, _HEADS = ("memory_slots", "memory_width", "controller"), ("read_heads", "write_heads")
_SLOT_CELLS = {
    "ntm": (layers.NTMCell, (*_SIZES, *_HEADS, "shift_range", "memory_init", "weights_init", "read_first")),
    "dnc": (layers.DNCCell, (*_SIZES, *_HEADS, "link", "masked_lookup", "deallocate", "sharpen_links")),
    "dynamic_ntm": (layers.DynamicNTMCell, (*_SIZES, "address_width", "num_steps", "lru", "addressing")),
}
"""Cells with slots, and which of the settings of the memory each takes."""


def recurrent_memory(
    input_size: int, output_size: int, config: RecurrentMemoryConfig | None = None, *, name: str = "recurrent_memory"
) -> keras.Model:
    """Build a recurrent network with a memory as a functional model.

    Layers of the cell that `config` names run over the sequence; a dense layer makes the logits of each step. The
    network runs forward alone: padding after the end of a sequence does not change what comes before it.

    Args:
        input_size: Positive integer, size of a step's input.
        output_size: Positive integer, number of logits of a step.
        config: A `RecurrentMemoryConfig`. Defaults to that of the NTM.
        name: Name of the model. Defaults to `"recurrent_memory"`.

    Returns:
        A `keras.Model` from the dict of `inputs`, float `(batch, steps, input_size)`, to the dict of `logits`, float32
        `(batch, steps, output_size)`.

    Raises:
        ValueError: If a size is not positive, or settings do not go together.

    Example:

    >>> config = RecurrentMemoryConfig(cell="gru", units=8)
    >>> tuple(recurrent_memory(3, 2, config)({"inputs": keras.random.normal((1, 5, 3))})["logits"].shape)
    (1, 5, 2)
    """
    config = RecurrentMemoryConfig() if config is None else config
    inputs = keras.Input((None, positive_integer("input_size", input_size)), name="inputs")
    x = inputs
    for number in range(config.num_layers):
        x = recurrent_layer(config, f"{config.cell}_{number}")(x)
    logits = keras.layers.Dense(positive_integer("output_size", output_size), dtype="float32", name="logits")(x)
    return keras.Model({"inputs": inputs}, {"logits": logits}, name=name)


def recurrent_layer(config, name, *, masked=False):
    """Return a layer over sequences whose cell a `RecurrentMemoryConfig` names; it returns all outputs.

    Args:
        config: The `RecurrentMemoryConfig`.
        name: Name of the layer.
        masked: Whether the layer is called with a mask that may have holes, which cuDNN does not take.
    """
    if config.cell not in _KERAS_LAYERS:
        return layers.MemoryRNN(memory_cell(config), return_sequences=True, name=name)
    options = {"use_cudnn": False} if masked and config.cell != "simple_rnn" else {}
    return _KERAS_LAYERS[config.cell](config.units, return_sequences=True, name=name, **options)


def memory_cell(config):
    """Return the cell that a `RecurrentMemoryConfig` names, one of those with a memory."""
    if config.cell in _SLOT_CELLS:
        kind, names = _SLOT_CELLS[config.cell]
        return kind(config.units, **{name: getattr(config.memory, name) for name in names})
    stack = dict(vars(config.stack))
    kind = layers.StackRNNCell if config.cell == "stack_rnn" else layers.ListRNNCell
    return kind(config.units, stack.pop("num_stacks"), **stack)
