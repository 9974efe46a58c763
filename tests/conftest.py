"""What all tests share."""

import pytest


@pytest.fixture
def float64():
    """Let a test compute in float64, which JAX cuts to float32 unless told."""
    import keras

    if keras.backend.backend() == "torch":
        pytest.skip("Keras multiplies float64 matrices in float32 on the PyTorch backend")
    if keras.backend.backend() == "jax":
        import jax

        with jax.enable_x64(True):
            yield
    else:
        yield
