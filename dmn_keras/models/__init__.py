"""The functional graphs."""

from dmn_keras.models.answering import answering_model
from dmn_keras.models.dmn import DynamicMemoryNetwork, dmn

__all__ = ["DynamicMemoryNetwork", "answering_model", "dmn"]
