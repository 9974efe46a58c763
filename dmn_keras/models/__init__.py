"""The functional graphs."""

from dmn_keras.models.dmn import DynamicMemoryNetwork, dmn

__all__ = ["DynamicMemoryNetwork", "dmn"]
