"""What all tests share."""

import signal

import pytest

# A shell's background jobs ignore Ctrl-C, and so would the processes that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def float64():
    """Skip where Keras does not compute in float64."""
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("only on the TensorFlow backend does Keras multiply float64 matrices in float64")
