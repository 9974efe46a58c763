"""The outputs of a network at the scored steps of a sequence."""

import dataclasses
from typing import Any

import numpy as np


def format_values(values: np.ndarray, symbols: str = "") -> str:
    """Return bits `(steps, bits)` or classes `(steps,)` as text.

    Args:
        values: Bits, written as `"0110 1000"`, or classes, written as `"3 0 1"`.
        symbols: The symbols of the classes, for `"dab"`.
    """
    if values.ndim == 2:
        return " ".join("".join(str(int(bit)) for bit in step) for step in values)
    return "".join(symbols[i] for i in values) if symbols else " ".join(map(str, values.tolist()))


@dataclasses.dataclass(frozen=True)
class SequenceAnswer:
    """The bits or classes of the scored steps of one sequence.

    Attributes:
        values: Bits int32 `(scored, bits)`, or classes int32 `(scored,)`.
        probabilities: float32 `(scored, bits)`, of each bit that it is 1, or `(scored, classes)`, of each class.
        text: The values as `format_values` writes them.
    """

    values: np.ndarray
    probabilities: np.ndarray
    text: str

    def to_dict(self) -> dict[str, Any]:
        """Return the answer as a dict that JSON can hold."""
        return {"text": self.text, "values": self.values.tolist(), "probabilities": self.probabilities.tolist()}

    def num_wrong(self, targets: np.ndarray) -> int:
        """Return how many bits or classes differ from the right ones.

        Args:
            targets: Of the scored steps, of the shape of `values`.
        """
        return int(np.sum(self.values != targets))

    def cost(self, targets: np.ndarray) -> float:
        """Return the cross-entropy of the right bits or classes, summed over the scored steps, in bits.

        Args:
            targets: Of the scored steps, of the shape of `values`.
        """
        if self.values.ndim == 2:
            right = np.where(targets > 0.5, self.probabilities, 1 - self.probabilities)
        else:
            right = np.take_along_axis(self.probabilities, targets.astype("int64")[:, None], axis=1)
        return float(-np.log2(np.maximum(right, np.finfo("float32").tiny), dtype="float64").sum())
