"""Time to accuracy: seconds from the command `dmn-keras train` until a bAbI task is learned, by its validation error.

The public command runs as a process. When its validation error is first at or below the goal, or after `--limit`
seconds, it gets a Ctrl-C: it then measures its best weights on the test questions, which is reported too.
"""

import argparse
import json
import math
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

from benchmarks import report

SETTINGS = {
    "plain": (),
    "tuned": ("--preset", "tuned_fused"),
}
"""Arguments of `dmn-keras train`: none, and what a search found for long stories."""

GOALS = {1: 0.0, 2: 0.05, 3: 0.05}
"""Validation error that each task is to reach."""


def main(arguments=None):
    """Measure, print a table, and write a JSON file if asked to; or print the table of JSON files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_to_accuracy", description=__doc__)
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax"))
    parser.add_argument("--data-dir", metavar="DIR", help="archive or folder of the data")
    parser.add_argument("--tasks", type=int, nargs="+", default=[1], choices=GOALS, help="numbers of the tasks")
    parser.add_argument("--settings", default="plain", choices=SETTINGS, help="settings of the model")
    parser.add_argument("--limit", type=float, default=3600, help="most seconds a task")
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    parser.add_argument("--table", metavar="FILE", nargs="+", help="measure nothing, print the table of these files")
    options = parser.parse_args(arguments)
    if options.table:
        print(table([json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in options.table]))
        return
    os.environ["KERAS_BACKEND"] = options.backend

    rows = [measure(options, task) for task in options.tasks]
    result = {
        **report.about("time_to_accuracy", arguments),
        "settings": options.settings,
        "trained_by": " ".join(["dmn-keras train", *train_arguments("DIR", "N", options.settings)]),
        "rows": rows,
    }
    print(table([result]))
    if options.json:
        report.write(options.json, result)


def train_arguments(data_dir, task, settings):
    """Return the arguments of `dmn-keras train`."""
    data = ("--dataset", "babi", "--data-dir", data_dir, "--config", "en-10k")
    return [*data, "--tasks", str(task), *SETTINGS[settings]]


def measure(options, task):
    """Return the row of one task: wall and CPU seconds until the goal, or until the end without it, and the errors."""
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder, "run")
        command = [sys.executable, "-m", "dmn_keras", "train", "--output", str(run), "--verbose", "0"]
        command += train_arguments(options.data_dir, task, options.settings)
        environment = {**os.environ, "KERAS_BACKEND": options.backend}
        # A process that is started in the background may ignore Ctrl-C, and all that it starts would.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        start = time.perf_counter()
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            reached, seconds, cpu_seconds = _wait(process, run / "history.json", GOALS[task], start, options.limit)
            _interrupt(process, run / "history.json")
        history = _epochs(run / "history.json")
        if not history:
            raise RuntimeError(f"The command ended with status {process.returncode} before its first epoch.")
        tested = None
        if (run / "metrics.json").exists():
            [row] = json.loads((run / "metrics.json").read_text())["tasks"].values()
            tested = row["error"]
    needed = next((i for i, epoch in enumerate(history, 1) if _reached(epoch, GOALS[task])), len(history))
    return {
        "task": task,
        "goal": GOALS[task],
        "limit_s": options.limit,
        "reached": reached,
        "seconds": round(seconds, 1),
        "cpu_seconds": cpu_seconds,
        "epochs": needed,
        "epoch_seconds": round(sum(epoch["seconds"] for epoch in history[:needed]) / needed, 1),
        "validation_error": round(100 * min(epoch["val_error"] for epoch in history), 2),
        "test_error": tested,
    }


def _wait(process, history, goal, start, limit):
    """Wait for the goal, the limit or the process' end; return whether it is the goal, and wall and CPU seconds."""
    while True:
        ended = process.poll() is not None
        seconds, cpu_seconds = time.perf_counter() - start, None if ended else report.cpu_seconds(process.pid)
        logs = _epochs(history)
        reached = any(_reached(epoch, goal) for epoch in logs)
        if reached or ended or (seconds > limit and logs):
            return reached, seconds, cpu_seconds
        time.sleep(0.1)


def _interrupt(process, history):
    """Send a process a Ctrl-C, and once more if epochs go on: Python may lose one in a function that it calls back."""
    epochs = -math.inf
    while process.poll() is None:
        if len(_epochs(history)) > epochs + 1:
            epochs = len(_epochs(history))
            process.send_signal(signal.SIGINT)
        time.sleep(0.1)


def _reached(epoch, goal):
    return epoch["val_error"] <= goal + 1e-9


def _epochs(history):
    return json.loads(history.read_text()) if history.exists() else []


def table(results):
    """Lay measurements out as a Markdown table, a line for each task."""
    header = ["settings", "backend", "cores", "task", "goal, %", "seconds", "CPU s", "epochs", "s an epoch"]
    rows = [
        [
            result["settings"],
            result["versions"]["backend"],
            result["machine"]["cores_used"],
            row["task"],
            f"{100 * row['goal']:.0f}",
            f"{'' if row['reached'] else 'not in '}{row['seconds']:.0f}",
            "" if row["cpu_seconds"] is None else f"{row['cpu_seconds']:.0f}",
            row["epochs"],
            row["epoch_seconds"],
            row["validation_error"],
            "-" if row["test_error"] is None else row["test_error"],
        ]
        for result in results
        for row in result["rows"]
    ]
    return report.markdown([*header, "validation error, %", "test error, %"], rows)


if __name__ == "__main__":
    main()
