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
"""Seconds after the end of the time in which workers on other machines may end their batch."""

VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")


def role() -> str | None:
    """Return what keras-tuner's variables make of this process: `"chief"`, `"worker"` or `None`.

    Raises:
        ValueError: If some of the variables are set and others are not.
    """
    given = [name for name in VARIABLES if os.environ.get(name)]
    if not given:
        return None
    missing = [name for name in VARIABLES if name not in given]
    if missing:
        raise ValueError(f"{', '.join(given)} set without {', '.join(missing)}: several machines need all of them.")
    return "chief" if "chief" in os.environ[VARIABLES[0]] else "worker"


def become_chief() -> None:
    """Make this process keras-tuner's chief of workers on this machine, at a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        os.environ.update(zip(VARIABLES, ("chief", "127.0.0.1", str(free.getsockname()[1])), strict=True))


def start(count: int, arguments: Sequence[str], logs: pathlib.Path) -> dict[str, subprocess.Popen]:
    """Start worker processes of the search on this machine; they end with this process.

    Args:
        count: How many.
        arguments: Arguments of `tuning/search.py`.
        logs: Folder of their logs.

    Returns:
        Dict of worker id to process.
    """
    logs.mkdir(parents=True, exist_ok=True)
    root = str(pathlib.Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    started = {}
    for number in range(count):
        tuner_id = f"worker{number}"
        with open(logs / f"{tuner_id}.log", "ab") as log:
            started[tuner_id] = subprocess.Popen(
                [sys.executable, "-u", "-m", "tuning.workers", *arguments],
                env={**os.environ, VARIABLES[0]: tuner_id, "PYTHONPATH": path},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
    return started


def lead(tuner, budget, processes: dict[str, subprocess.Popen]) -> list[str]:
    """Serve trials until all workers have ended, or keras-tuner's chief has, or the time is used.

    Args:
        tuner: The `SearchTuner` of the chief.
        budget: The `TimeBudget`.
        processes: What `start` returned; empty where workers are started on other machines.

    Returns:
        Ids of the workers that ended with an error.

    Raises:
        RuntimeError: If the chief cannot serve at its address.
    """
    errors = []

    def serve():
        try:
            tuner.search(verbose=0)  # keras-tuner's server; it may outlive its workers
        except Exception as error:
            errors.append(error)

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    running, failed = dict(processes), []
    try:
        while server.is_alive() if not processes else running:
            time.sleep(0.3)
            budget.save()
            if errors:
                raise RuntimeError(
                    f"The chief cannot serve at {':'.join(os.environ[v] for v in VARIABLES[1:])}: {errors[0]}"
                )
            for tuner_id in [tuner_id for tuner_id, process in running.items() if process.poll() is not None]:
                if running.pop(tuner_id).returncode:
                    failed.append(tuner_id)
                    print(f"{tuner_id} ended with an error: see its log in workers/.", flush=True)
            if budget.left() < -GRACE:
                break
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            process.wait()
    return failed


def _end_with_parent():
    sys.stdin.read()  # until the process that started this one has ended
    os._exit(1)


if __name__ == "__main__":
    from tuning import search

    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(search.main())
