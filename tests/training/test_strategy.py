import contextlib
import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest

from dmn_keras.training.strategy import devices
from tests.training.runs import tensorflow_only

ROOT = pathlib.Path(__file__).parents[2]

TWO_DEVICES = """
import json, pathlib, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from dmn_keras.training.fit import train
from dmn_keras.training.strategy import devices
from tests.training.runs import eagerly, own_data, tiny

folder = pathlib.Path(sys.argv[1])
assert devices("mirrored")[1] == 2
assert devices("auto")[1] == devices("one")[1] == 1
source = own_data(folder / "data", train=13)  # batches of 8 and 5, the last of which does not divide by 2
train(source, tiny(dropout=0, epochs=2), folder / "mirrored", strategy="mirrored", verbose=0)
with eagerly():
    train(source, tiny(dropout=0, epochs=2), folder / "one", strategy="one", verbose=0)
    # Dropout draws from states that are mirrored too.
    train(source, tiny(epochs=1), folder / "dropout", strategy="mirrored", verbose=0)
"""


@tensorflow_only
def test_two_devices_give_the_losses_of_one(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-4000:]
    one, two, dropout = (_history(tmp_path / name) for name in ("one", "mirrored", "dropout"))
    assert len(one) == len(two) == 2
    for a, b in zip(one, two, strict=True):
        assert b == pytest.approx(a, rel=1e-4)
    assert dropout[0]["loss"] != two[0]["loss"]


def _history(folder):
    """Losses and metrics of each epoch, without the seconds it took."""
    epochs = json.loads((folder / "history.json").read_text())
    return [{name: value for name, value in epoch.items() if "seconds" not in name} for epoch in epochs]


def test_one_device():
    scope, count = devices("one")
    assert isinstance(scope, contextlib.nullcontext)
    assert count == 1


def test_an_unknown_strategy():
    with pytest.raises(ValueError, match=r"--strategy must be one of auto, one, .*Did you mean 'mirrored'\?"):
        devices("miror")


def test_other_backends_train_on_one_device(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert devices("auto")[1] == 1
    with pytest.raises(ValueError, match=r"--strategy mirrored needs .* Received: KERAS_BACKEND=jax"):
        devices("mirrored")
