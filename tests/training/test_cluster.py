"""Workers that train together: who they are, that they agree, and that a lost one costs no more than its epoch."""

import importlib.util
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

import pytest

from dmn_keras import cli
from dmn_keras.tasks.config import NAMED_SETTINGS
from dmn_keras.training.cluster import Cluster, read_cluster
from dmn_keras.training.strategy import get_distribution
from tests.training.runs import TINY, history, own_data

ROOT = pathlib.Path(__file__).parents[2]


def config(task=("worker", 0), **cluster):
    return json.dumps({"cluster": cluster or {"worker": ["a:1", "b:2"]}, "task": {"type": task[0], "index": task[1]}})


def test_a_cluster_in_the_format_of_tensorflow():
    assert read_cluster("") is None
    assert read_cluster(config(("worker", 1))) == Cluster(("a:1", "b:2"), 1)
    with_chief = {"chief": ["c:3"], "worker": ["a:1", "b:2"]}
    assert read_cluster(config(("chief", 0), **with_chief)) == Cluster(("c:3", "a:1", "b:2"), 0)
    assert read_cluster(config(("worker", 1), **with_chief)) == Cluster(("c:3", "a:1", "b:2"), 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{worker", r"Expecting property name .*\. Expected e\.g\. \{.*Received: \{worker"),
        ("[" * 100_000, "RecursionError|nested|recursion"),
        ("[]", "list indices"),
        ('{"cluster": {"worker": ["a:1"]}}', "'task' is missing"),
        (config(worker=[]), "the cluster has no worker with the index 0"),
        (config(worker="a:1"), "an address must be 'host:port', not 'a'"),
        (config(worker=["a"]), "an address must be 'host:port', not 'a'"),
        (config(worker=["a:99999"]), "an address must be 'host:port', not 'a:99999'"),
        (config(worker=["a:1", "a:1"]), "an address is named twice"),
        (config(chief=["a:1", "b:1"]), "workers and at most one chief"),
        (config(worker=["a:1"], ps=["b:1"]), "workers and at most one chief, not worker, ps"),
        (config(("evaluator", 0)), "the cluster has no evaluator with the index 0"),
        (config(("worker", 2)), "the cluster has no worker with the index 2, counted from 0"),
        (config(("worker", "0")), "the cluster has no worker with the index '0'"),
    ],
)
def test_a_mistake_in_the_cluster(text, message):
    with pytest.raises(ValueError, match=f"TF_CONFIG is malformed: .*{message}"):
        read_cluster(text)


def test_workers_need_a_cluster_and_all_their_devices(monkeypatch):
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match=r"multi_worker' needs the environment variable TF_CONFIG.*It is not set"):
        get_distribution("multi_worker")
    monkeypatch.setenv("TF_CONFIG", config())
    with pytest.raises(ValueError, match="devices does not go with strategy 'multi_worker'"):
        get_distribution("auto", "0")


def test_workers_need_one_output(monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", config())
    assert cli.main(["train", "--epochs", "1"]) == 2
    assert "need --output: a run folder on a disk that all of them share" in capsys.readouterr().err


# Real processes, under JAX alone

_START = """
import os, signal, sys
sys.modules["tensorflow"] = sys.modules["tensorflow_datasets"] = None  # as where they are not installed
"""

_TRAIN = (
    _START
    + """
from dmn_keras import cli
from dmn_keras.training.callbacks import BestWeights

stop, arguments = sys.argv[1], sys.argv[2:]
original = BestWeights.on_train_batch_end

def on_train_batch_end(self, number, logs=None):
    original(self, number, logs)
    if stop and (len(self.history), number) == (int(stop), 1):
        os.kill(os.getpid(), signal.SIGKILL)

BestWeights.on_train_batch_end = on_train_batch_end
sys.exit(cli.main(arguments))
"""
)

_UNLIKE = (
    _START
    + """
import pathlib
from dmn_keras.training.trainer import train
from tests.training.runs import own_data, tiny

folder, index = pathlib.Path(sys.argv[1]), int(sys.argv[2])
source, other = own_data(folder / f"data{index}"), own_data(folder / f"other{index}", train=14)
for of_worker_1, data in (({"seed": 7, "units": 6}, source), ({}, other), ({"word_vectors": "nowhere.txt"}, source)):
    try:
        changed = of_worker_1 if index else {}
        train(data if index else source, tiny(**changed), folder / "run", strategy="multi_worker", verbose=0)
    except (ValueError, OSError) as error:
        print(f"{type(error).__name__}: {error}", flush=True)
assert not (folder / "run").exists()
"""
)


PLAIN = {**NAMED_SETTINGS["_plain"], **TINY, "batch_size": 5, "epochs": 4}


def together(code, arguments, *, count=2, timeout=240):
    """Run worker processes, with the arguments of each; return their exit statuses and what they printed."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    addresses = [f"localhost:{port}", *(f"localhost:{port + i}" for i in range(1, count))]
    quick = {"XLA_FLAGS": "--xla_backend_optimization_level=0", "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    processes = []
    for index in range(count):
        environment = {**os.environ, **quick, "TF_CONFIG": config(("worker", index), worker=addresses)}
        command = [sys.executable, "-c", code, *arguments[index]]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, **pipes))
    try:
        printed = [process.communicate(timeout=timeout)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], printed


@pytest.fixture
def jax():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("the jax backend is not installed")


def test_workers_train_to_the_losses_of_one_though_each_is_killed_once(jax, tmp_path):
    own_data(tmp_path / "data", train=13)
    settings = [f"--set={name}={value}" for name, value in PLAIN.items()]
    train = ["train", "--dataset", "jsonl", "--data-dir", str(tmp_path / "data"), *settings, "--verbose", "0"]
    alone = [sys.executable, "-c", _TRAIN, "", *train, "--strategy", "one", "--output", str(tmp_path / "one")]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    one = subprocess.Popen(alone, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    shared = [*train, "--strategy", "multi_worker", "--output", str(tmp_path / "two")]

    again = "start all of them again"
    # Worker 1 is killed in its second epoch, then worker 0, where the workers find each other, in the third.
    statuses, printed = together(_TRAIN, [["", *shared], ["1", *shared]])
    assert statuses[1] == -signal.SIGKILL
    assert statuses[0] not in (0, None)
    assert again in printed[0]
    assert len(history(tmp_path / "two")) == 1
    statuses, printed = together(_TRAIN, [["2", *shared, "--resume"], ["", *shared, "--resume"]])
    assert statuses[0] == -signal.SIGKILL
    assert statuses[1] not in (0, None)
    assert again in printed[1]
    assert len(history(tmp_path / "two")) == 2
    statuses, printed = together(_TRAIN, [["", *shared, "--resume"], ["", *shared, "--resume"]])
    assert statuses == [0, 0], "\n".join(printed)
    assert "Model and metrics are in" in printed[0]
    assert "Model and metrics are in" not in printed[1]

    assert one.wait() == 0
    expected, received = (history(tmp_path / name) for name in ("one", "two"))
    assert len(received) == len(expected) == 4
    for a, b in zip(expected, received, strict=True):
        assert b == pytest.approx(a, rel=1e-5)
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert two["tasks"] == one["tasks"]


def test_workers_that_are_not_alike_are_refused(jax, tmp_path):
    statuses, printed = together(_UNLIKE, [[str(tmp_path), "0"], [str(tmp_path), "1"]])
    assert statuses == [0, 0], "\n".join(printed)
    for text in printed:
        assert "the workers differ in model.units, trainer.seed, and nothing was changed" in text
        assert re.search(r"the workers differ in .*training questions, .*and nothing was changed", text)
    assert "worker 1 could not start" in printed[0]
    assert "FileNotFoundError:" in printed[1]
    assert "nowhere.txt" in printed[1]
