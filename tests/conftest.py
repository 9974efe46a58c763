"""What all tests share."""

import pytest


@pytest.fixture
def float64():
    """Skip where Keras does not compute in float64."""
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("only on the TensorFlow backend does Keras multiply float64 matrices in float64")
