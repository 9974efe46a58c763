"""Write the measured files' numbers into the README, between the `<!-- table: NAME -->` and `<!-- end -->` lines.

`python -m benchmarks.tables` rewrites the README; with `--check` it only says whether the README is up to date.
"""

import json
import pathlib
import re
import statistics
import sys

from benchmarks import report, ship

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = pathlib.Path(__file__).parent / "results"
DMN_2015 = (0, 1.8, 4.8, 0, 0.7, 0, 3.1, 3.5, 0, 2.5, 0.1, 0, 0.2, 0, 0, 0.6, 40.4, 4.7, 65.5, 0)
"""Test errors in percent of tasks 1 to 20 in Kumar et al. 2015, table 1 (1,000 questions a task, gates supervised)."""

DMN_PLUS = (0, 0.3, 1.1, 0, 0.5, 0, 2.4, 0, 0, 0, 0, 0, 0, 0.2, 0, 45.3, 4.2, 2.1, 0, 0)
"""The same in Xiong et al. 2016, table 2 (10,000 questions a task, answers only)."""


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


BABI = {
    "babi-1k-supervised": ("1k, gates supervised", ("DMN 2015", DMN_2015)),
    "babi-10k-supervised": ("10k, gates supervised", None),
    "babi-10k": ("10k, answers only", ("DMN+ 2016", DMN_PLUS)),
}
JOINT = {"babi-1k-joint": ("1k, answers only", None), "babi-10k-joint": ("10k, answers only", None)}
"""The measured files of bAbI, their columns' heads, and the published errors beside them, where there are any."""


def babi():
    """Table of the 20 tasks in each setting, one model a task, beside the papers'."""
    return _by_task(BABI)


def joint():
    """Table of the 20 tasks, one model for all of them."""
    return _by_task(JOINT)


def _by_task(settings):
    header, columns = ["task"], [[*range(1, 21), "**mean**", "failed"]]
    for name, (head, paper) in settings.items():
        result = load(name)
        errors = [row["error"] for row in result["tasks"].values()]
        header.append(head)
        columns.append([*_decimals(errors), f"**{result['mean_error']:.2f}**", result["failed"]])
        if paper is not None:
            head, published = paper
            header.append(head)
            failed = sum(error > 5 for error in published)
            columns.append([*_decimals(published), f"{sum(published) / 20:.2f}", failed])
    return report.markdown(header, [list(row) for row in zip(*columns, strict=True)])


def _decimals(errors):
    return [f"{error:.1f}" for error in errors]


ABLATION = {"dmn_2015": "ODMN", "dmn_2": "DMN2", "dmn_3": "DMN3", "dmn_plus": "DMN+"}
"""Presets of the models of Xiong et al. 2016, table 1, and their names there."""


def ablation():
    """Table of the test errors of the papers' models, each one step from the one before."""
    results = {name: load(f"ablation-{name}")["tasks"] for name in ABLATION}
    rows = [[task, *_decimals(result[task]["error"] for result in results.values())] for task in results["dmn_plus"]]
    return report.markdown(["task", *(f"{head}, `{name}`" for name, head in ABLATION.items())], rows)


def seeds():
    """Table of the test errors of several seeds, where a task was trained with several."""
    rows = []
    for name in BABI:
        for task, row in load(name)["tasks"].items():
            if "median" in row:
                errors = [row["error"], *(row[key] for key in ("median", "best", "worst"))]
                rows.append([f"{name}, task {task}", len(row["runs"]), *_decimals(errors)])
    for name in JOINT:
        tasks = load(name)["tasks"].values()
        runs = list(zip(*([run["error"] for run in row["runs"]] for row in tasks), strict=True))
        means = [statistics.fmean(errors) for errors in runs]
        if len(means) > 1:
            chosen = statistics.fmean(row["error"] for row in tasks)
            errors = [chosen, statistics.median(means), min(means), max(means)]
            rows.append([f"{name}, mean of the tasks", len(means), *(f"{error:.2f}" for error in errors)])
    return report.markdown(["table, task", "runs", "chosen by validation", "median", "best", "worst"], rows)


def calibration():
    """Table of how the shipped model's confidence fits its answers."""
    path = ROOT / "saved_models" / "babi-joint" / "calibration.json"
    return ship.reliability(json.loads(path.read_text(encoding="utf-8")))


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


TABLES = {
    "calibration": calibration,
    "babi": babi,
    "joint": joint,
    "ablation": ablation,
    "seeds": seeds,
    "facts": facts,
}

if __name__ == "__main__":
    sys.exit(main())
