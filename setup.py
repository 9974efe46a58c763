"""Packages of the distribution; all other metadata lives in pyproject.toml."""

from setuptools import find_packages, setup

# The trained models of saved_models/ are installed inside the package, where `dmn_keras.tasks.pretrained` finds them.
setup(
    packages=[*find_packages(include=["dmn_keras*"]), "dmn_keras.saved_models"],
    package_dir={"dmn_keras.saved_models": "saved_models"},
    package_data={
        "dmn_keras": ["py.typed"],
        "dmn_keras.saved_models": ["*/config.json", "*/model.weights.h5", "*/calibration.json", "*/README.md"],
        "dmn_keras.serving": ["samples.jsonl"],
        "dmn_keras.tasks": ["*.json"],
        "dmn_keras.training": ["*.json"],
    },
)
