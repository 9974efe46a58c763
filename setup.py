"""Packages and dependencies of the distribution; all other metadata lives in pyproject.toml."""

import os
import pathlib
import tomllib

from setuptools import find_packages, setup

pyproject = tomllib.loads(pathlib.Path(__file__).with_name("pyproject.toml").read_text(encoding="utf-8"))
extras = pyproject["project"]["optional-dependencies"]
backend = os.environ.get("DMN_KERAS_BACKEND") or "tensorflow"
if backend not in ("tensorflow", "jax", "torch"):
    raise SystemExit(f"DMN_KERAS_BACKEND must be tensorflow, jax or torch. Received: {backend!r}")

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
    # An extra can only add a backend; DMN_KERAS_BACKEND chooses another one in place of TensorFlow.
    install_requires=["keras>=3.15,<4", "numpy>=2.1,<3", "filelock>=3.20.1,<5", *extras[backend]],
)
