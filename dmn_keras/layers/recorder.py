"""Recording what a cell does with its memory, step by step."""

from typing import Any

import numpy as np
from keras import ops


def record_memory(cell: Any, sequences: Any, *, initial_state: list | None = None) -> dict[str, np.ndarray]:
    """Run a cell over sequences and record its memory after every step, for pictures (`plot_memory`).

    Works for any RNN cell with a method `memory_record(states)` that returns a dict of the tensors to record, by name.

    Args:
        cell: The cell, whose weights are those of the model it is part of.
        sequences: Array, `(batch, time, features)`.
        initial_state: List of the states before the first step. Defaults to the cell's initial state.

    Returns:
        A dict of float arrays: `"inputs"`, `"outputs"` `(batch, time, output_size)`, and each of the cell's records,
        `(batch, time, ...)`. Of all cells with slots: `"memory"` `(batch, time, slots, width)`, and `"read_weights"`
        and `"write_weights"` `(batch, time, heads, slots)`; of `NTMCell` and `DNCCell` also `"reads"`; of `DNCCell`
        also `"usage"` and, with links, `"links"` and `"precedence"`. Of `StackRNNCell` and `ListRNNCell`: `"entries"`
        `(batch, time, memories, entries, cell_size)` and `"actions"` `(batch, time, memories, actions)`.

    Raises:
        ValueError: If the cell has no `memory_record`, or the sequences have no steps.

    Example:

    >>> cell = dmn_keras.layers.NTMCell(32, memory_slots=16, memory_width=8)
    >>> records = dmn_keras.layers.record_memory(cell, keras.random.normal((1, 5, 4)))
    >>> records["write_weights"].shape
    (1, 5, 1, 16)
    """
    if not hasattr(cell, "memory_record"):
        raise ValueError(f"cell must have a method memory_record(states). Received: cell={cell!r}")
    sequences = ops.convert_to_tensor(sequences, dtype=cell.compute_dtype)
    if len(sequences.shape) != 3 or sequences.shape[1] == 0:
        shape = tuple(sequences.shape)
        raise ValueError(f"sequences must be (batch, time, features) with at least one step. Received: shape {shape}")
    if not cell.built:
        cell.build((None, sequences.shape[-1]))
    states = cell.get_initial_state(batch_size=sequences.shape[0]) if initial_state is None else initial_state
    records = []
    for t in range(sequences.shape[1]):
        output, states = cell(sequences[:, t], states)
        record = {"inputs": sequences[:, t], "outputs": output, **cell.memory_record(states)}
        records.append({name: ops.convert_to_numpy(ops.cast(value, "float32")) for name, value in record.items()})
    return {name: np.stack([record[name] for record in records], axis=1) for name in records[0]}
