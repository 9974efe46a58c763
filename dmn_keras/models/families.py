"""The model families by name: each has a frozen configuration that builds its network."""

from dmn_keras.models.dmn_config import DMNConfig
from dmn_keras.models.memn2n_config import MemN2NConfig

MODEL_FAMILIES = {"dmn": DMNConfig, "memn2n": MemN2NConfig}
"""Configurations by family; `--set model.family=NAME` chooses one."""
