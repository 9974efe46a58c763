"""XLA's settings for JAX on a GPU."""

import logging
import os
import pathlib
import pkgutil
import sys
import warnings

import keras

_LOG = logging.getLogger(__name__)
_FLAG = "--xla_gpu_enable_triton_gemm"


def disable_triton_gemm():
    """Set `XLA_FLAGS=--xla_gpu_enable_triton_gemm=false` where JAX will use a GPU, before JAX starts.

    Some matrix products that XLA compiles with Triton give wrong numbers (docs/gpu.md). Other flags stay, and so does
    a setting of this flag by the user. If JAX has started already, which is when it reads the flags, a warning says so.

    Returns:
        Whether the flag was set.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if keras.backend.backend() != "jax" or _FLAG in flags or not _jax_uses_gpu():
        return False
    in_file = flags.strip() and not flags.strip().startswith("-")
    if in_file or _jax_has_started():
        reason = f"XLA_FLAGS names a file ({flags})" if in_file else "JAX has started before dmn_keras was imported"
        warnings.warn(
            f"{reason}: compiled models may give wrong answers on this GPU. Set the environment variable "
            f'XLA_FLAGS="{_FLAG}=false", or add that flag to the file; see docs/gpu.md.',
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}=false".strip()
    _LOG.info("Set XLA_FLAGS=%s: XLA's Triton matrix products are wrong on some GPUs.", os.environ["XLA_FLAGS"])
    return True


def _jax_has_started():
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bridge.backends_are_initialized()


def _jax_uses_gpu():
    """Return whether JAX uses a GPU or, before it has started, will: asking JAX itself would start it."""
    import jax

    if _jax_has_started():
        return jax.default_backend() == "gpu"
    platforms = jax.config.jax_platforms
    if platforms and not {"cuda", "gpu", "rocm"} & set(platforms.split(",")):
        return False
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return _has_plugin() and _has_device()


def _has_plugin():
    try:
        import jax_plugins
    except ImportError:
        return False
    return any("cuda" in module.name or "rocm" in module.name for module in pkgutil.iter_modules(jax_plugins.__path__))


def _has_device():
    return any(next(pathlib.Path("/dev").glob(name), None) for name in ("nvidia[0-9]*", "kfd", "dxg"))
