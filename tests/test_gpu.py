"""The flag that keeps XLA's Triton products off, with GPUs that are made up."""

import logging
import os
import subprocess
import sys

import keras
import pytest

from dmn_keras import gpu

FALSE = "--xla_gpu_enable_triton_gemm=false"


def set_flag(monkeypatch, *, flags=None, backend="jax", has_gpu=True):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(gpu, "jax_uses_gpu", lambda: has_gpu)
    monkeypatch.setenv("XLA_FLAGS", "")
    if flags is None:
        monkeypatch.delenv("XLA_FLAGS")
    else:
        monkeypatch.setenv("XLA_FLAGS", flags)
    return gpu.disable_triton_gemm(), os.environ.get("XLA_FLAGS")


@pytest.mark.parametrize(("flags", "expected"), [(None, FALSE), ("--xla_dump_to=x", f"--xla_dump_to=x {FALSE}")])
def test_the_flag_is_set_once_for_jax_on_a_gpu(flags, expected, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "dmn_keras")
    assert set_flag(monkeypatch, flags=flags) == (True, expected)
    assert gpu.disable_triton_gemm() is False
    assert [record.getMessage().count(FALSE) for record in caplog.records] == [1]


@pytest.mark.parametrize(
    "case",
    [
        {"backend": "tensorflow"},
        {"has_gpu": False},
        {"flags": FALSE},
        {"flags": "--xla_gpu_enable_triton_gemm=true --xla_dump_to=x"},
    ],
)
def test_nothing_is_changed_elsewhere_and_over_a_setting_of_the_user(case, monkeypatch, recwarn):
    assert set_flag(monkeypatch, **case) == (False, case.get("flags"))
    assert not recwarn.list


def test_flags_in_a_file_are_left_alone_with_a_warning(monkeypatch):
    with pytest.warns(RuntimeWarning, match=FALSE):
        assert set_flag(monkeypatch, flags="flags.txt") == (False, "flags.txt")


@pytest.mark.parametrize(
    ("platforms", "visible", "plugin", "device", "expected"),
    [
        (None, None, True, True, True),
        ("cuda,cpu", "0", True, True, True),
        ("cpu", None, True, True, False),
        (None, "", True, True, False),
        (None, "-1", True, True, False),
        (None, None, False, True, False),
        (None, None, True, False, False),
    ],
)
def test_what_counts_as_a_gpu_before_jax_starts(platforms, visible, plugin, device, expected, monkeypatch):
    jax = pytest.importorskip("jax")
    monkeypatch.setattr(gpu, "has_gpu_plugin", lambda: plugin)
    monkeypatch.setattr(gpu, "has_gpu_device", lambda: device)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0" if visible is None else visible)
    before = jax.config.jax_platforms
    jax.config.update("jax_platforms", platforms)
    try:
        assert gpu.jax_uses_gpu() is expected
    finally:
        jax.config.update("jax_platforms", before)


def test_importing_the_package_leaves_jax_to_read_flags():
    pytest.importorskip("jax")
    code = (
        "import os, dmn_keras; os.environ['XLA_FLAGS'] = '--xla_force_host_platform_device_count=3'; "
        "import jax; print(jax.device_count())"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["3"]
