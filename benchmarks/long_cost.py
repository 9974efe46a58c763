"""What a long story costs: seconds and peak memory of the public commands, from a bare story to ten million tokens.

A story of bAbI's is hidden in books and written as a text file. `ask --story` reads it from end to end; `index` reads
it once, and `ask --index` asks the index. Each is a process of its own, whose start-up counts; the line with 0 tokens
shows what that is. One more question to an index is asked within a process that has answered one.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from benchmarks import report

LENGTHS = (0, 1_000, 4_000, 32_000, 128_000, 1_000_000, 10_000_000)


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to.

    Returns:
        Exit status: 0; 1 if a command failed or an answer was wrong.
    """
    from dmn_keras import datasets
    from dmn_keras.datasets.babi_long import Books, hide, write_text

    options = _parser().parse_args(arguments)
    books = Books(pathlib.Path(options.books, "test"))
    [example] = datasets.load(
        "babi", task=options.task, split="test", data_dir=options.data_dir, config="en-10k", num_examples=1
    )
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for length in options.lengths:
            story = pathlib.Path(folder, f"story-{length}.txt")
            hidden = hide(example, books, length, options.seed)
            write_text(hidden.story, story)
            row = {"length": length, "sentences": len(hidden.story), "megabytes": round(story.stat().st_size / 1e6, 2)}
            rows.append(row | measure(options.run, story, example))
            print(rows[-1], flush=True)
            story.unlink()

    result = {
        **report.about("long_cost", arguments),
        "question": example.question,
        "rows": rows,
    }
    print(table(result))
    if options.json:
        report.write(options.json, result)
    return 0 if all(row["right"] for row in rows) else 1


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_cost", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder that `dmn-keras narrow` wrote")
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="where bAbI lies")
    parser.add_argument("--books", required=True, metavar="FOLDER", help="folder with test/, books in it")
    parser.add_argument("--task", default="2")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS), help="tokens of the story")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    return parser


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
        costs[f"{name}_seconds"], costs[f"{name}_megabytes"], output = _timed(arguments)
        if name != "index":
            answers.append(json.loads(output)["answer"])
    costs["index_on_disk_megabytes"] = round(sum(path.stat().st_size for path in index.iterdir()) / 1e6, 2)
    costs["further_seconds"] = _further(run, index, example.question)
    return costs | {"right": answers == [" ".join(example.answer)] * 2}


def _timed(arguments):
    """Run a command; returns its seconds, its peak memory in megabytes, and what it printed."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "dmn_keras", *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    with process.stdout as stream:
        output = stream.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # it was waited for, not by `Popen`
    if status:
        raise RuntimeError(f"{' '.join(map(str, arguments))} failed: {output}")
    return round(time.perf_counter() - begun, 2), round(usage.ru_maxrss / 1e3), output


_FURTHER = """
import sys, time
from dmn_keras.asking import Answerer

answerer = Answerer(sys.argv[1])
answerer.ask_index(sys.argv[2], sys.argv[3])
begun = time.perf_counter()
answerer.ask_index(sys.argv[2], sys.argv[3])
print(time.perf_counter() - begun)
"""


def _further(run, index, question):
    """Return the seconds of a second question to an index, in a process that has answered one.

    Not in this process: what it holds in memory would count for the commands that it starts.
    """
    command = [sys.executable, "-c", _FURTHER, str(run), str(index), question]
    return round(float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout), 3)


def table(result):
    """Return the measurement as Markdown: a row a length."""
    header = [
        "tokens", "sentences", "`ask --story`, s", "peak, MB", "`index`, s", "peak, MB", "`ask --index`, s", "peak, MB",
        "one more question, s",
    ]  # fmt: skip
    names = ("ask", "index", "ask_index")
    rows = [
        [
            f"{row['length']:,}",
            f"{row['sentences']:,}",
            *(cell for n in names for cell in (f"{row[f'{n}_seconds']:.1f}", f"{row[f'{n}_megabytes']:,}")),
            f"{row['further_seconds']:.2f}",
        ]
        for row in result["rows"]
    ]
    return report.markdown(header, rows)


if __name__ == "__main__":
    sys.exit(main())
