"""How fast an exported model answers: one question, many at once, long stories.

python -m benchmarks.serving [--run RUN] [--json FILE]
python -m benchmarks.serving --table FILE
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

from benchmarks import report

BATCHES = (1, 8, 64, 512)
FACTS = (10, 100, 1_000, 10_000)
REQUESTS = 1_000
ROUNDS = 3
ONEDNN = {"without": "0", "with": "1"}
"""TensorFlow's own kernels for small products, and those of oneDNN: the environment variable that chooses."""


def main(arguments=None):
    """Measure and print, or print the tables of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", help="folder that train wrote; the shipped model by default")
    parser.add_argument("--json", type=pathlib.Path, help="file to write")
    parser.add_argument("--table", type=pathlib.Path, help="file that --json wrote")
    parser.add_argument("--speed", nargs=2, metavar=("SAVED_MODEL", "TEXT"), help=argparse.SUPPRESS)
    parser.add_argument("--story", nargs=2, metavar=("SAVED_MODEL", "FACTS"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.speed:
        print(json.dumps(speed(*options.speed)))
        return
    if options.story:
        print(json.dumps(long_story(options.story[0], int(options.story[1]))))
        return
    if options.table:
        print(tables(json.loads(options.table.read_text(encoding="utf-8"))))
        return
    content = {"command": report.command("serving", arguments), **measure(options.run)}
    print(tables(content))
    if options.json:
        report.write(options.json, content)


def measure(run=None):
    """Export a run, and measure it in processes of one thread, with and without oneDNN by turns.

    Returns:
        Dict of `"machine"`, `"speed"` (for each setting of oneDNN what `speed` returned, medians of the
        rounds) and `"stories"` (ms and MiB by number of facts).
    """
    from dmn_keras.asking import Answerer
    from dmn_keras.serving import export
    from dmn_keras.serving.text_ops import TextOps

    answerer = Answerer(run)
    # Of a long story all facts are to be read.
    whole = Answerer(run)
    whole.recipe = dataclasses.replace(whole.recipe, config=whole.recipe.config.replace(max_facts=None))
    with tempfile.TemporaryDirectory() as folder:
        path = export(answerer, pathlib.Path(folder, "model"), warmup=False)
        text = _module_of(TextOps(answerer.vocabulary), pathlib.Path(folder, "text"))
        rounds = [{name: _in_a_process(name, "--speed", path, text) for name in ONEDNN} for _ in range(ROUNDS)]
        path = export(whole, pathlib.Path(folder, "whole"), warmup=False)
        told = [_in_a_process("without", "--story", path, count) for count in FACTS]
    return {
        "machine": report.machine(),
        "speed": {
            name: {key: round(statistics.median(r[name][key] for r in rounds), 3) for key in rounds[0][name]}
            for name in ONEDNN
        },
        "stories": told,
    }


def speed(path, text):
    """Measure a SavedModel, and the text processing alone.

    Returns:
        Dict of `"median_ms"` and `"p99_ms"` of one question of task 1, and for each size of a batch `N` of
        `"questions_a_second_N"` and `"text_share_N"`, the text's share of the time.
    """
    from dmn_keras.serving import SAMPLES

    stories, questions = (
        [("\n".join(e.story), e.question)[i] for e in SAMPLES for _ in range(26)][: max(BATCHES)] for i in (0, 1)
    )
    with _session(path) as serve, _session(text) as read:
        one = report.milliseconds(lambda: serve(stories[:1], questions[:1]), REQUESTS)
        found = {"median_ms": one[len(one) // 2], "p99_ms": one[int(0.99 * len(one))]}
        for size in BATCHES:
            batch = stories[:size], questions[:size]
            times, of_text = (report.milliseconds(lambda c=call, b=batch: c(*b), 20)[10] for call in (serve, read))
            found |= {f"questions_a_second_{size}": 1000 * size / times, f"text_share_{size}": of_text / times}
    return found


def _module_of(ops, path):
    """Write the text processing alone as a SavedModel; returns its path."""
    import tensorflow as tf

    texts = tf.TensorSpec([None], tf.string)
    read = tf.function(lambda story, question: ops.read(story, question)._asdict(), input_signature=[texts, texts])
    tf.saved_model.save(ops, str(path), signatures={"serving_default": read})
    return path


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


def _in_a_process(onednn, option, *values):
    command = [sys.executable, "-m", "benchmarks.serving", option, *map(str, values)]
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": ONEDNN[onednn], "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(result.stdout.splitlines()[-1])


def long_story(path, facts):
    """Answer one question about a story of so many facts, in a process whose memory nobody else used.

    Returns:
        Dict of `"facts"`, `"ms"` (best of three) and `"mib"`, what the process grew by at its peak.
    """
    people, places = ("Mary", "John", "Daniel", "Sandra"), ("kitchen", "garden", "office", "hallway", "bathroom")

    with _session(path) as serve:

        def ask(count):
            story = "\n".join(f"{people[i % 4]} went to the {places[i % 5]}." for i in range(count))
            return serve([story], ["Where is Mary?"])

        ask(3)
        pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = _memory("VmRSS")
        times = report.milliseconds(lambda: ask(facts), 3)
        grown = _memory("VmHWM") - before
    return {"facts": facts, "ms": round(times[0], 2), "mib": round(grown / 1024, 1)}


def _memory(name):
    """Return what Linux says that this process holds, or held at its peak, in KiB."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"^{name}:\s+(\d+) kB", status, flags=re.MULTILINE)[1])


def tables(content):
    """Lay out what `measure` returned, in Markdown."""
    measured = content["speed"]
    one = report.markdown(
        ["one question of task 1, text to text", "median ms", "99th percentile ms"],
        [[f"{name} oneDNN", values["median_ms"], values["p99_ms"]] for name, values in measured.items()],
    )
    many = report.markdown(
        ["questions at once", *(f"questions a second, {name} oneDNN" for name in measured), "text, % of the time"],
        [
            [
                size,
                *(f"{values[f'questions_a_second_{size}']:,.0f}" for values in measured.values()),
                round(100 * measured["without"][f"text_share_{size}"]),
            ]
            for size in BATCHES
        ],
    )
    rows = [
        [f"{row['facts']:,}", row["ms"], round(1000 * row["ms"] / row["facts"], 1), row["mib"]]
        for row in content["stories"]
    ]
    long = report.markdown(["facts", "ms", "µs a fact", "peak memory, MiB more"], rows)
    return f"{one}\n\n{many}\n\n{long}"


if __name__ == "__main__":
    main()
