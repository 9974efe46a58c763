"""Functional models assembled from the layers, and their configurations."""

import importlib

_WHERE = {
    "BaselineConfig": "dmn_keras.models.baseline_config",
    "CHAIN_RETRIEVER": "dmn_keras.models.dynamic_memory_network",
    "DMNConfig": "dmn_keras.models.dmn_config",
    "DynamicMemoryNetwork": "dmn_keras.models.dynamic_memory_network",
    "LinearStart": "dmn_keras.models.linear_start",
    "MemN2NConfig": "dmn_keras.models.memn2n_config",
    "MODEL_FAMILIES": "dmn_keras.models.families",
    "RecurrentMemoryConfig": "dmn_keras.models.recurrent_memory_config",
    "RETRIEVER": "dmn_keras.models.dynamic_memory_network",
    "TextDMNConfig": "dmn_keras.models.text_dmn_config",
    "VisualDMNConfig": "dmn_keras.models.visual_dmn_config",
    "SCATTER_GATES": "dmn_keras.models.dynamic_memory_network",
    "answering_model": "dmn_keras.models.answering",
    "baseline": "dmn_keras.models.sequence_baseline",
    "can_retrieve": "dmn_keras.models.dynamic_memory_network",
    "dmn": "dmn_keras.models.dynamic_memory_network",
    "forbid_unused_placeholders": "dmn_keras.models.placeholders",
    "retrieved_facts": "dmn_keras.models.dynamic_memory_network",
    "memn2n": "dmn_keras.models.memory_network",
    "text_dmn": "dmn_keras.models.text_dynamic_memory_network",
    "visual_dmn": "dmn_keras.models.visual_dynamic_memory_network",
    "recurrent_memory": "dmn_keras.models.recurrent_memory_network",
}
"""Public names and their modules: settings load without Keras."""

__all__ = [*_WHERE]


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
