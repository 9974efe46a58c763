"""What all tests share."""

import contextlib

import pytest


@pytest.fixture
def float64():
    """Allow float64, which JAX cuts to float32 unless told."""
    import keras

    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.enable_x64(True))
        yield
