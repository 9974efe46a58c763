"""XLA's settings for JAX on a GPU."""

import logging
import os
import pathlib
import pkgutil
import warnings

import keras

_LOG = logging.getLogger(__name__)
_FLAG = "--xla_gpu_enable_triton_gemm"


def disable_triton_gemm():
    """Set `XLA_FLAGS=--xla_gpu_enable_triton_gemm=false` where JAX will use a GPU.

    Some matrix products that XLA compiles with Triton give wrong numbers (docs/gpu.md). Other flags stay, and so does
    a setting of this flag by the user. JAX reads the flags when it computes for the first time.

    Returns:
        Whether the flag was set.
    """
    flags = os.environ.get("XLA_FLAGS", "")
    if keras.backend.backend() != "jax" or _FLAG in flags or not jax_uses_gpu():
        return False
    if flags.strip() and not flags.strip().startswith("-"):
        warnings.warn(
            f"XLA_FLAGS names a file ({flags}): compiled models may give wrong answers on this GPU. Add the flag "
            f"{_FLAG}=false to the file; see docs/gpu.md.",
            RuntimeWarning,
            stacklevel=2,
        )
        return False
    os.environ["XLA_FLAGS"] = f"{flags} {_FLAG}=false".strip()
    _LOG.info("Set XLA_FLAGS=%s: XLA's Triton matrix products are wrong on some GPUs.", os.environ["XLA_FLAGS"])
    return True


def jax_uses_gpu() -> bool:
    """Return whether JAX will use a GPU: to ask JAX itself would start it, and then the flag comes too late."""
    import jax

    platforms = jax.config.jax_platforms
    if platforms and not {"cuda", "gpu", "rocm"} & set(platforms.split(",")):
        return False
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return False
    return has_gpu_plugin() and has_gpu_device()


def has_gpu_plugin() -> bool:
    """Return whether JAX's plugin for a GPU is installed."""
    try:
        import jax_plugins
    except ImportError:
        return False
    return any("cuda" in module.name or "rocm" in module.name for module in pkgutil.iter_modules(jax_plugins.__path__))


def has_gpu_device() -> bool:
    """Return whether the system shows a GPU."""
    return any(next(pathlib.Path("/dev").glob(name), None) for name in ("nvidia[0-9]*", "kfd", "dxg"))
