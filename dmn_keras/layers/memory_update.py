"""Memory update: what a pass's episode changes in the memory."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.layers.weighted_layer import WeightedLayer


@keras.saving.register_keras_serializable(package="dmn_keras")
class MemoryUpdate(WeightedLayer):
    """The memory after one pass.

    With episode `e`, memory before the pass `m` and question `q`:

    - `kind="gru"` (Kumar et al. 2015): `m' = GRU(e, m)`; the question is not used.
    - `kind="relu"` (Xiong et al. 2016): `m' = relu(W [m; e; q] + b)`.

    Args:
        units: Positive integer, size of the memory.
        kind: `"gru"` or `"relu"`. Defaults to `"gru"`.
        **kwargs: Initializers and regularizers of the GRU (kernel, recurrent, bias) or of `W` and `b` (kernel, bias),
            as in `keras.layers.GRU`, and arguments of every layer.

    Call arguments:
        memory: `(batch, units)`.
        episode: `(batch, dim)`.
        question: `(batch, dim)`.

    Returns:
        The new memory, `(batch, units)`.

    Raises:
        ValueError: If `units` is no positive integer or `kind` is unknown.

    Example:

    >>> memory, episode, question = (keras.random.normal((2, 32)) for _ in range(3))
    >>> tuple(dmn_keras.layers.MemoryUpdate(32)(memory, episode, question).shape)
    (2, 32)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, section 2.3; Xiong et al. 2016, arXiv:1603.01417, equation 13.
    """

    def __init__(self, units: int, *, kind: str = "gru", **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.kind = one_of("kind", kind, ("gru", "relu"))
        if kind == "gru":
            self.update = keras.layers.GRUCell(self.units, name=kind, **self.sublayer_options())
        else:
            options = self.sublayer_options("kernel", "bias")
            self.update = keras.layers.Dense(self.units, activation="relu", name=kind, **options)

    def build(self, memory_shape, episode_shape, question_shape):
        if self.kind == "gru":
            self.update.build(tuple(episode_shape))
        else:
            parts = (memory_shape, episode_shape, question_shape)
            self.update.build((memory_shape[0], sum(shape[-1] for shape in parts)))

    def call(self, memory, episode, question):
        if self.kind == "gru":
            return self.update(episode, [memory])[0]
        return self.update(ops.concatenate([memory, episode, question], axis=-1))

    def get_config(self):
        return {**super().get_config(), "units": self.units, "kind": self.kind}
