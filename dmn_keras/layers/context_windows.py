"""The facts around each fact, a story for each of them."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import positive_integer


@keras.saving.register_keras_serializable(package="dmn_keras")
class ContextWindows(keras.layers.Layer):
    """Makes of each fact and its neighbours a short story, so that a memory of its own answers for each fact.

    Args:
        size: Positive integer, neighbours on each side.
        **kwargs: Arguments of every layer.

    Call arguments:
        facts: `(batch, facts, units)`.
        facts_mask: Boolean, `(batch, facts)`, `True` for a real fact. `None` means that all are real.

    Returns:
        Windows, `(batch, facts, 2 * size + 1, units)`, the fact itself in the middle; and a boolean mask of the places
        that hold a real fact, `(batch, facts, 2 * size + 1)`.

    Raises:
        ValueError: If `size` is no positive integer.

    Example:

    >>> windows, mask = dmn_keras.layers.ContextWindows(2)(keras.random.normal((2, 5, 32)))
    >>> tuple(windows.shape), tuple(mask.shape)
    ((2, 5, 5, 32), (2, 5, 5))
    """

    def __init__(self, size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = positive_integer("size", size)
        self.supports_masking = True

    def call(self, facts, facts_mask=None):
        real = ops.ones_like(facts[..., :1]) if facts_mask is None else ops.cast(facts_mask, facts.dtype)[..., None]
        return self._windows(facts), self._windows(real)[..., 0] > 0

    def _windows(self, values):
        padded = ops.pad(values, [[0, 0], [self.size, self.size], [0, 0]])
        shifted = [padded[:, i : i - 2 * self.size or None] for i in range(2 * self.size + 1)]
        return ops.stack(shifted, axis=2)

    def compute_mask(self, facts, previous_mask=None):
        return None, None

    def get_config(self):
        return {**super().get_config(), "size": self.size}
