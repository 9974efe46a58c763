"""Which devices train, and which processes."""

import contextlib
import dataclasses
import functools
import typing

import keras

from dmn_keras.errors import unknown_name
from dmn_keras.training.cluster import EXAMPLE, barrier, join, read_cluster, run_consistently

STRATEGIES = ("auto", "one", "mirrored", "multi_worker", "tpu")


@dataclasses.dataclass(frozen=True)
class DistributionContext:
    """Where a model is trained.

    Attributes:
        scope: Function that returns the context in which the model is built and trained.
        num_devices: Devices that share a batch, those of all workers.
        worker: Number of this process among those that train together, from 0. The first one writes.
        num_workers: Number of these processes.
        needs_local_copy: Whether a model that is built outside of `scope` is needed to answer questions.
    """

    scope: typing.Callable = contextlib.nullcontext
    num_devices: int = 1
    worker: int = 0
    num_workers: int = 1
    needs_local_copy: bool = False

    def barrier(self):
        """Wait until all workers have come here."""
        if self.num_workers > 1:
            barrier()

    def run_consistently(self, function):
        """Do what `dmn_keras.training.cluster.run_consistently` does, also for a process that trains by itself."""
        return run_consistently(function) if self.num_workers > 1 else function()[1]


def get_distribution(strategy="auto", devices=None):
    """Return the devices and processes that train.

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
        The `DistributionContext`.

    Raises:
        ValueError: If `strategy` is unknown, the backend cannot run it, a device does not exist, or `TF_CONFIG` is
            malformed.
    """
    if strategy not in STRATEGIES:
        raise ValueError(unknown_name("strategy", strategy, STRATEGIES))
    backend = keras.backend.backend()
    cluster = cluster_of(strategy)
    strategy = strategy if cluster is None else "multi_worker"
    if strategy not in _RUNS_ON.get(backend, ("auto", "one")):
        raise ValueError(
            f"strategy {strategy!r} does not run on the {backend} backend{_REASONS.get((backend, strategy), '')}. Set "
            "KERAS_BACKEND=jax, with which it runs through keras.distribution.DataParallel, or use strategy 'one'."
        )
    if strategy == "multi_worker":
        return _multi_worker(cluster, devices)
    if backend not in _RUNS_ON and devices is not None:
        raise ValueError(f"devices needs the TensorFlow or JAX backend. Received: KERAS_BACKEND={backend}")
    if backend not in _RUNS_ON or (strategy == "one" and devices is None):
        return DistributionContext()
    local = _local_devices("tpu" if strategy == "tpu" else None)
    chosen = local if devices is None else _named(devices, local)
    if strategy == "auto" and devices is None and (len(local) == 1 or local[0].startswith("cpu")):
        return DistributionContext()
    if strategy == "one" and len(chosen) > 1:
        raise ValueError(f"strategy 'one' takes one device. Received: devices={', '.join(chosen)}")
    if backend == "tensorflow":
        mirrored = _mirrored_strategy(tuple(f"/device:{name.upper()}" for name in chosen))
        return DistributionContext(mirrored.scope, mirrored.num_replicas_in_sync)
    return DistributionContext(_data_parallel(tuple(chosen)).scope, len(chosen), needs_local_copy=True)


_RUNS_ON = {"jax": STRATEGIES, "tensorflow": ("auto", "one", "mirrored")}
_REASONS = {
    ("tensorflow", "multi_worker"): (
        ": model.fit of Keras 3 fails under tf.distribute.MultiWorkerMirroredStrategy (keras-team/keras#20585)"
    ),
    ("tensorflow", "tpu"): ": the tensorflow package is built without TPU support",
}


def cluster_of(strategy):
    """Return the `Cluster` of the workers that train together under a strategy, `None` if a process trains by itself.

    Raises:
        ValueError: If `TF_CONFIG` is needed and not set, or malformed.
    """
    if strategy not in ("auto", "multi_worker"):
        return None
    cluster = read_cluster()
    if strategy == "auto":
        return None if cluster is None or len(cluster.addresses) == 1 else cluster
    if cluster is None:
        raise ValueError(
            "strategy 'multi_worker' needs the environment variable TF_CONFIG, which names all workers and this one, "
            f"e.g. TF_CONFIG='{EXAMPLE}'. It is not set."
        )
    return cluster


def _multi_worker(cluster, devices):
    if devices is not None:
        raise ValueError(
            "devices does not go with strategy 'multi_worker': each worker trains on all devices it sees "
            "(CUDA_VISIBLE_DEVICES limits them)."
        )
    join(cluster)
    names = tuple(keras.distribution.list_devices())
    return DistributionContext(
        _data_parallel(names).scope, len(names), cluster.index, len(cluster.addresses), needs_local_copy=True
    )


def _local_devices(kind):
    try:
        return keras.distribution.list_devices(kind)
    except RuntimeError as error:
        raise ValueError(
            f"strategy {kind!r} needs a {kind.upper()}. JAX sees: {', '.join(keras.distribution.list_devices())}."
        ) from error


def _named(devices, local):
    """Return the names of the devices that `devices` mean, each one of `local`."""
    parts = [part for part in devices.split(",") if part.strip()] if isinstance(devices, str) else devices
    names = [str(part).strip().lower() for part in parts]
    names = [f"{local[0].partition(':')[0]}:{name}" if name.isdecimal() else name for name in names]
    there = f"There are: {', '.join(local)}"
    if not names:
        raise ValueError(f"devices must name at least one device. {there}")
    for name in names:
        if name not in local:
            raise ValueError(f"devices: there is no device {name!r}. {there}")
        if names.count(name) > 1:
            raise ValueError(f"devices names {name} twice.")
    return names


@functools.cache
def _mirrored_strategy(names):
    """Return the one MirroredStrategy of these devices.

    Gradients are added up on one device: the default collectives fail with several steps per execution
    (keras-team/keras#19246), and with a second strategy or another model in the same process.
    """
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(names), cross_device_ops=tf.distribute.ReductionToOneDevice())


@functools.cache
def _data_parallel(names):
    # Each worker makes its own part of every batch, `EpochSequence` sees to it.
    return keras.distribution.DataParallel(devices=list(names), auto_shard_dataset=False)
