"""The tests of what computes, on every other Keras backend that is installed."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import pytest

ROOT = pathlib.Path(__file__).parents[1]
OTHERS = [name for name in ("tensorflow", "jax", "torch") if name != keras.backend.backend()]
TESTS = ["layers", "test_losses.py", "test_metrics.py", "models/test_answering.py"]
TESTS += ["models/test_dmn.py::test_overfits_32_stories"]


@pytest.mark.slow
@pytest.mark.parametrize("backend", OTHERS)
def test_layers_losses_and_metrics_and_a_model_pass_on(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"the {backend} backend is not installed")
    tests = [f"tests/{name}" for name in TESTS]
    command = [sys.executable, "-m", "pytest", *tests, "-n0", "-p", "no:cacheprovider", "-m", "not one_backend"]
    # One thread: several would wait for each other, on products as small as these.
    # JAX compiles each of thousands of tiny functions: quickly rather than well, and equal ones once.
    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    flags = f"{os.environ.get('XLA_FLAGS', '')} {quick}".strip()
    environment = {**os.environ, "XLA_FLAGS": flags, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"}
    environment |= {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment.pop("PYTEST_ADDOPTS", None)
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert " passed" in result.stdout
