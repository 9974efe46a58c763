"""Compiled training steps, kept between trials."""

import os
import platform

import keras

VARIABLE = "JAX_COMPILATION_CACHE_DIR"


def keep_compiled(folder):
    """Keep what JAX compiles in the search's folder, unless its own variable names another place.

    Compiling takes most of a short trial. Its seeds, what Hyperband goes on with, what is resumed, and trials that
    differ only in numbers that the step is given (the learning rate) then find their steps ready. Other backends are
    left alone. Each machine has a place of its own: its code need not run on another one.

    Args:
        folder: The `SearchFolder`.
    """
    if keras.backend.backend() != "jax" or os.environ.get(VARIABLE):
        return
    import jax

    jax.config.update("jax_compilation_cache_dir", str((folder.compiled / platform.node()).resolve()))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
