"""How fast an exported model answers: one question, many at once, long stories.

The model computes all outputs on one thread, in a session as TF Serving runs it. oneDNN and TensorFlow's own kernels
take turns, in processes of their own.
"""

import argparse
import contextlib
import json
import pathlib
import statistics
import tempfile

from benchmarks import base

BATCHES = (1, 8, 64, 512)
FACTS = (10, 100, 1_000, 10_000)
ONEDNN = {"without": "0", "with": "1"}
"""Values of `TF_ENABLE_ONEDNN_OPTS`."""


def main(arguments=None):
    """Measure, print the tables, and write a JSON file if asked to."""
    parser = base.parser("serving", __doc__)
    parser.add_argument("--run", default="babi-joint", help="folder that train wrote, or a name (default: babi-joint)")
    parser.add_argument("--requests", type=int, default=1000, help="requests with one question")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind, whose medians count")
    parser.add_argument("--speed", metavar="SAVED_MODEL", help=argparse.SUPPRESS)
    parser.add_argument("--story", nargs=2, metavar=("SAVED_MODEL", "FACTS"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.speed:
        print(json.dumps(speed(options.speed, options.requests)))
        return
    if options.story:
        print(json.dumps(long_story(options.story[0], int(options.story[1]))))
        return
    base.report("serving", arguments, options.json, table, measure(options))


def measure(options):
    """Export a run and measure it.

    Returns:
        Dict of `"speed"` (for each setting of oneDNN what `speed` returned, medians of the rounds) and `"stories"`
        (ms and MiB by number of facts).
    """
    from dmn_keras import QuestionAnswerer
    from dmn_keras.serving import export

    qa, whole = (QuestionAnswerer.from_preset(options.run) for _ in range(2))
    whole.preprocessor.max_facts = None  # of a long story all facts are to be read
    with tempfile.TemporaryDirectory() as folder:
        path = export(qa, pathlib.Path(folder, "model"), warmup=False)
        command = ("serving", "--requests", options.requests, "--speed", path)
        rounds = [
            {name: base.in_process(*command, TF_ENABLE_ONEDNN_OPTS=value) for name, value in ONEDNN.items()}
            for _ in range(options.rounds)
        ]
        path = export(whole, pathlib.Path(folder, "whole"), warmup=False)
        stories = [base.in_process("serving", "--story", path, n, TF_ENABLE_ONEDNN_OPTS="0") for n in FACTS]
    return {
        "speed": {
            name: {key: round(statistics.median(r[name][key] for r in rounds), 3) for key in rounds[0][name]}
            for name in ONEDNN
        },
        "stories": stories,
    }


def speed(path, requests):
    """Return `"median_ms"` and `"p99_ms"` of one question of task 1, and `"questions_a_second_N"` of N at once."""
    from dmn_keras.serving import SAMPLES

    samples = [sample for sample in SAMPLES for _ in range(26)][: max(BATCHES)]
    stories, questions = ["\n".join(sample.story) for sample in samples], [sample.question for sample in samples]
    with _session(path) as serve:
        one = base.milliseconds(lambda: serve(stories[:1], questions[:1]), requests)
        found = {"median_ms": statistics.median(one), "p99_ms": one[int(0.99 * len(one))]}
        for size in BATCHES:
            times = base.milliseconds(lambda n=size: serve(stories[:n], questions[:n]), 20)
            found[f"questions_a_second_{size}"] = 1000 * size / statistics.median(times)
    return found


def long_story(path, facts):
    """Return milliseconds (best of three) and MiB (growth at the peak) of one question about so many facts."""
    people, places = ("Mary", "John", "Daniel", "Sandra"), ("kitchen", "garden", "office", "hallway", "bathroom")
    with _session(path) as serve:

        def ask(count):
            story = "\n".join(f"{people[i % 4]} went to the {places[i % 5]}." for i in range(count))
            return serve([story], ["Where is Mary?"])

        ask(3)
        base.reset_peak_memory()
        before = base.memory_mib("VmRSS")
        times = base.milliseconds(lambda: ask(facts), 3)
        grown = base.memory_mib("VmHWM") - before
    return {"facts": facts, "ms": round(times[0], 2), "mib": round(grown, 1)}


@contextlib.contextmanager
def _session(path):
    """Load a SavedModel as a server does; yields a function of stories and questions that computes all its outputs."""
    import tensorflow as tf

    v1 = tf.compat.v1
    config = v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    with v1.Graph().as_default(), v1.Session(config=config) as session:
        signature = v1.saved_model.load(session, ["serve"], str(path)).signature_def["serving_default"]
        inputs = [signature.inputs[name].name for name in ("story", "question")]
        yield session.make_callable([tensor.name for tensor in signature.outputs.values()], inputs)


def table(result):
    """Return the three tables of a measurement."""
    speeds = result["speed"]
    one = [[f"{name} oneDNN", values["median_ms"], values["p99_ms"]] for name, values in speeds.items()]
    many = [[n, *base.decimals((row[f"questions_a_second_{n}"] for row in speeds.values()), 0)] for n in BATCHES]
    stories = [
        [f"{row['facts']:,}", row["ms"], round(1000 * row["ms"] / row["facts"], 1), row["mib"]]
        for row in result["stories"]
    ]
    return "\n\n".join(
        [
            base.markdown(["one question of task 1, text to text", "median ms", "99th percentile ms"], one),
            base.markdown(["questions at once", *(f"questions a second, {name} oneDNN" for name in speeds)], many),
            base.markdown(["facts", "ms", "µs a fact", "peak memory, MiB more"], stories),
        ]
    )


if __name__ == "__main__":
    main()
