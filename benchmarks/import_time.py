"""What `import dmn_keras` costs beyond Keras and its backend, in fresh processes."""

import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

from benchmarks import report

_MEASURE = """
import importlib, json, sys, time

def seconds(*names):
    start = time.process_time(), time.perf_counter()
    for name in names:
        importlib.import_module(name)
    return time.process_time() - start[0], time.perf_counter() - start[1]

keras = seconds("keras", sys.argv[1])
before = {name.partition(".")[0] for name in sys.modules}
package = seconds("dmn_keras")
added = {name.partition(".")[0] for name in sys.modules} - before - sys.stdlib_module_names - {"dmn_keras"}
print(json.dumps({"keras": keras, "dmn_keras": package, "imported": sorted(added)}))
"""


def main(arguments=None):
    """Measure, print a table, and write a JSON file if asked to; or print the table of JSON files."""
    options = _parser().parse_args(arguments)
    if options.table:
        print(table([json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in options.table]))
        return
    result = {
        "command": report.command("import_time", arguments),
        "machine": report.machine(),
        "rows": [measure(backend, options.repeats) for backend in options.backends],
    }
    print(table([result]))
    if options.json:
        report.write(options.json, result)


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.import_time", description=__doc__)
    parser.add_argument("--backends", nargs="+", default=["tensorflow"], choices=("tensorflow", "jax", "torch"))
    parser.add_argument("--repeats", type=int, default=5, help="fresh processes")
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    parser.add_argument("--table", metavar="FILE", nargs="+", help="measure nothing, print the table of these files")
    return parser


def measure(backend, repeats):
    """Import the package in fresh processes.

    Args:
        backend: Name of the Keras backend.
        repeats: Number of processes.

    Returns:
        Dict of the backend, versions, median CPU and wall seconds of Keras with its backend and of what the package
        adds, and the libraries outside Python's own that it loads beyond them.
    """
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", _MEASURE, backend]
    taken = []
    for _ in range(repeats):
        process = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        taken.append(json.loads(process.stdout))
    medians = {
        f"{name}_{kind}_s": round(statistics.median(run[name][i] for run in taken), 3)
        for name in ("keras", "dmn_keras")
        for i, kind in enumerate(("cpu", "wall"))
    }
    versions = {name: importlib.metadata.version(name) for name in ("keras", backend, "numpy")}
    versions["python"] = platform.python_version()
    return {"backend": backend, "versions": versions, **medians, "imported": taken[0]["imported"]}


def table(results):
    """Lay measurements out as a Markdown table, a line a backend."""
    header = ["backend", "Keras with backend, CPU s", "dmn_keras beyond it, CPU s", "wall s", "libraries it loads"]
    rows = [
        [
            row["backend"],
            row["keras_cpu_s"],
            row["dmn_keras_cpu_s"],
            row["dmn_keras_wall_s"],
            ", ".join(row["imported"]) or "none",
        ]
        for result in results
        for row in result["rows"]
    ]
    return report.markdown(header, rows)


if __name__ == "__main__":
    main()
