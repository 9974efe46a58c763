"""Dynamic Memory Networks as Keras 3 layers: facts, attention passes, episodes, memory, answers."""

from dmn_keras import layers, losses, metrics, models
from dmn_keras._version import __version__

__all__ = ["__version__", "layers", "losses", "metrics", "models"]
