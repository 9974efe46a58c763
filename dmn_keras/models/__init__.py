"""The functional graphs."""

from dmn_keras.models.answering import answering_model
from dmn_keras.models.dmn import DynamicMemoryNetwork, dmn
from dmn_keras.models.memn2n import memn2n

__all__ = ["DynamicMemoryNetwork", "answering_model", "dmn", "memn2n"]
