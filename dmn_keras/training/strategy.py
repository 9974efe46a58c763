"""Which devices train, and which processes."""

import contextlib
import dataclasses
import functools
import typing

import keras

from dmn_keras.errors import unknown_name
from dmn_keras.training.workers import Alone, Workers, join, read_cluster

STRATEGIES = ("auto", "one", "mirrored", "multi_worker", "tpu")


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a model is trained.

    Attributes:
        scope: Function that returns the context in which the model is built and trained.
        num_devices: Devices that share a batch, those of all workers.
        workers: The processes that train together, `Alone` where it is one.
        apart: Whether a model that is built outside of `scope` is needed to answer questions.
    """

    scope: typing.Callable = contextlib.nullcontext
    num_devices: int = 1
    workers: Alone | Workers = dataclasses.field(default_factory=Alone)
    apart: bool = False


def choose(strategy="auto", devices=None):
    """Choose the devices that train.

    Args:
        strategy: One of `STRATEGIES`.

            - `"one"`: one device.
            - `"mirrored"`: all devices of this machine: its GPUs (on JAX also TPUs) or, without any, its logical CPU
              devices. On TensorFlow through `tf.distribute.MirroredStrategy`, on JAX through
              `keras.distribution.DataParallel`.
            - `"multi_worker"`: the devices of all workers that the environment variable `TF_CONFIG` names, each of
              which runs the same command. On JAX.
            - `"tpu"`: all TPU devices of this machine. On JAX.
            - `"auto"`: `"multi_worker"` if `TF_CONFIG` names several workers; else `"mirrored"` if there are several
              GPUs or TPUs, or `devices` are named; else `"one"`.
        devices: Names of the devices to use, e.g. `("gpu:0", "gpu:2")`, or their numbers, as a sequence or as text
            with commas; `None` for all.

    Returns:
        The `Place`.

    Raises:
        ValueError: If `strategy` is unknown, the backend cannot run it, a device does not exist, or `TF_CONFIG` is
            malformed.
    """
    if strategy not in STRATEGIES:
        raise ValueError(unknown_name("--strategy", strategy, STRATEGIES))
    backend = keras.backend.backend()
    cluster = cluster_of(strategy)
    strategy = strategy if cluster is None else "multi_worker"
    _refuse(strategy, backend)
    if strategy == "multi_worker":
        return _multi_worker(cluster, devices)
    if backend not in _BACKENDS:
        if devices is not None:
            raise ValueError(f"--devices needs the TensorFlow or JAX backend. Received: KERAS_BACKEND={backend}")
        return Place()
    local = _BACKENDS[backend]("tpu" if strategy == "tpu" else None)
    chosen = local if devices is None else _named(devices, local)
    if strategy == "auto":
        accelerated = len(local) > 1 and not local[0].startswith("cpu")
        strategy = "mirrored" if devices is not None or accelerated else "one"
    if strategy == "one":
        if devices is None:
            return Place()
        if len(chosen) > 1:
            raise ValueError(f"--strategy one takes one device. Received: --devices {', '.join(chosen)}")
    return _mirrored(chosen) if backend == "tensorflow" else _data_parallel(chosen, Alone())


def cluster_of(strategy):
    """Return the `Cluster` of the workers that train together under a strategy, `None` if a process trains by itself.

    Raises:
        ValueError: If `TF_CONFIG` is needed or looked at, and malformed.
    """
    if strategy not in ("auto", "multi_worker"):
        return None
    cluster = read_cluster()
    if strategy == "auto" and cluster is not None and len(cluster.addresses) == 1:
        return None
    return cluster


def _refuse(strategy, backend):
    """Raise if a backend cannot run a strategy; say which can."""
    if strategy in ("auto", "one") or backend == "jax":
        return
    if backend != "tensorflow":
        raise ValueError(
            f"--strategy {strategy} needs the JAX backend (or, for mirrored, TensorFlow). Received: "
            f"KERAS_BACKEND={backend}; use --strategy one, or set KERAS_BACKEND=jax."
        )
    if strategy == "multi_worker":
        raise ValueError(
            "--strategy multi_worker does not run on the TensorFlow backend: model.fit of Keras 3 fails under "
            "tf.distribute.MultiWorkerMirroredStrategy (keras-team/keras#20585). Set KERAS_BACKEND=jax, with which "
            "the same workers train together, through keras.distribution.DataParallel."
        )
    if strategy == "tpu":
        raise ValueError(
            "--strategy tpu does not run on the TensorFlow backend: the tensorflow package is built without TPU "
            "support. Set KERAS_BACKEND=jax, with which TPUs train through keras.distribution.DataParallel."
        )


def _multi_worker(cluster, devices):
    if cluster is None:
        raise ValueError(
            "--strategy multi_worker needs the environment variable TF_CONFIG, which names all workers and this one, "
            'e.g. TF_CONFIG=\'{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", '
            '"index": 0}}\'. It is not set.'
        )
    if devices is not None:
        raise ValueError(
            "--devices does not go with --strategy multi_worker: each worker trains on all devices it sees "
            "(CUDA_VISIBLE_DEVICES limits them)."
        )
    import jax

    workers = join(cluster)
    return _data_parallel([_jax_name(device) for device in jax.devices()], workers)


def _tensorflow_devices(kind):
    import tensorflow as tf

    del kind
    found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return [device.name.removeprefix("/device:").lower() for device in found]


def _jax_devices(kind):
    import jax

    try:
        found = jax.local_devices(backend=kind)
    except RuntimeError as error:
        raise ValueError(
            f"--strategy {kind} needs a {kind.upper()}. JAX sees: "
            f"{', '.join(_jax_name(device) for device in jax.local_devices())}."
        ) from error
    return [_jax_name(device) for device in found]


def _jax_name(device):
    return f"{device.platform}:{device.id}"


_BACKENDS = {"tensorflow": _tensorflow_devices, "jax": _jax_devices}


def _named(devices, local):
    """Return the names of the devices that `devices` mean, each one of `local`."""
    parts = [part for part in devices.split(",") if part.strip()] if isinstance(devices, str) else devices
    chosen = []
    for part in parts:
        name = str(part).strip().lower()
        name = f"{local[0].partition(':')[0]}:{name}" if name.isdecimal() else name
        if name not in local:
            raise ValueError(f"--devices: there is no device {str(part).strip()!r}. There are: {', '.join(local)}")
        if name in chosen:
            raise ValueError(f"--devices names {name} twice.")
        chosen.append(name)
    if not chosen:
        raise ValueError(f"--devices must name at least one device. There are: {', '.join(local)}")
    return chosen


def _mirrored(names):
    strategy = _mirrored_strategy(tuple(f"/device:{name.upper()}" for name in names))
    return Place(strategy.scope, strategy.num_replicas_in_sync)


@functools.cache
def _mirrored_strategy(names):
    """Return the one MirroredStrategy of these devices.

    Gradients are added up on one device: the default collectives fail with several steps per execution
    (keras-team/keras#19246), and with a second strategy or another model in the same process.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(names), cross_device_ops=tf.distribute.ReductionToOneDevice())


def _data_parallel(names, workers):
    distribution = _distribution(tuple(names))
    return Place(distribution.scope, len(names), workers, apart=True)


@functools.cache
def _distribution(names):
    # Each worker makes its own part of every batch, `EpochSequence` sees to it.
    return keras.distribution.DataParallel(devices=list(names), auto_shard_dataset=False)
