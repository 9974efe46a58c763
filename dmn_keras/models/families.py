"""The model families by name: each has a frozen configuration that builds its network."""

from dmn_keras.models.dmn_config import DMNConfig

MODEL_FAMILIES = {"dmn": DMNConfig}
"""Configurations by family, a `ModelConfig` each; `--set model.family=NAME` chooses one."""
