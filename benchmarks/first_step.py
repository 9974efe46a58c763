"""Seconds from the command `dmn-keras train` to the end of its first training step, and what they are made of.

The command runs as a process and prints its progress: when it begins (its imports are done), when training begins (data
and model are there), and when the first step is done (traced, compiled, made). Then it is ended.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from benchmarks import report

MOMENTS = {"imports": "Training on ", "data and model": "Epoch 1/", "first step": r"Epoch 1/.*\n.*(?<!\d)1/\d+\b"}
"""What has passed when the command has printed this, a regular expression; in this order."""


def main(arguments=None):
    """Measure, print a table, and write a JSON file if asked to; or print the table of JSON files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_step", description=__doc__)
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax"))
    parser.add_argument("--repeats", type=int, default=3, help="processes, whose medians count")
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    parser.add_argument("--table", metavar="FILE", nargs="+", help="measure nothing, print the table of these files")
    parser.add_argument("train", nargs="*", metavar="-- ARGUMENTS", help="arguments of dmn-keras train")
    options = parser.parse_args(arguments)
    if options.table:
        print(table([json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in options.table]))
        return

    runs = [measure(options.backend, options.train) for _ in range(options.repeats)]
    result = {
        **report.about("first_step", arguments),
        "seconds": {name: round(statistics.median(run[name][0] for run in runs), 2) for name in MOMENTS},
        "cpu_seconds": {name: round(statistics.median(run[name][1] for run in runs), 2) for name in MOMENTS},
    }
    print(table([result]))
    if options.json:
        report.write(options.json, result)


def measure(backend, train):
    """Run the command until its first step is done; return wall and CPU seconds since its start of each moment."""
    moments, waited = {}, list(MOMENTS.items())
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONUNBUFFERED": "1"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "dmn_keras", "train", "--output", f"{folder}/run", *train]
        start = time.perf_counter()
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        ) as process:
            printed = b""
            while waited and (more := process.stdout.read(4096)):
                printed += more
                while waited and re.search(waited[0][1], printed.decode(errors="replace")):
                    moments[waited.pop(0)[0]] = time.perf_counter() - start, report.cpu_seconds(process.pid)
            process.kill()
    if waited:
        raise RuntimeError(f"The command ended with status {process.returncode}, before: {waited[0][0]}.")
    return moments


def table(results):
    """Lay measurements out as a Markdown table, a line for each backend."""
    header = ["backend", "cores", *(f"{name}, after s" for name in MOMENTS), "CPU s"]
    rows = [
        [
            result["versions"]["backend"],
            result["machine"]["cores_used"],
            *(f"{seconds:.1f}" for seconds in result["seconds"].values()),
            f"{result['cpu_seconds']['first step']:.1f}",
        ]
        for result in results
    ]
    return report.markdown(header, rows)


if __name__ == "__main__":
    main()
