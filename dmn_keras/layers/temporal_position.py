"""Positions of facts in time, counted backwards from the question."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import fraction
from dmn_keras.layers.padding import static_shape


@keras.saving.register_keras_serializable(package="dmn_keras")
class TemporalPosition(keras.layers.Layer):
    """Position of each fact in time: 1 for the last fact before the question, 2 for the one before it, and so on.

    An embedding of these positions, added to the facts, is the temporal encoding of MemN2N: a memory without it does
    not know which of two facts is the later one.

    Random noise: in training, empty memories are put among the facts at random, so that the positions of facts have
    gaps and the model cannot rely on exact distances. For a story of `n` facts their number is drawn uniformly from 0
    to `ceil(random_noise * n)`. An empty memory adds nothing itself, so that it is not written out.

    Masking: `facts_mask`, the only input, marks the real facts, anywhere. A padded fact has position 0 and is not
    counted.

    Args:
        random_noise: Most empty memories a fact, a number with 0 <= random_noise < 1. Defaults to 0.

    Call arguments:
        facts_mask: Boolean, `(batch, facts)`, `True` for a real fact.

    Returns:
        Positions, int32 `(batch, facts)`.

    Raises:
        ValueError: If `random_noise` is out of range.

    Example:

    >>> mask = np.array([[True, True, True, False]])
    >>> keras.ops.convert_to_numpy(dmn_keras.layers.TemporalPosition()(mask))
    array([[3, 2, 1, 0]], dtype=int32)

    Reference:
        Sukhbaatar et al. 2015, arXiv:1503.08895, section 4.1. As in the authors' code, the noise moves positions and
        takes no part in the attention.
    """

    def __init__(self, random_noise: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.random_noise = fraction("random_noise", random_noise)
        if self.random_noise:
            self.seed_generator = keras.random.SeedGenerator()

    def build(self, facts_mask_shape):
        """Nothing to build: the layer has no weights."""

    def call(self, facts_mask, training=False):
        real = ops.cast(facts_mask, "int32")
        after = ops.sum(real, axis=1, keepdims=True) - ops.cumsum(real, axis=1)  # real facts after each
        if training and self.random_noise:
            after = ops.take_along_axis(self._places(real), after, axis=1)
        return real * (after + 1)

    def _places(self, real):
        """Draw places for the facts of each story among its empty memories.

        Args:
            real: int32 `(batch, facts)`, 1 for a real fact.

        Returns:
            int32 `(batch, 2 * facts)`; for a story of `n` facts and `e` empty memories, the first `n` are distinct
            integers from 0 to `n + e - 1` in ascending order.
        """
        batch, num_facts = static_shape(real)
        n = ops.sum(real, axis=1, keepdims=True)
        most = ops.ceil(self.random_noise * ops.cast(n, "float32"))
        draw = keras.random.uniform((batch, 2 * num_facts + 1), seed=self.seed_generator)
        e = ops.cast(ops.floor(draw[:, :1] * (most + 1)), "int32")
        slots = ops.arange(2 * num_facts, dtype="int32")
        shuffled = ops.argsort(ops.where(slots < n + e, draw[:, 1:], 2.0), axis=1)  # the n + e places come first
        return ops.sort(ops.where(slots < n, ops.cast(shuffled, "int32"), 2 * num_facts), axis=1)

    def compute_mask(self, facts_mask, previous_mask=None):
        return None

    def compute_output_spec(self, facts_mask, training=False):
        return keras.KerasTensor(facts_mask.shape, dtype="int32")

    def get_config(self):
        return {**super().get_config(), "random_noise": self.random_noise}
