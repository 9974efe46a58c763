"""Which devices train."""

import contextlib
import functools

import keras

from dmn_keras.errors import unknown_name

STRATEGIES = ("auto", "one", "mirrored")


def devices(strategy):
    """Return the scope in which a model is built, and the number of devices that share a batch.

    Args:
        strategy: `"one"`: the default device. `"mirrored"`: all visible GPUs, or without GPUs all logical CPU
            devices, through `tf.distribute.MirroredStrategy`. `"auto"`: `"mirrored"` if there are several GPUs, else
            `"one"`.

    Returns:
        A context manager and a positive integer.

    Raises:
        ValueError: If `strategy` is unknown, or `"mirrored"` on another backend than TensorFlow.
    """
    if strategy not in STRATEGIES:
        raise ValueError(unknown_name("--strategy", strategy, STRATEGIES))
    if keras.backend.backend() != "tensorflow":
        if strategy == "mirrored":
            raise ValueError(
                "--strategy mirrored needs the TensorFlow backend. "
                f"Received: KERAS_BACKEND={keras.backend.backend()}; use --strategy one."
            )
        return contextlib.nullcontext(), 1
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    names = tuple(device.name for device in gpus or tf.config.list_logical_devices("CPU"))
    if strategy == "one" or (strategy == "auto" and len(gpus) < 2):
        return contextlib.nullcontext(), 1
    mirrored = _mirrored(names)
    return mirrored.scope(), mirrored.num_replicas_in_sync


@functools.cache
def _mirrored(names):
    """Return the one MirroredStrategy of this process: a second one would abort the first one's collectives."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)
