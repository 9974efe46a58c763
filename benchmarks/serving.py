"""How fast an exported model answers: one question, many at once, long stories.

python -m benchmarks.serving [--run RUN] [--json FILE]
python -m benchmarks.serving --table FILE
"""

import argparse
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from benchmarks import report

BATCHES = (1, 8, 64, 512)
FACTS = (10, 100, 1_000, 10_000)
REQUESTS = 1_000


def main(arguments=None):
    """Measure and print, or print the tables of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", help="folder that train wrote; the shipped model by default")
    parser.add_argument("--json", type=pathlib.Path, help="file to write")
    parser.add_argument("--table", type=pathlib.Path, help="file that --json wrote")
    parser.add_argument("--story", nargs=2, metavar=("SAVED_MODEL", "FACTS"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.story:
        print(json.dumps(long_story(options.story[0], int(options.story[1]))))
        return
    if options.table:
        print(tables(json.loads(options.table.read_text(encoding="utf-8"))))
        return
    content = measure(options.run)
    print(tables(content))
    if options.json:
        from dmn_keras.training.run_folder import write_json

        write_json(options.json, content)


def measure(run=None):
    """Export a run, and measure it on one thread.

    Returns:
        Dict of `"command"`, `"machine"`, `"latency"` (median and 99th percentile, ms; the text's part, ms),
        `"throughput"` (questions a second by batch) and `"stories"` (ms and MiB by number of facts).
    """
    import tensorflow as tf

    _one_thread(tf)
    from dmn_keras.asking import Answerer
    from dmn_keras.serving import SAMPLES, export
    from dmn_keras.serving.text_ops import TextOps

    answerer = Answerer(run)
    # Of a long story all facts are to be read.
    whole = Answerer(run)
    whole.recipe = dataclasses.replace(whole.recipe, config=whole.recipe.config.replace(max_facts=None))
    story, question = "\n".join(SAMPLES[0].story), SAMPLES[0].question
    stories, questions = (
        [("\n".join(e.story), e.question)[i] for e in SAMPLES for _ in range(26)][: max(BATCHES)] for i in (0, 1)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = export(answerer, pathlib.Path(folder, "model"), warmup=False)
        serve = tf.saved_model.load(str(path)).signatures["serving_default"]
        ops = TextOps(answerer.vocabulary)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2)
        def text(story, question):
            return ops.sentences(story).ids.to_tensor(), ops.sentences(question, split=False).ids.to_tensor()

        one = tf.constant([story]), tf.constant([question])
        latency = _milliseconds(lambda: serve(story=one[0], question=one[1])["answer"].numpy(), REQUESTS)
        of_text = _milliseconds(lambda: text(*one)[0].numpy(), REQUESTS)
        throughput = {}
        for size in BATCHES:
            batch = tf.constant(stories[:size]), tf.constant(questions[:size])
            times = _milliseconds(lambda b=batch: serve(story=b[0], question=b[1])["answer"].numpy(), 40)
            throughput[size] = round(1000 * size / times[len(times) // 2], 1)
        path = export(whole, pathlib.Path(folder, "whole"), warmup=False)
        told = [_in_a_process(path, count) for count in FACTS]
    return {
        "command": "python -m benchmarks.serving" + (f" --run {pathlib.Path(run).name}" if run else ""),
        "machine": report.machine(),
        "latency": {
            "median_ms": round(latency[len(latency) // 2], 3),
            "p99_ms": round(latency[int(0.99 * len(latency))], 3),
            "text_ms": round(of_text[len(of_text) // 2], 3),
        },
        "throughput": {str(size): value for size, value in throughput.items()},
        "stories": told,
    }


def _one_thread(tf):
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _milliseconds(call, count):
    """Return the sorted times of calls, after some to warm up."""
    for _ in range(max(count // 20, 3)):
        call()
    times = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return sorted(times)


def _in_a_process(path, facts):
    command = [sys.executable, "-m", "benchmarks.serving", "--story", str(path), str(facts)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def long_story(path, facts):
    """Answer one question about a story of so many facts, in a process whose memory nobody else used.

    Returns:
        Dict of `"facts"`, `"ms"` (best of three) and `"mib"`, what the process grew by at its peak.
    """
    import resource

    import tensorflow as tf

    _one_thread(tf)
    serve = tf.saved_model.load(path).signatures["serving_default"]
    people, places = ("Mary", "John", "Daniel", "Sandra"), ("kitchen", "garden", "office", "hallway", "bathroom")

    def ask(count):
        story = "\n".join(f"{people[i % 4]} went to the {places[i % 5]}." for i in range(count))
        return serve(story=tf.constant([story]), question=tf.constant(["Where is Mary?"]))["answer"].numpy()

    ask(3)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times = _milliseconds(lambda: ask(facts), 3)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"facts": facts, "ms": round(times[0], 2), "mib": round(grown / 1024, 1)}


def tables(content):
    """Lay out what `measure` returned, in Markdown."""
    latency = content["latency"]
    one = report.markdown(
        ["one question of task 1, text to text", "ms"],
        [["median", latency["median_ms"]], ["99th percentile", latency["p99_ms"]], ["text alone", latency["text_ms"]]],
    )
    many = report.markdown(
        ["questions at once", "questions a second"], [[size, value] for size, value in content["throughput"].items()]
    )
    rows = [
        [f"{row['facts']:,}", row["ms"], round(1000 * row["ms"] / row["facts"], 1), row["mib"]]
        for row in content["stories"]
    ]
    long = report.markdown(["facts", "ms", "µs a fact", "peak memory, MiB more"], rows)
    return f"{one}\n\n{many}\n\n{long}"


if __name__ == "__main__":
    main()
