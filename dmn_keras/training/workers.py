"""Several processes that train one model together: who they are, that they agree, and what happens if one is lost."""

import atexit
import dataclasses
import functools
import json
import os
import subprocess
import sys

HEARTBEAT_SECONDS = 30
"""A worker that has not been heard of for so long counts as lost."""

START_SECONDS = 300
"""How long workers wait for each other when they start."""

_EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


class WorkerLostError(RuntimeError):
    """Another worker has ended before the training did; the message says how to go on."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What `TF_CONFIG` says.

    Attributes:
        addresses: `host:port` of each worker. At the first one they find each other.
        index: Number of this worker, from 0.
    """

    addresses: tuple[str, ...]
    index: int


def read_cluster(variable=None):
    """Read the environment variable `TF_CONFIG`, in TensorFlow's format.

    A chief, where there is one, is the first worker.

    Args:
        variable: Its text, by default that of the environment.

    Returns:
        The `Cluster`, `None` if the variable is not set or empty.

    Raises:
        ValueError: If it is no such JSON, or names no worker, or a task that is none of them.
    """
    text = os.environ.get("TF_CONFIG", "") if variable is None else variable
    if not text.strip():
        return None
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise _mistake(f"is not JSON ({error})", text) from error
    cluster = content.get("cluster") if isinstance(content, dict) else None
    task = content.get("task") if isinstance(content, dict) else None
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise _mistake("must have the objects 'cluster' and 'task'", text)
    others = [kind for kind in cluster if kind not in _KINDS]
    if others:
        raise _mistake(f"must name workers alone (and at most a chief), not {', '.join(map(str, others))}", text)
    addresses = [_addresses(cluster.get(kind, []), kind, text) for kind in _KINDS]
    if not any(addresses):
        raise _mistake("names no worker", text)
    if len(addresses[0]) > 1:
        raise _mistake("names several chiefs", text)
    every = (*addresses[0], *addresses[1])
    if len(set(every)) < len(every):
        raise _mistake("names an address twice", text)
    return Cluster(every, _index(task, addresses, text))


_KINDS = ("chief", "worker")


def _addresses(value, kind, text):
    if not isinstance(value, list):
        raise _mistake(f"must list the addresses of {kind}", text)
    for address in value:
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
            raise _mistake(f"must give each {kind} as 'host:port', not {address!r}", text)
    return value


def _index(task, addresses, text):
    kind, index = task.get("type"), task.get("index")
    if kind not in _KINDS:
        raise _mistake(f"must have the task type 'worker', not {kind!r}", text)
    count = len(addresses[_KINDS.index(kind)])
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < count:
        raise _mistake(f"has the task index {index!r}, but {count} of type {kind!r}, counted from 0", text)
    return index if kind == "chief" else index + len(addresses[0])


def _mistake(what, text):
    return ValueError(f"TF_CONFIG {what}. Expected e.g. {_EXAMPLE}. Received: {text[:300]}")


class Alone:
    """A process that trains by itself: whatever `Workers` agree on, it does."""

    index = 0
    count = 1

    def agree(self, prepare):
        """Return what `prepare()` returns, a pair, without its first part."""
        return prepare()[1]

    def share(self, make):
        """Return what `make()` returns."""
        return make()

    def training(self, restart):
        """Return a context in which nothing is watched."""
        del restart
        return _Unwatched()


class _Unwatched:
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return False


class Workers:
    """The processes that train together, as one of them sees them.

    They talk through the coordination service of JAX's distributed runtime, which lives in worker 0 and ends all
    workers if one is lost. Since it does so without a word to Python, a small process of each worker's own waits for
    its end and says on the standard error what to do.

    Args:
        cluster: The `Cluster`.

    Attributes:
        index: Number of this worker, from 0.
        count: Number of workers.

    Raises:
        ValueError: If something has been computed with JAX before.
    """

    def __init__(self, cluster):
        import jax

        self.index = cluster.index
        self.count = len(cluster.addresses)
        self._talks = 0
        self._last_words = _LastWords(
            f"worker {self.index} of {self.count} has ended: not all workers came to {cluster.addresses[0]}, the "
            f"address of worker 0 in TF_CONFIG, within {START_SECONDS} s, or one was lost at the start."
        )
        try:
            jax.distributed.initialize(
                cluster.addresses[0],
                num_processes=self.count,
                process_id=self.index,
                initialization_timeout=START_SECONDS,
                heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=HEARTBEAT_SECONDS,
            )
        except Exception as error:
            self._last_words.change("")
            raise ValueError(
                f"--strategy multi_worker: worker {self.index} cannot join the others at {cluster.addresses[0]}: "
                f"{error} (A process joins once, before it computes anything with JAX.)"
            ) from error
        from jax.experimental import multihost_utils

        # The connections between workers are made now, while they are all here: for that they wait 30 s only.
        multihost_utils.sync_global_devices("dmn_keras")
        self._last_words.change("")

    def agree(self, prepare):
        """Prepare, and go on only if all workers did and did the same.

        Args:
            prepare: Function that returns a dict of what must be the same for all workers, as JSON can hold it, and
                what to return. It may raise.

        Returns:
            The second part of what `prepare` returns.

        Raises:
            ValueError: If the dicts differ, or another worker's `prepare` raised; every worker hears of it.
        """
        try:
            facts, result = prepare()
        except Exception as error:
            self._exchange({"error": str(error)})
            raise
        heard = self._exchange({"facts": facts})
        for index, other in enumerate(heard):
            if "error" in other:
                raise ValueError(f"--strategy multi_worker: worker {index} could not start: {other['error']}")
        differing = [_difference(name, heard) for name in heard[0]["facts"]]
        differing = [text for text in differing if text]
        if differing:
            raise ValueError(
                "--strategy multi_worker: the workers are not alike, and nothing was changed. They differ in "
                f"{'; '.join(differing)}. Start all of them with the same command, data and versions."
            )
        return result

    def _exchange(self, content):
        """Tell all workers, and return what each told, in their order."""
        self._talks += 1
        client = _client()
        client.key_value_set(f"dmn_keras/{self._talks}/{self.index}", json.dumps(content))
        return [
            json.loads(client.blocking_key_value_get(f"dmn_keras/{self._talks}/{index}", _LONG))
            for index in range(self.count)
        ]

    def share(self, make):
        """Return what `make()` returns in worker 0, which alone calls it while the others wait; JSON must hold it.

        Raises:
            RuntimeError: In the other workers, if it raised.
        """
        self._talks += 1
        key, client = f"dmn_keras/{self._talks}/shared", _client()
        if self.index == 0:
            try:
                result = make()
            except BaseException as error:
                client.key_value_set(key, json.dumps({"error": f"{type(error).__name__}: {error}"}))
                raise
            client.key_value_set(key, json.dumps({"result": result}))
            return result
        heard = json.loads(client.blocking_key_value_get(key, _LONG))
        if "error" in heard:
            raise RuntimeError(f"Worker 0 failed: {heard['error']}")
        return heard["result"]

    def training(self, restart):
        """Return the context to train in.

        An error in it ends the worker's process as soon as Python does, without waiting for the others, who notice
        it by that.

        Args:
            restart: Text that says how to go on after a worker was lost.

        Returns:
            A context. In it an error of the connection to other workers becomes a `WorkerLostError`.
        """
        return _Watched(self, restart)


_LONG = 10 * 24 * 3600 * 1000
"""Milliseconds that are never waited: a lost worker ends the waiting before."""


def _client():
    # The coordination service's store has no public name in JAX 0.10 and 0.11; the collectives that have one give up
    # after half a minute, or end the process, where one worker takes its time.
    from jax._src import distributed

    return distributed.global_state.client


def _difference(name, heard):
    values = [other["facts"].get(name) for other in heard]
    if all(value == values[0] for value in values):
        return ""
    shown = "; ".join(f"worker {i}: {str(value)[:80]}" for i, value in enumerate(values[:8]))
    return f"{name} ({shown})"


class _Watched:
    def __init__(self, workers, restart):
        self._workers = workers
        self._restart = restart

    def __enter__(self):
        workers = self._workers
        workers._last_words.change(
            f"worker {workers.index} of {workers.count} has ended before the training did, or another worker has. "
            f"{self._restart}"
        )
        return self

    def __exit__(self, kind, error, traceback):
        if kind is None:
            self._workers._last_words.change("")
            return False
        # Registered last, it runs first: JAX would wait for workers that are gone, and then abort. The last words stay
        # until then, for it may abort at any time.
        atexit.register(_end_now, self._workers._last_words, 130 if issubclass(kind, KeyboardInterrupt) else 1)
        if issubclass(kind, Exception) and _of_connection(error):
            raise WorkerLostError(f"Another worker was lost ({str(error)[:200]}). {self._restart}") from error
        return False


def _end_now(last_words, status):
    last_words.change("")
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


_CONNECTION_WORDS = ("Gloo", "NCCL", "UNAVAILABLE", "Connection", "coordination", "heartbeat", "DEADLINE_EXCEEDED")


def _of_connection(error):
    """Return whether an error, or one that led to it, tells of a lost connection; JAX raises it under several names."""
    while error is not None:
        if any(word in str(error) for word in _CONNECTION_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


class _LastWords:
    """A process that says something on the standard error if this one ends before the words were taken back."""

    _PROGRAM = (
        "import sys\n"
        "words = ''\n"
        "for line in sys.stdin:\n"
        "    words = line\n"
        "if words.strip():\n"
        "    print('dmn-keras: ' + words.strip(), file=sys.stderr)\n"
    )

    def __init__(self, words):
        # Its own session: a Ctrl-C is not for it.
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", self._PROGRAM],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
            encoding="utf-8",
        )
        atexit.register(self._end)
        self.change(words)

    def change(self, words):
        self._process.stdin.write(" ".join(words.split()) + "\n")
        self._process.stdin.flush()

    def _end(self):
        self._process.stdin.close()
        self._process.wait()


@functools.cache
def join(cluster):
    """Return the `Workers` of a cluster; a process joins once."""
    return Workers(cluster)
