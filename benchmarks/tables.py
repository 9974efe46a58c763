"""Write the measured files' numbers into the README, between the `<!-- table: NAME -->` and `<!-- end -->` lines.

`python -m benchmarks.tables` rewrites the README; with `--check` it only says whether the README is up to date.
"""

import json
import pathlib
import re
import sys

from benchmarks import report

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = pathlib.Path(__file__).parent / "results"
PAPER_1K = (
    100,
    98.2,
    95.2,
    100,
    99.3,
    100,
    96.9,
    96.5,
    100,
    97.5,
    99.9,
    100,
    99.8,
    100,
    100,
    99.4,
    59.6,
    95.3,
    34.5,
    100,
)
"""Accuracy in percent of tasks 1 to 20 in Kumar et al. 2015, table 1 (1,000 questions a task, gates supervised)."""


def main(arguments=None):
    """Rewrite or check the README.

    Returns:
        Exit status: 1 if `--check` finds it out of date, else 0.
    """
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    new = filled(old)
    if "--check" in (sys.argv[1:] if arguments is None else arguments):
        print("README.md is up to date" if new == old else "README.md is out of date: run python -m benchmarks.tables")
        return int(new != old)
    readme.write_text(new, encoding="utf-8")
    return 0


def filled(text):
    """Return the text with each named table replaced by what the measured files say."""

    def table(match):
        return f"{match[1]}\n{TABLES[match[2]]()}\n<!-- end -->"

    return re.sub(r"(<!-- table: ([\w-]+) -->)\n.*?<!-- end -->", table, text, flags=re.DOTALL)


def load(name):
    """Read a measured file of `benchmarks/results`."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def babi_1k():
    """Table of the 20 tasks with 1,000 training questions, beside the paper's."""
    result = load("babi-en-1k-supervised")
    rows, ours = [], []
    for (task, row), paper in zip(result["tasks"].items(), PAPER_1K, strict=True):
        ours.append(100 - row["error"])
        failed = "failed" if row["error"] > 5 else ""
        recall = f"{row['gate_recall']:.1f}"
        rows.append([task, f"{ours[-1]:.1f}", f"{paper:.1f}", recall, f"{row['seconds']:.0f}", failed])
    mean = sum(ours) / len(ours)
    rows.append(["**mean**", f"**{mean:.2f}**", f"{sum(PAPER_1K) / 20:.1f}", "", "", f"{result['failed']} failed"])
    return report.markdown(["task", "accuracy %", "paper %", "gate recall %", "seconds", ""], rows)


def facts():
    """Table of what else was measured on trained models: task 1 of `en-10k`, the batch, and the main job."""
    task1, main_job, invariance = load("babi-en-10k-task1"), load("main-job"), load("invariance")
    rows = []
    for result in (task1, main_job):
        [row] = result["tasks"].values()
        what = f"{result['about']}, {row['questions']:,} test questions"
        rows.append([what, f"{100 - row['error']:.1f} % right", f"{row['seconds']:.0f} s", result["commands"][0]])
    questions = sum(run["questions"] for run in invariance["runs"].values())
    what = f"{len(invariance['runs'])} trained models, {questions:,} questions, batches of 1, 7, 100 and 1000"
    rows.append([what, f"{invariance['changed']} changed", "", invariance["command"]])
    for row in rows:
        row[-1] = f"`{row[-1]}`"
    return report.markdown(["what", "result", "time", "command"], rows)


TABLES = {"babi-1k": babi_1k, "facts": facts}

if __name__ == "__main__":
    sys.exit(main())
