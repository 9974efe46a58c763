"""A search that is killed resumes to the result it would have had; several processes share one."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.training.runs import tensorflow_only, without_tracing
from tests.tuning.searches import ROOT, arguments, history, pretended_training, quiet, start, trials, write_data
from tuning import search
from tuning.workers import VARIABLES

pytestmark = [tensorflow_only, without_tracing, *quiet]
SLOWLY = "slowly = lambda config, epoch: time.sleep(0.2)"
PRETENDED = {"pretended": "pretended_training(slowly)", "before": SLOWLY}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "own")


@pytest.fixture
def processes():
    """Processes that must not outlive the test."""
    started = []
    yield started
    for process in started:
        process.kill()
        process.communicate()


def wait_for(condition, process, seconds=90):
    def fulfilled():
        try:
            return condition()
        except json.JSONDecodeError:  # keras-tuner is writing that file
            return False

    end = time.monotonic() + seconds
    while not fulfilled():
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def epochs(output):
    return sum(len(json.loads(path.read_text())) for path in (output / "runs").glob("*/*/history.json"))


def used(output):
    """Seconds of the search that its file tells."""
    return json.loads((output / "time.json").read_text())["used"]


def test_a_killed_search_resumes_to_the_same_result(data, tmp_path, processes):
    options = {"tuner": "hyperband", "max_trials": 5, "epochs": 3, "executions": 2}
    process = start(arguments(data, tmp_path / "out", **options), **PRETENDED)
    processes.append(process)
    wait_for(lambda: epochs(tmp_path / "out") >= 5 and used(tmp_path / "out") > 1, process)
    process.kill()
    process.wait()
    assert set(trials(tmp_path / "out").values()) == {"COMPLETED", "RUNNING"}
    before = used(tmp_path / "out")
    ended = [trial for trial, status in trials(tmp_path / "out").items() if status == "COMPLETED"]
    trained = []
    with pretended_training(lambda config, epoch: trained.append((config, epoch))):
        assert search.main(arguments(data, tmp_path / "out", **options)) == 0
        count = len(trained)
        assert search.main(arguments(data, tmp_path / "whole", **options)) == 0
    assert len(trained) - 2 * count >= 2 * len(ended) > 0, "what has ended is not trained again"
    assert list(trials(tmp_path / "out").values()) == list(trials(tmp_path / "whole").values()) == ["COMPLETED"] * 5
    for path in (tmp_path / "whole/runs").glob("*/*/history.json"):
        seed = int(path.parts[-2].removeprefix("seed"))
        assert history(tmp_path / "out", path.parts[-3], seed) == history(tmp_path / "whole", path.parts[-3], seed)
    one, other = (json.loads((tmp_path / name / "best.json").read_text()) for name in ("out", "whole"))
    for name in ("settings", "validation_errors", "test_error", "trials"):
        assert one[name] == other[name]
    assert one["seconds"] > before, "the time before the kill counts"


def variables(tuner_id, port):
    return dict(zip(VARIABLES, (tuner_id, "127.0.0.1", str(port)), strict=True))


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.slow
def test_chief_and_workers_share_a_search_and_a_killed_one_resumes(data, tmp_path, processes, port):
    output, options = tmp_path / "out", {"max_trials": 6, "epochs": 3}
    words = arguments(data, output, **options)
    chief = start(words, **PRETENDED, **variables("chief", port))
    processes.append(chief)
    wait_for((output / "tuner/chief.json").exists, chief)
    team = [start(words, **PRETENDED, **variables(f"worker-{name}", port)) for name in "ab"]
    unequal = start(arguments(data, output, max_trials=6, epochs=2), **PRETENDED, **variables("worker-c", port))
    processes += [*team, unequal]
    printed, _ = unequal.communicate(timeout=90)
    assert unequal.returncode == 2
    assert "holds a search with another epochs. Expected: 3. Received: 2" in printed
    wait_for(lambda: "COMPLETED" in trials(output).values(), chief)
    for process in (*team, chief):
        process.kill()
        process.wait()
    done = {trial: history(output, trial) for trial, status in trials(output).items() if status == "COMPLETED"}
    with pretended_training():
        assert search.main(words) == 0
        assert search.main(arguments(data, tmp_path / "alone", **options)) == 0
    assert list(trials(output).values()) == ["COMPLETED"] * 6
    assert {trial: history(output, trial) for trial in done} == done
    assert all(history(output, trial) == history(tmp_path / "alone", trial) for trial in trials(output))


# The command starts its workers itself: what pretends their training is what every Python process there runs first.
SITE = f"""
import sys
if "tuning.local_worker" in sys.orig_argv:
    sys.path.insert(0, {str(ROOT)!r})
    import time
    from tests.tuning.searches import pretended_training
    {SLOWLY}
    context = pretended_training(slowly)
    context.__enter__()
"""


def workers_of(process):
    """Pids of the children of a process."""
    return list(map(int, pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()))


def alive(pid):
    status = pathlib.Path(f"/proc/{pid}/stat")
    return status.exists() and " Z " not in status.read_text()


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc").exists(), reason="looks for processes there")
def test_the_workers_of_a_machine_end_with_the_command_and_one_that_dies_loses_no_trial(data, tmp_path, processes):
    output = tmp_path / "out"
    (tmp_path / "sitecustomize.py").write_text(SITE)
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    first = start(arguments(data, output, workers=2, max_trials=99), **PRETENDED, PYTHONPATH=path)
    processes.append(first)
    wait_for(lambda: "COMPLETED" in trials(output).values(), first)
    pids = workers_of(first)
    assert len(pids) == 2
    first.kill()
    first.wait()
    end = time.monotonic() + 20
    while any(map(alive, pids)):
        assert time.monotonic() < end, "the workers outlive the command"
        time.sleep(0.1)

    count = len(trials(output)) + 4
    again = start(arguments(data, output, workers=2, max_trials=count), **PRETENDED, PYTHONPATH=path)
    processes.append(again)
    wait_for(lambda: len(trials(output)) > count - 4, again)
    os.kill(workers_of(again)[0], signal.SIGKILL)
    printed, _ = again.communicate(timeout=120)
    assert again.returncode == 0, printed[-3000:]
    assert "ended with an error: see workers/worker" in printed
    with pretended_training():
        assert search.main(arguments(data, output, max_trials=count)) == 0
    assert list(trials(output).values()) == ["COMPLETED"] * count


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ({VARIABLES[0]: "worker0"}, {}, "KERASTUNER_TUNER_ID set without KERASTUNER_ORACLE_IP, KERASTUNER_ORACLE_PORT"),
        (variables("chief", 1), {"workers": 2}, "--workers and KERASTUNER_TUNER_ID=chief exclude each other"),
        (variables("worker0", 1), {}, "expected a folder that `tuning/search.py` wrote (search.json)"),
    ],
)
def test_a_role_that_is_not_clear(given, more, message, data, tmp_path, monkeypatch, capsys):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert search.main(arguments(data, tmp_path / "out", **more)) == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken(data, tmp_path, monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name, value in variables("chief", port).items():
            monkeypatch.setenv(name, value)
        assert search.main(arguments(data, tmp_path / "out")) == 1
    assert f"The chief cannot serve at 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.slow
def test_under_jax_as_a_script_without_log_lines(data, tmp_path):
    pytest.importorskip("jax")
    words = arguments(data, tmp_path / "out", max_trials=1, epochs=1)
    environment = {n: v for n, v in os.environ.items() if n not in ("PYTHONPATH", "TF_CPP_MIN_LOG_LEVEL")}
    command = [sys.executable, str(ROOT / "tuning/search.py"), *words]
    environment["KERAS_BACKEND"] = "jax"
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    best = json.loads((tmp_path / "out/best.json").read_text())
    assert best["versions"]["backend"].startswith("jax ")
