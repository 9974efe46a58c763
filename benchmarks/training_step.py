"""CPU time of a training step of `dmn`, beside that of DMN+ in PyTorch in the same run.

One thread. Steps of `model.fit` and steps of the peer take turns, so that a change in the machine's speed meets both;
the medians of both are reported, and their ratio.
"""

import os
import statistics
import time

from benchmarks import base

FORMS = ("dmn_2015", "dmn_plus")
"""Presets of `RunConfig`."""
WARM_UP = 2
"""Steps at the start that trace, compile and fill caches, and do not count."""


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to."""
    parser = base.parser("training_step", __doc__, backend=True)
    parser.add_argument("--form", default="dmn_plus", choices=FORMS, help="which model (default: dmn_plus)")
    parser.add_argument("--peer", action="store_true", help="let DMN+ in PyTorch take turns (see peer.py)")
    parser.add_argument("--jit", action="store_true", help="let XLA compile the step (JAX always does)")
    parser.add_argument("--facts", type=int, nargs="+", default=[10, 40, 70, 130], help="facts a story")
    parser.add_argument("--repeats", type=int, default=20, help="steps that count")
    parser.add_argument("--batch-size", type=int, default=100, help="stories a batch")
    parser.add_argument("--words", type=int, default=8, help="words a fact")
    parser.add_argument("--units", type=int, default=80, help="size of facts, question, episode and memory")
    parser.add_argument("--passes", type=int, default=3, help="passes over the facts")
    options = parser.parse_args(arguments)
    use_one_thread(options.backend)
    from dmn_keras.training.memory import keep_freed_memory

    keep_freed_memory()
    settings = {
        "form": options.form,
        "batch": options.batch_size,
        "words": options.words,
        "question_words": 4,
        "units": options.units,
        "passes": options.passes,
        "vocabulary": 40,
    }
    rows = [measure(facts, options.repeats, options.jit, settings, options.peer) for facts in options.facts]
    about = {"xla": options.jit or options.backend == "jax", "settings": settings, "rows": rows}
    base.report("training_step", arguments, options.json, table, about)


def use_one_thread(backend):
    """Choose the backend and hold the process to one core and one thread; before NumPy and Keras are imported."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.environ["KERAS_BACKEND"] = backend
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    for name in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP"):
        os.environ[f"{name}_THREADS"] = "1"
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"


def measure(facts, repeats, jit, settings, peer=False):
    """Time steps for one length of story.

    Args:
        facts: Facts a story.
        repeats: Steps that count.
        jit: Whether XLA compiles the step on TensorFlow.
        settings: Dict of sizes and `"form"`.
        peer: Whether a step of `benchmarks.peer` follows each step.

    Returns:
        Dict of `"facts"`; `"step"` with median milliseconds of CPU and wall time; with `peer`, `"peer"` likewise and
        `"of_peer"`, the CPU median of the step in parts of that of the peer.
    """
    import keras
    import numpy as np

    from dmn_keras.losses import AnswerCrossentropy

    others = {}
    if peer:
        from benchmarks.peer import training_step

        others["peer"] = training_step(settings, facts)
    keras.utils.set_random_seed(0)
    model = build(settings)
    jit = keras.backend.backend() == "jax" or jit
    model.compile(keras.optimizers.Adam(1e-3), loss={"answer": AnswerCrossentropy()}, jit_compile=jit)
    rng, stories = np.random.default_rng(0), (WARM_UP + repeats) * settings["batch"]

    def ids(*shape):
        return rng.integers(1, settings["vocabulary"], (stories, *shape), dtype="int32")

    inputs = {"story": ids(facts, settings["words"]), "question": ids(settings["question_words"])}
    return {"facts": facts, **time_steps(model, inputs, {"answer": ids()}, settings["batch"], others)}


def time_steps(model, inputs, targets, batch_size, others):
    """Time the steps of `fit`, and after each of them the functions of a dict.

    Returns:
        Dict of `"step"` with median milliseconds of CPU and wall time; the same of each function by its name; and
        `"of_NAME"`, the CPU median of the step in parts of that of the function.
    """
    turns = take_turns(others)
    model.fit(inputs, targets, batch_size=batch_size, shuffle=False, verbose=0, callbacks=[turns])
    medians = {name: medians_of(times[WARM_UP:]) for name, times in turns.times.items()}
    of_others = {f"of_{name}": round(medians["step"]["cpu_ms"] / medians[name]["cpu_ms"], 2) for name in others}
    return {**medians, **of_others}


def build(settings, **others):
    """Return the untrained model of one of the `FORMS`, without dropout and penalty; `others` are settings."""
    from dmn_keras import RunConfig
    from dmn_keras.models import dmn

    config = RunConfig.preset(settings["form"], dropout=0.0, l2=0.0, **others).model
    return dmn(settings["vocabulary"], settings["units"], settings["passes"], config=config)


def take_turns(others):
    """Return a callback that times each step of `fit` and then each of a dict of functions."""
    import keras

    class TakeTurns(keras.callbacks.Callback):
        """`times` holds pairs of CPU and wall seconds: of the steps, and of each function after each step."""

        def __init__(self):
            super().__init__()
            self.times = {name: [] for name in ("step", *others)}

        def on_train_batch_begin(self, batch, logs=None):
            self.start = time.process_time(), time.perf_counter()

        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])  # can be read only when the step is done
            self._stop("step")
            for name, other in others.items():
                self.on_train_batch_begin(batch)
                other()
                self._stop(name)

        def _stop(self, name):
            self.times[name].append((time.process_time() - self.start[0], time.perf_counter() - self.start[1]))

    return TakeTurns()


def medians_of(times):
    """Return the medians of pairs of CPU and wall seconds, in milliseconds, and all of the former."""
    cpu, wall = ([round(1000 * seconds, 2) for seconds in kind] for kind in zip(*times, strict=True))
    return {"cpu_ms": round(statistics.median(cpu), 2), "wall_ms": round(statistics.median(wall), 2), "all_cpu_ms": cpu}


def table(*results):
    """Return the table of several measurements, with a row for each number of facts."""
    header = ["model", "backend", "units", "facts", "step, CPU ms", "of PyTorch's"]
    rows = [
        [
            result["settings"]["form"],
            result["versions"]["backend"] + (", XLA" if result["xla"] else ""),
            result["settings"]["units"],
            row["facts"],
            *base.decimals([row["step"]["cpu_ms"]], 0),
            f"{row['of_peer']:.2f}" if "of_peer" in row else "",
        ]
        for result in results
        for row in result["rows"]
    ]
    return base.markdown(header, rows)


if __name__ == "__main__":
    main()
