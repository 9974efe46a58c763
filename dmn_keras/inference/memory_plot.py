"""Pictures of what a cell did with its memory."""

import numpy as np

from dmn_keras.errors import unknown_name
from dmn_keras.utils.files import atomic

PANELS = ("inputs", "write_weights", "read_weights", "usage", "entries", "actions", "outputs")
"""What `plot_memory` draws by default, from top to bottom."""


def plot_memory(record, path, *, row=0, names=None):
    """Draw a record of a memory as heat maps over time, as the papers do: a panel for each head, stack or list.

    Args:
        record: What `dmn_keras.layers.record_memory` returns.
        path: File to write, its suffix tells the format; written atomically.
        row: Which sequence of the batch. Defaults to 0.
        names: The entries of the record to draw, from top to bottom: with `(batch, time, n)`, `(batch, time, heads, n)`
            or `(batch, time, heads, n, size)`, of which the mean over `size` is drawn. Defaults to those of inputs,
            weights, usage, entries, actions and outputs that the record has.

    Raises:
        ValueError: If the record has no such entry or sequence, or matplotlib does not know the suffix.

    Example:

    >>> record = dmn_keras.layers.record_memory(cell, sequences)
    >>> plot_memory(record, "memory.png", names=("write_weights", "read_weights"))
    """
    from matplotlib.figure import Figure

    panels = [panel for name in names or _default_names(record) for panel in _panels(record, name, row)]
    steps = panels[0][1].shape[0]
    heights = [np.clip(values.shape[1], 4, 40) for _, values in panels]
    size = (2 + np.clip(0.12 * steps, 3, 20), 0.6 * len(panels) + 0.08 * sum(heights))
    figure = Figure(figsize=size, layout="constrained")
    every_axes = figure.subplots(len(panels), sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (title, values) in zip(every_axes, panels, strict=True):
        image = axes.imshow(values.T, cmap="viridis", aspect="auto", interpolation="nearest")
        axes.set_title(title, loc="left", fontsize=9)
        figure.colorbar(image, ax=axes)
    every_axes[-1].set_xlabel("step")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _default_names(record):
    return [name for name in PANELS if name in record]


def _panels(record, name, row):
    """Return a title and values `(time, n)` for each panel of an entry of the record."""
    if name not in record:
        raise ValueError(unknown_name("names", name, record))
    if not 0 <= row < len(record[name]):
        raise ValueError(f"row must be at least 0 and below {len(record[name])}. Received: row={row!r}")
    values, label = record[name][row], name.replace("_", " ")
    if values.ndim == 2:
        return [(label, values)]
    if values.ndim == 4:
        values = values.mean(axis=-1)
    numbers = range(values.shape[1])
    return [(f"{label} {number + 1}" if len(numbers) > 1 else label, values[:, number]) for number in numbers]
