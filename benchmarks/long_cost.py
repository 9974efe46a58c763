"""What a long story costs: seconds and peak memory of the public commands, from a bare story to ten million tokens.

A story of bAbI is inserted into books and written as a text file. `ask --story` reads it from end to end; `index` reads
it once, and `ask --index` asks the index. Each is a process of its own, whose start-up counts; the line with 0 tokens
shows what that is. One more question to an index is asked within a process that has answered one.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from benchmarks import base
from benchmarks.long_accuracy import LENGTHS

SECOND_QUESTION = """
import sys, time
from dmn_keras import QuestionAnswerer
from dmn_keras.long_context.story_index import StoryIndex

qa, index = QuestionAnswerer.from_preset(sys.argv[1]), StoryIndex(sys.argv[2])
qa.ask_index(index, sys.argv[3])
start = time.perf_counter()
qa.ask_index(index, sys.argv[3])
print(time.perf_counter() - start)
"""
"""Run in a process of its own: what this one holds in memory would count for the commands that it starts."""


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to.

    Returns:
        Exit status: 1 if an answer was wrong, else 0.
    """
    from dmn_keras import datasets
    from dmn_keras.datasets.babi_long import Books, insert_into_background, write_text

    parser = base.parser("long_cost", __doc__, books=True)
    parser.add_argument("--task", default="2")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS), help="tokens of the story")
    options = parser.parse_args(arguments)
    books = Books(pathlib.Path(options.books, "test"))
    data = {"data_dir": options.data_dir, "config": "en-10k", "num_examples": 1}
    [example] = datasets.load("babi", task=options.task, split="test", **data)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for length in options.lengths:
            story = pathlib.Path(folder, f"story-{length}.txt")
            inserted = insert_into_background(example, books, length, options.seed)
            write_text(inserted.story, story)
            rows.append({"length": length, "sentences": len(inserted.story), **measure(options.run, story, example)})
            print(rows[-1], flush=True)
    base.report("long_cost", arguments, options.json, table, {"question": example.question, "rows": rows})
    return 0 if all(row["right"] for row in rows) else 1


def measure(run, story, example):
    """Return the costs of one story: seconds and peak megabytes of each command, and whether all answered right."""
    index = story.with_suffix(".index")
    question = ["--question", example.question, "--json"]
    costs, answers = {}, []
    for name, arguments in {
        "ask": ["ask", run, "--story", story, *question],
        "index": ["index", run, "--story", story, "--output", index],
        "ask_index": ["ask", "--index", index, *question],
    }.items():
        costs[f"{name}_seconds"], costs[f"{name}_megabytes"], output = timed(arguments)
        if name != "index":
            answers.append(json.loads(output)["answer"])
    command = [sys.executable, "-c", SECOND_QUESTION, run, index, example.question]
    second = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {**costs, "further_seconds": round(float(second), 3), "right": answers == [" ".join(example.answer)] * 2}


def timed(arguments):
    """Run a command; return its seconds, its peak memory in megabytes, and what it printed.

    Raises:
        RuntimeError: If it fails.
    """
    start = time.perf_counter()
    command = [sys.executable, "-m", "dmn_keras", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with process.stdout as stream:
        output = stream.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # `Popen` did not wait for it
    if status:
        raise RuntimeError(f"{' '.join(map(str, arguments))} failed: {output}")
    return round(time.perf_counter() - start, 2), round(usage.ru_maxrss / 1e3), output


def table(result):
    """Return the table of a measurement, with a row for each length."""
    header = ["tokens", "sentences"]
    header += [head for name in ("ask --story", "index", "ask --index") for head in (f"`{name}`, s", "peak, MB")]
    rows = []
    for row in result["rows"]:
        cells = [f"{row['length']:,}", f"{row['sentences']:,}"]
        for name in ("ask", "index", "ask_index"):
            cells += [f"{row[f'{name}_seconds']:.1f}", f"{row[f'{name}_megabytes']:,}"]
        rows.append([*cells, f"{row['further_seconds']:.2f}"])
    return base.markdown([*header, "one more question, s"], rows)


if __name__ == "__main__":
    sys.exit(main())
