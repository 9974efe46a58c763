"""Time and memory of a training step by the number of facts: neither may grow faster than the facts.

Each length is trained in a process of its own, on one thread, with and without `recompute`.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

from benchmarks import report, training_step

BATCH = 4


def main(arguments=None):
    """Measure, print a table, and write a JSON file if asked to; or print the table of a JSON file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_stories", description=__doc__)
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax"))
    parser.add_argument("--form", default="dmn_2015", choices=training_step.FORMS)
    parser.add_argument("--facts", type=int, nargs="+", default=[10, 100, 1000, 10000], help="facts a story")
    parser.add_argument("--units", type=int, default=80)
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    parser.add_argument("--table", metavar="FILE", help="measure nothing, print the table of this file")
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.table:
        print(table(json.loads(pathlib.Path(options.table).read_text(encoding="utf-8"))))
        return
    if options.one:
        print(json.dumps(measure(options, **options.one)))
        return
    rows = []
    for facts in options.facts:
        for recompute in (False, True):
            rows.append(_in_a_process(options, {"facts": facts, "recompute": recompute}))
    result = {
        "command": report.command("long_stories", arguments),
        "machine": report.machine(),
        "settings": {"form": options.form, "units": options.units, "batch": BATCH},
        "rows": rows,
    }
    print(table(result))
    if options.json:
        report.write(options.json, result)


def _in_a_process(options, one):
    command = [sys.executable, "-m", "benchmarks.long_stories", "--backend", options.backend, "--form", options.form]
    command += ["--units", str(options.units), "--one", json.dumps(one)]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return json.loads(printed.splitlines()[-1])


def measure(options, facts, recompute):
    """Return CPU milliseconds of a step, microseconds a fact, and peak memory beyond that before, in MiB."""
    training_step.use_one_thread(options.backend)
    import keras
    import numpy as np

    from dmn_keras.losses import AnswerCrossentropy

    sizes = {"form": options.form, "units": options.units, "passes": 3, "vocabulary": 40}
    model = training_step.build(sizes, recompute=recompute)
    model.compile("adam", loss={"answer": AnswerCrossentropy()}, jit_compile=options.backend == "jax")
    rng = np.random.default_rng(0)
    story, question = (rng.integers(1, 40, (BATCH, *shape), "int32") for shape in ((facts, 8), (4,)))
    inputs, answer = {"story": story, "question": question}, {"answer": rng.integers(1, 40, BATCH, "int32")}
    few = {"story": story[:, :2], "question": question}
    model.train_on_batch(few, answer)  # all that does not grow with the facts
    before = _memory("VmRSS")
    model.train_on_batch(inputs, answer)
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew, without what compiling took
    times = []
    for _ in range(3):
        start = time.process_time()
        model.train_on_batch(inputs, answer)
        times.append(1000 * (time.process_time() - start))
    ms = statistics.median(times)
    grown = (_memory("VmHWM") - before) / 1024
    return {
        "backend": keras.backend.backend(),
        "facts": facts,
        "recompute": recompute,
        "ms": round(ms, 1),
        "us_a_fact": round(1000 * ms / (facts * BATCH), 1),
        "mib": round(grown, 1),
    }


def _memory(name):
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1])


def table(result):
    """Lay a measurement out as a Markdown table, a line a number of facts."""
    pairs = zip(result["rows"][::2], result["rows"][1::2], strict=True)
    header = ["facts", "step, CPU ms", "µs a fact", "memory, MiB", "recompute: step, CPU ms", "memory, MiB"]
    rows = [
        [
            f"{a['facts']:,}",
            f"{a['ms']:,.0f}",
            f"{a['us_a_fact']:.0f}",
            f"{a['mib']:,.0f}",
            f"{b['ms']:,.0f}",
            f"{b['mib']:,.0f}",
        ]
        for a, b in pairs
    ]
    return report.markdown(header, rows)


if __name__ == "__main__":
    main()
