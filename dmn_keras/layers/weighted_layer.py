"""The base class of layers whose weights have initializers and regularizers."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

DEFAULT_INITIALIZERS = {"kernel": "glorot_uniform", "recurrent": "orthogonal", "bias": "zeros"}
"""Keras' own, by kind of weight."""


class WeightedLayer(keras.layers.Layer):
    """A layer with an initializer and a regularizer for each kind of its weights.

    The arguments are those of `keras.layers.GRU`, and are kept under their names; a subclass whose weights are of fewer
    kinds names them in `weight_kinds`. A layer made of others gives them what `sublayer_options` returns.

    Args:
        kernel_initializer: Initializer of the kernels of inputs. Defaults to `"glorot_uniform"`.
        recurrent_initializer: Initializer of the kernels of states. Defaults to `"orthogonal"`.
        bias_initializer: Initializer of the biases. Defaults to `"zeros"`.
        kernel_regularizer: Regularizer of the kernels of inputs. Defaults to `None`.
        recurrent_regularizer: Regularizer of the kernels of states. Defaults to `None`.
        bias_regularizer: Regularizer of the biases. Defaults to `None`.
        **kwargs: Arguments of every layer.
    """

    weight_kinds: tuple[str, ...] = ("kernel", "recurrent", "bias")

    def __init__(self, **kwargs: Any):
        initializers = {
            kind: kwargs.pop(f"{kind}_initializer", DEFAULT_INITIALIZERS[kind]) for kind in self.weight_kinds
        }
        regularizers = {kind: kwargs.pop(f"{kind}_regularizer", None) for kind in self.weight_kinds}
        super().__init__(**kwargs)
        for kind in self.weight_kinds:
            setattr(self, f"{kind}_initializer", keras.initializers.get(initializers[kind]))
            setattr(self, f"{kind}_regularizer", keras.regularizers.get(regularizers[kind]))

    def sublayer_options(self, *kinds: str) -> dict[str, Any]:
        """Return the dtype policy, and the arguments of these kinds of weights, by default all, for a layer inside."""
        options = {"dtype": self.dtype_policy}
        for kind in kinds or self.weight_kinds:
            options[f"{kind}_initializer"] = self.new_initializer(kind)
            options[f"{kind}_regularizer"] = getattr(self, f"{kind}_regularizer")
        return options

    def new_initializer(self, kind: str) -> Callable | None:
        """Return a copy of a kind's initializer: one and the same gives equal numbers to weights of equal shapes."""
        initializer = getattr(self, f"{kind}_initializer")
        return initializer.clone() if isinstance(initializer, keras.initializers.Initializer) else initializer

    def add_weight_of(self, kind: str, name: str, shape: Sequence[int], **options: Any) -> keras.Variable:
        """Add a weight of a kind, with that kind's initializer and regularizer."""
        options = {
            "initializer": self.new_initializer(kind),
            "regularizer": getattr(self, f"{kind}_regularizer"),
            **options,
        }
        return self.add_weight(name=name, shape=shape, **options)

    def get_config(self):
        config = super().get_config()
        for kind in self.weight_kinds:
            config[f"{kind}_initializer"] = keras.initializers.serialize(getattr(self, f"{kind}_initializer"))
            config[f"{kind}_regularizer"] = keras.regularizers.serialize(getattr(self, f"{kind}_regularizer"))
        return config
