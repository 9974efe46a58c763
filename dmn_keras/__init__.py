"""Dynamic Memory Networks as Keras 3 layers: facts, attention passes, episodes, memory, answers."""

from dmn_keras import layers, losses, metrics, models
from dmn_keras._version import __version__
from dmn_keras.asking import Answer, Answerer
from dmn_keras.training.config import Config
from dmn_keras.training.data import Source
from dmn_keras.training.fit import train

__all__ = [
    "Answer",
    "Answerer",
    "Config",
    "Source",
    "__version__",
    "layers",
    "losses",
    "metrics",
    "models",
    "train",
]
