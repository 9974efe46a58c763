"""The model families by name: each has a frozen configuration that builds its network."""

from dmn_keras.models.baseline_config import BaselineConfig
from dmn_keras.models.dmn_config import DMNConfig
from dmn_keras.models.memn2n_config import MemN2NConfig
from dmn_keras.models.recurrent_memory_config import RecurrentMemoryConfig
from dmn_keras.models.text_dmn_config import TextDMNConfig
from dmn_keras.models.visual_dmn_config import VisualDMNConfig

MODEL_FAMILIES = {
    "baseline": BaselineConfig,
    "dmn": DMNConfig,
    "memn2n": MemN2NConfig,
    "recurrent_memory": RecurrentMemoryConfig,
    "text_dmn": TextDMNConfig,
    "visual_dmn": VisualDMNConfig,
}
"""Configurations by family; `--set model.family=NAME` chooses one."""
