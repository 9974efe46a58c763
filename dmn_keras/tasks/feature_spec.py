"""What an array of a batch looks like: all that padding, export signatures and sharding know of it."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class FeatureSpec:
    """Type and shape of one feature of an example.

    Attributes:
        dtype: NumPy's name of the type.
        axes: The axes of an example's value: an integer for a fixed size, a name for one that differs from example to
            example and is padded. Features that share a name have the same size there.
        padding: What stands in padded places.

    Example:

    >>> spec = FeatureSpec("int32", ("facts", "words"))
    >>> spec.pad([[[4, 5], [6]], [[7]]], {"facts": 2, "words": 3}).tolist()
    [[[4, 5, 0], [6, 0, 0]], [[7, 0, 0], [0, 0, 0]]]
    """

    dtype: str
    axes: tuple[str | int, ...] = ()
    padding: float = 0

    @property
    def named_axes(self) -> tuple[str, ...]:
        """The axes that are padded."""
        return tuple(axis for axis in self.axes if isinstance(axis, str))

    def shape(self, sizes: Mapping[str, int | None]) -> tuple[Any, ...]:
        """Return the shape of a value whose named axes have these sizes, `None` for any."""
        return tuple(sizes.get(axis) if isinstance(axis, str) else axis for axis in self.axes)

    def sizes(self, values: Sequence) -> dict[str, np.ndarray]:
        """Return the size of each named axis of each value, a dict of integer arrays `(values,)`."""
        result = {}
        for depth, axis in enumerate(self.axes):
            if isinstance(axis, str):
                result[axis] = np.fromiter((_size(value, depth) for value in values), "int64", len(values))
        return result

    def pad(self, values: Sequence, sizes: Mapping[str, int]) -> np.ndarray:
        """Pad the values of several examples to one array.

        Args:
            values: A value for each example: nested sequences of numbers, or arrays, as deep as there are axes.
            sizes: Size of each named axis.

        Returns:
            Array `(values, *axes)`.

        Raises:
            ValueError: If a value is larger than `sizes`.
        """
        shape = (len(values), *self.shape(sizes))
        if not self.named_axes:
            return np.asarray(values, self.dtype).reshape(shape)
        padded = np.full(shape, self.padding, self.dtype)
        if len(values) and isinstance(values[0], np.ndarray):
            for row, value in zip(padded, values, strict=True):
                row[tuple(map(slice, value.shape))] = value
            return padded
        # One level of nesting after the other: which places of the array hold the values of that level.
        filled, level = np.ones(len(values), bool), values
        for axis, size in zip(self.axes, shape[1:], strict=True):
            lengths = np.fromiter(map(len, level), "int64", len(level))
            if lengths.max(initial=0) > size:
                raise ValueError(f"sizes must hold at least {lengths.max()} for {axis!r}. Received: {size}")
            counts = np.zeros(filled.shape, "int64")
            counts[filled] = lengths
            filled = np.arange(size) < counts[..., None]
            level = list(itertools.chain.from_iterable(level))
        padded[filled] = np.fromiter(level, self.dtype, len(level))
        return padded


def _size(value, depth):
    """Return the size of a value at a depth of nesting, the largest of its parts."""
    if isinstance(value, np.ndarray):
        return value.shape[depth]
    return len(value) if depth == 0 else max((_size(part, depth - 1) for part in value), default=0)
