"""A picture of what a network does with its memory while it reads and answers a sequence."""

import os
from collections.abc import Callable

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.tasks.sequence_transduction.task import SequenceTransducer
from dmn_keras.utils.files import atomic

SHOWN: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "write_weights": ("write weights, by slot", lambda values: values.sum(axis=1)),  # of all heads
    "read_weights": ("read weights, by slot", lambda values: values.sum(axis=1)),
    "usage": ("usage, by slot", np.asarray),
    "actions": ("actions, by stack", lambda values: values.reshape(len(values), -1)),
    "memory": ("memory, norm of each slot", lambda values: np.linalg.norm(values, axis=-1)),
}
"""Of records by name the title, and a function that makes of one an array `(steps, rows)`."""


def memory_over_time(transducer: SequenceTransducer, example: SequenceTransductionExample) -> dict[str, np.ndarray]:
    """Return what the memory of the first layer holds and does at each step of a sequence.

    Args:
        transducer: The trained task.
        example: The sequence; its targets are ignored.

    Returns:
        Dict of name to array `(steps, ...)`, what `dmn_keras.layers.record_memory` returns of the cell.

    Raises:
        ValueError: If the network has no memory.
    """
    from dmn_keras.layers import record_memory

    cells = [
        layer.cell for layer in transducer.network.layers if hasattr(getattr(layer, "cell", None), "memory_record")
    ]
    if not cells:
        raise ValueError(f"model.cell must be one with a memory. Received: cell={transducer.config.model.cell}")
    (encoded,) = transducer.preprocessor.encode([example])
    return {name: array[0] for name, array in record_memory(cells[0], encoded.inputs[None]).items()}


def plot_memory(
    transducer: SequenceTransducer, example: SequenceTransductionExample, path: str | os.PathLike, *, slots: int = 128
) -> None:
    """Draw inputs, answers, and the weights of a memory over time, as in figures 6 and 9 of Graves et al. 2014.

    Args:
        transducer: The trained task, with a memory.
        example: The sequence.
        path: Path of the picture, `.png` or `.svg`.
        slots: Slots that are shown, the first ones.
    """
    from matplotlib.figure import Figure

    records, (answer,) = memory_over_time(transducer, example), transducer.predict([example])
    outputs = np.full((len(example.inputs), answer.probabilities.shape[1]), np.nan)
    outputs[np.asarray(example.scored, bool)] = answer.probabilities
    rows = {"inputs": np.asarray(example.inputs), "answers": outputs}
    rows |= {title: rows_of(records[name])[:, :slots] for name, (title, rows_of) in SHOWN.items() if name in records}
    figure = Figure(figsize=(0.12 * len(example.inputs) + 3, 1.4 * len(rows)), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(len(rows), sharex=True), rows.items(), strict=True):
        axes.imshow(values.T, cmap="Blues", aspect="auto", interpolation="nearest")
        axes.set_title(title, loc="left", fontsize=9)
        axes.tick_params(labelsize=7)
    axes.set_xlabel("step")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)
