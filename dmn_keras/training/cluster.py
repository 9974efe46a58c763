"""Several processes that train one model together: who they are, what they compare, where they wait for each other."""

import dataclasses
import functools
import hashlib
import json
import os

import numpy as np

EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of `TF_CONFIG`: `host:port` of each, of which the first coordinates, and the number of this one."""

    addresses: tuple[str, ...]
    index: int


def read_cluster(text=None):
    """Read `text`, by default the environment variable `TF_CONFIG`, in TensorFlow's format.

    Returns:
        The `Cluster`, whose first worker is the chief, if there is one; `None` if the variable is not set or empty.

    Raises:
        ValueError: If it is no such JSON, names no worker, or a task that is none of them.
    """
    text = os.environ.get("TF_CONFIG", "") if text is None else text
    if not text.strip():
        return None
    try:
        content = json.loads(text)
        cluster, task = content["cluster"], (content["task"]["type"], content["task"]["index"])
        tasks = {(kind, i): a for kind in ("chief", "worker") for i, a in enumerate(cluster.get(kind, []))}
        if not cluster.keys() <= {"chief", "worker"} or ("chief", 1) in tasks:
            raise ValueError(f"the cluster may have workers and at most one chief, not {', '.join(cluster)}")
        if malformed := [address for address in tasks.values() if not _is_address(address)]:
            raise ValueError(f"an address must be 'host:port', not {malformed[0]!r}")
        if len(set(tasks.values())) < len(tasks):
            raise ValueError("an address is named twice")
        if task not in tasks:
            raise ValueError(f"the cluster has no {task[0]} with the index {task[1]!r}, counted from 0")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"TF_CONFIG is malformed: {why}. Expected e.g. {EXAMPLE}. Received: {text[:300]}") from error
    return Cluster(tuple(tasks.values()), list(tasks).index(task))


def _is_address(value):
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    return host and port.isdecimal() and 0 < int(port) < 2**16


@functools.cache
def join(cluster):
    """Connect this process to the other workers: once, and before it computes anything with JAX.

    JAX's runtime ends all workers if one is lost. `keras.distribution.initialize` calls the same function, but without
    the timeouts: a lost worker would be noticed after 100 s, in place of 30 s.

    Args:
        cluster: The `Cluster`.

    Raises:
        RuntimeError: If the other workers cannot be reached.
        ValueError: If they run other versions.
    """
    import jax

    from dmn_keras.inference.evaluation import versions

    try:
        jax.distributed.initialize(
            cluster.addresses[0],
            num_processes=len(cluster.addresses),
            process_id=cluster.index,
            heartbeat_timeout_seconds=30,
            shutdown_timeout_seconds=60,
        )
    except Exception as error:
        raise RuntimeError(
            f"multi_worker: worker {cluster.index} cannot join the others at {cluster.addresses[0]}: {error} (A "
            "process joins once, before it computes anything with JAX.)"
        ) from error
    run_consistently(lambda: ({"versions": versions()}, None))


def barrier():
    """Wait until all workers have come here."""
    from jax.experimental import multihost_utils

    multihost_utils.sync_global_devices("dmn_keras")


def run_consistently(function):
    """Call a function, and continue only if it succeeded in all workers with the same values.

    Args:
        function: Function that returns a dict of values whose `repr` differs where they differ, with the same names in
            every worker, and what to return. It may raise.

    Returns:
        The second part of what `function` returned.

    Raises:
        ValueError: If values differ, or the function raised in another worker.
    """
    from jax.experimental import multihost_utils

    values = None
    try:
        values, result = function()
    finally:
        succeeded = multihost_utils.process_allgather(np.array(values is not None))
    if failed := [str(index) for index, value in enumerate(succeeded) if not value]:
        raise ValueError(f"multi_worker: worker {', '.join(failed)} could not start; its own output says why.")
    if not values:
        return result
    hashes = np.array([np.frombuffer(_sha256(value), "uint32") for value in values.values()])
    everyone = np.asarray(multihost_utils.process_allgather(hashes))  # (workers, values, 8)
    if differing := [name for i, name in enumerate(values) if (everyone[:, i] != everyone[0, i]).any()]:
        raise ValueError(
            f"multi_worker: the workers differ in {', '.join(differing)}, and nothing was changed. Start all of them "
            "with the same command, data and versions."
        )
    return result


def _sha256(value):
    return hashlib.sha256(repr(value).encode("utf-8", "surrogatepass")).digest()
