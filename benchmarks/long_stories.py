"""Time and memory of a training step by the number of facts: neither may grow faster than the facts.

Each length is trained in a process of its own, on one thread, with and without `recompute`.
"""

import argparse
import json
import statistics
import time

from benchmarks import base, training_step

BATCH = 4


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to."""
    parser = base.parser("long_stories", __doc__, backend=True)
    parser.add_argument("--form", default="dmn_2015", choices=training_step.FORMS)
    parser.add_argument("--facts", type=int, nargs="+", default=[10, 100, 1000, 10000], help="facts a story")
    parser.add_argument("--units", type=int, default=80)
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(measure(**options.one)))
        return
    rows = []
    for facts in options.facts:
        for recompute in (False, True):
            one = {name: getattr(options, name) for name in ("backend", "form", "units")}
            one |= {"facts": facts, "recompute": recompute}
            rows.append(base.in_process("long_stories", "--one", json.dumps(one)))
    settings = {"form": options.form, "units": options.units, "batch": BATCH}
    base.report("long_stories", arguments, options.json, table, {"settings": settings, "rows": rows})


def measure(backend, form, units, facts, recompute):
    """Return CPU milliseconds of a step, microseconds a fact, and peak memory beyond that before, in MiB."""
    training_step.use_one_thread(backend)
    import numpy as np

    from dmn_keras.losses import AnswerCrossentropy

    sizes = {"form": form, "units": units, "passes": 3, "vocabulary": 40}
    model = training_step.build(sizes, recompute=recompute)
    model.compile("adam", loss={"answer": AnswerCrossentropy()}, jit_compile=backend == "jax")
    rng = np.random.default_rng(0)
    story, question = (rng.integers(1, 40, (BATCH, *shape), "int32") for shape in ((facts, 8), (4,)))
    inputs, answer = {"story": story, "question": question}, {"answer": rng.integers(1, 40, BATCH, "int32")}
    few = {"story": story[:, :2], "question": question}
    model.train_on_batch(few, answer)  # all that does not grow with the facts
    before = base.memory_mib("VmRSS")
    model.train_on_batch(inputs, answer)
    base.reset_peak_memory()  # without what compiling took
    times = []
    for _ in range(3):
        start = time.process_time()
        model.train_on_batch(inputs, answer)
        times.append(1000 * (time.process_time() - start))
    ms = statistics.median(times)
    return {
        "backend": backend,
        "facts": facts,
        "recompute": recompute,
        "ms": round(ms, 1),
        "us_a_fact": round(1000 * ms / (facts * BATCH), 1),
        "mib": round(base.memory_mib("VmHWM") - before, 1),
    }


def table(result):
    """Return the table of a measurement, with a row for each number of facts."""
    header = ["facts", "step, CPU ms", "µs a fact", "memory, MiB", "recompute: step, CPU ms", "memory, MiB"]
    pairs = zip(result["rows"][::2], result["rows"][1::2], strict=True)
    rows = [base.decimals((a["facts"], a["ms"], a["us_a_fact"], a["mib"], b["ms"], b["mib"]), 0) for a, b in pairs]
    return base.markdown(header, rows)


if __name__ == "__main__":
    main()
