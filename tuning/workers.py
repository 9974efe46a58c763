"""Several processes train the trials of one search: keras-tuner's chief hands them out, its workers run them."""

import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

GRACE = 30.0
"""Seconds after the end of the time that workers have to end by themselves."""

VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


def role() -> str | None:
    """Return what keras-tuner's variables make of this process: `"chief"`, `"worker"` or `None`.

    Raises:
        ValueError: If some of the variables are set and others are not.
    """
    given = [name for name in VARIABLES if os.environ.get(name)]
    if 0 < len(given) < len(VARIABLES):
        missing = ", ".join(name for name in VARIABLES if name not in given)
        raise ValueError(f"{', '.join(given)} set without {missing}: a search on several machines needs all of them.")
    if not given:
        return None
    return "chief" if "chief" in os.environ[VARIABLES[0]] else "worker"


def become_chief() -> None:
    """Make this process keras-tuner's chief of workers on this machine, at a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ.update(zip(VARIABLES, ("chief", "127.0.0.1", str(free.getsockname()[1])), strict=True))


def start(count: int, arguments: Sequence[str], logs: pathlib.Path) -> dict[str, subprocess.Popen]:
    """Start worker processes on this machine, which end with this process; return them by worker id."""
    logs.mkdir(parents=True, exist_ok=True)
    path = [str(pathlib.Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    started = {}
    for tuner_id in (f"worker{number}" for number in range(count)):
        with open(logs / f"{tuner_id}.log", "ab") as log:
            started[tuner_id] = subprocess.Popen(
                [sys.executable, "-u", "-m", "tuning.local_worker", *arguments],
                env={**os.environ, VARIABLES[0]: tuner_id, "PYTHONPATH": os.pathsep.join(path)},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
    return started


def lead(tuner, budget, processes: dict[str, subprocess.Popen]) -> list[str]:
    """Serve trials until all workers of this machine have ended, or without any, as long as keras-tuner's chief does.

    Returns:
        Ids of the workers that ended with an error.

    Raises:
        RuntimeError: If the chief cannot serve.
    """
    errors, failed, running = [], [], dict(processes)

    def serve():
        try:
            tuner.search(verbose=0)
        except Exception as error:
            errors.append(error)

    server = threading.Thread(target=serve, daemon=True)  # it would wait for ever for a worker that died
    server.start()
    try:
        while (running if processes else server.is_alive()) and budget.left() > -GRACE:
            time.sleep(0.3)
            budget.save()
            for tuner_id in [tuner_id for tuner_id, process in running.items() if process.poll() is not None]:
                if running.pop(tuner_id).returncode:
                    failed.append(tuner_id)
                    print(f"{tuner_id} ended with an error: see workers/{tuner_id}.log", flush=True)
            if errors:
                raise RuntimeError(
                    f"The chief cannot serve at {':'.join(map(os.environ.get, VARIABLES[1:]))}: {errors[0]}"
                )
    finally:
        for process in running.values():
            process.terminate()
            process.wait()
    return failed
