"""A search that is killed goes on to the result it would have had; several workers share one."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.training.runs import eagerly, tensorflow_only, without_tracing
from tests.tuning.searches import arguments, history, quiet, start, trials, write_data
from tuning import search
from tuning.workers import VARIABLES

pytestmark = [tensorflow_only, without_tracing, *quiet]

SLOWLY = """
import time
from dmn_keras.training.callbacks import BestWeights
original = BestWeights.on_epoch_end
def on_epoch_end(self, *arguments, **named):
    time.sleep(0.6)
    return original(self, *arguments, **named)
BestWeights.on_epoch_end = on_epoch_end
"""
"""Makes an epoch last long enough to be killed in."""


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


def wait_for(condition, process=None, seconds=90):
    end = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(process.communicate()[0][-3000:])
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


def epochs(output):
    return sum(len(json.loads(path.read_text())) for path in (output / "runs").glob("*/*/history.json"))


def end(process, seconds=120):
    output, _ = process.communicate(timeout=seconds)
    return process.returncode, output


def test_a_killed_search_goes_on_to_the_same_result(data, tmp_path, processes):
    words = arguments(data, tmp_path / "out", tuner="hyperband", max_trials=4, epochs=3, executions=2)
    process = start(words, spoil=SLOWLY)
    processes.append(process)
    wait_for(lambda: epochs(tmp_path / "out") >= 3, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "RUNNING" in trials(tmp_path / "out").values()
    used = json.loads((tmp_path / "out/clock.json").read_text())["used"]
    assert used > 1
    with eagerly():
        assert search.main(words) == 0
        assert (
            search.main(arguments(data, tmp_path / "whole", tuner="hyperband", max_trials=4, epochs=3, executions=2))
            == 0
        )
    assert (
        trials(tmp_path / "out")
        == trials(tmp_path / "whole")
        == dict.fromkeys(("0000", "0001", "0002", "0003"), "COMPLETED")
    )
    for path in (tmp_path / "whole/runs").glob("*/*/history.json"):
        trial, seed = path.parts[-3], int(path.parts[-2].removeprefix("seed"))
        assert history(tmp_path / "out", trial, seed) == history(tmp_path / "whole", trial, seed)
    one, other = (json.loads((tmp_path / name / "best.json").read_text()) for name in ("out", "whole"))
    for name in ("settings", "validation_errors", "test_error", "trials"):
        assert one[name] == other[name]
    assert one["seconds"] > used, "the time before the kill counts"


def worker_pids(output):
    """Pids of the workers that say they live, by id."""
    paths = (output / "workers").glob("*.json")
    return {path.stem: json.loads(path.read_text())["pid"] for path in paths}


def ongoing(output):
    """Ids of the workers that have a trial."""
    path = output / "tuner/oracle.json"
    return json.loads(path.read_text())["ongoing_trials"] if path.exists() else {}


def alive(pid):
    return pathlib.Path(f"/proc/{pid}").exists() and " Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text()


# The workers are started by the command itself: what slows them down or runs them without tracing goes the same way.
SITE = SLOWLY + "\nimport tensorflow\ntensorflow.config.run_functions_eagerly(True)\n"


def lead(data, output, folder, **options):
    """A chief with two workers; `sitecustomize` is what every Python process there runs first."""
    (folder / "site").mkdir(exist_ok=True)
    hook = "import sys\nif '--output' in sys.orig_argv and '-m' in sys.orig_argv:\n" + "".join(
        f"    {line}\n" for line in SITE.splitlines() if line
    )
    (folder / "site/sitecustomize.py").write_text(hook)
    return start(
        arguments(data, output, workers=2, **options),
        PYTHONPATH=os.pathsep.join([str(pathlib.Path(__file__).parents[2]), str(folder / "site")]),
    )


def held(output, epochs):
    """Stop one worker in the middle of a trial; returns its id, or nothing where the trial ended meanwhile.

    keras-tuner's own state still names a trial that has ended: its epochs tell.
    """
    pids = worker_pids(output)
    for worker in sorted(ongoing(output).keys() & pids.keys()):
        os.kill(pids[worker], signal.SIGSTOP)
        time.sleep(0.5)  # what it had said before is heard
        trial = ongoing(output).get(worker)
        if trial is not None and (not trained(output, trial) or len(history(output, trial)) < epochs):
            return [worker]
        os.kill(pids[worker], signal.SIGCONT)
    return []


def trained(output, trial):
    return (output / f"runs/{trial}/seed0/history.json").exists()


def test_two_workers_share_a_search_and_it_survives_the_chief_and_one_of_them(data, tmp_path, processes):
    output = tmp_path / "out"
    chief = lead(data, output, tmp_path, max_trials=4, epochs=3)
    processes.append(chief)
    wait_for(lambda: "COMPLETED" in trials(output).values() and ongoing(output), chief)
    pids = worker_pids(output)
    done = {trial: history(output, trial) for trial, status in trials(output).items() if status == "COMPLETED"}
    chief.send_signal(signal.SIGKILL)
    chief.wait()
    wait_for(lambda: not any(map(alive, pids.values())), seconds=45)
    for tuner_id in pids:
        log = (output / f"workers/{tuner_id}.log").read_text()
        assert "has gone. Trials that were done stay, the running one goes on from its last epoch" in log, log[-2000:]
    assert {trial: status for trial, status in trials(output).items() if trial in done} == dict.fromkeys(
        done, "COMPLETED"
    )

    left = (output / "tuner/oracle.json").read_bytes()  # with the trials of the workers that have gone
    again = lead(data, output, tmp_path, max_trials=4, epochs=3)
    processes.append(again)
    wait_for(lambda: (output / "tuner/oracle.json").read_bytes() != left, again)
    victims = []
    wait_for(lambda: victims or victims.extend(held(output, epochs=3)), again)
    (victim,) = victims
    os.kill(worker_pids(output)[victim], signal.SIGKILL)
    status, printed = end(again)
    assert status == 0, printed[-3000:]
    assert "2 workers, their logs in" in printed
    assert f"{victim} ended with status -9" in printed
    assert "goes back to be taken up again" in printed
    assert trials(output) == dict.fromkeys(("0000", "0001", "0002", "0003"), "COMPLETED")
    assert {trial: history(output, trial) for trial in done} == done
    assert all(len(history(output, trial)) == 3 for trial in trials(output))
    assert worker_pids(output) == {}
    with eagerly():
        assert search.main(arguments(data, tmp_path / "alone", max_trials=4, epochs=3)) == 0
    assert {trial: history(output, trial) for trial in trials(output)} == {
        trial: history(tmp_path / "alone", trial) for trial in trials(output)
    }


def variables(tuner_id, port):
    return dict(zip(VARIABLES, (tuner_id, "127.0.0.1", str(port)), strict=True))


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_chief_and_workers_on_several_machines(data, tmp_path, processes, port):
    words = arguments(data, tmp_path / "out", max_trials=2)
    chief = start(words, **variables("chief", port))
    equal = start(words, **variables("worker-a", port))
    unequal = start(arguments(data, tmp_path / "out", max_trials=2, epochs=3), **variables("worker-b", port))
    processes += [chief, equal, unequal]
    status, printed = end(unequal)
    assert status == 2
    assert "Unequal workers, worker-b" in printed
    assert "holds a search with another epochs. Expected: 2. Received: 3" in printed or "space.base.epochs" in printed
    assert end(equal)[0] == 0
    status, printed = end(chief)
    assert status == 0, printed
    assert "Best: trial" in printed
    assert trials(tmp_path / "out") == {"0000": "COMPLETED", "0001": "COMPLETED"}


@pytest.fixture
def environment(monkeypatch):
    """Set keras-tuner's variables in this process."""

    def become(tuner_id, port):
        for name, value in variables(tuner_id, port).items():
            monkeypatch.setenv(name, value)

    return become


def test_a_worker_without_a_chief(data, tmp_path, port, environment, capsys):
    environment("worker0", port)
    assert search.main([*arguments(data, tmp_path / "out"), "--wait", "1s"]) == 2
    printed = capsys.readouterr().err
    assert f"There is no chief at 127.0.0.1:{port} for the search in" in printed
    assert "Start it first, with the same arguments, address and folder." in printed


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        ({VARIABLES[0]: "worker0"}, {}, "KERASTUNER_TUNER_ID set without KERASTUNER_ORACLE_IP, KERASTUNER_ORACLE_PORT"),
        (variables("chief", 1), {"workers": 2}, "--workers and KERASTUNER_TUNER_ID exclude each other"),
    ],
)
def test_a_role_that_is_not_clear(given, more, message, data, tmp_path, monkeypatch, capsys):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert search.main(arguments(data, tmp_path / "out", **more)) == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken(data, tmp_path, environment, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment("chief", port)
        assert search.main(arguments(data, tmp_path / "out")) == 2
    assert f"127.0.0.1:{port} is taken: set KERASTUNER_ORACLE_PORT to a free port." in capsys.readouterr().err


def test_under_jax_as_a_script(data, tmp_path):
    pytest.importorskip("jax")
    script = pathlib.Path(__file__).parents[2] / "tuning/search.py"
    words = arguments(data, tmp_path / "out", max_trials=1, epochs=1, executions=2)
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    for name in ("PYTHONPATH", "JAX_COMPILATION_CACHE_DIR"):
        environment.pop(name, None)
    result = subprocess.run([sys.executable, str(script), *words], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-3000:]
    best = json.loads((tmp_path / "out/best.json").read_text())
    assert best["versions"]["backend"].startswith("jax ")
    assert list((tmp_path / "out/compiled").rglob("*")), "steps are kept between trials"
