"""Write the measured files' numbers into the READMEs, between the `<!-- table: NAME -->` and `<!-- end -->` lines.

`python -m benchmarks.tables` rewrites README.md and benchmarks/README.md; with `--check` it only says whether they are
up to date. An empty table whose file is not there yet stays empty.
"""

import json
import pathlib
import re
import statistics
import sys

from benchmarks import (
    devices,
    first_step,
    import_time,
    long_accuracy,
    long_cost,
    long_neighbours,
    long_stories,
    long_tokens,
    memory_of_trainings,
    mixed_precision,
    narrowing_loss,
    parts,
    pipeline,
    precision,
    report,
    same_kind,
    serving,
    serving_load,
    ship,
    time_to_accuracy,
    training_step,
)
from tuning import compare

ROOT = pathlib.Path(__file__).parents[1]
READMES = ("README.md", "benchmarks/README.md")
RESULTS = pathlib.Path(__file__).parent / "results"
LONG = pathlib.Path(__file__).parent / "results_long"
SPEED = pathlib.Path(__file__).parent / "results_speed"
DMN_2015 = (0, 1.8, 4.8, 0, 0.7, 0, 3.1, 3.5, 0, 2.5, 0.1, 0, 0.2, 0, 0, 0.6, 40.4, 4.7, 65.5, 0)
"""Test errors in percent of tasks 1 to 20 in Kumar et al. 2015, table 1 (1,000 questions a task, gates supervised)."""

DMN_PLUS = (0, 0.3, 1.1, 0, 0.5, 0, 2.4, 0, 0, 0, 0, 0, 0, 0.2, 0, 45.3, 4.2, 2.1, 0, 0)
"""The same in Xiong et al. 2016, table 2 (10,000 questions a task, answers only)."""


def main(arguments=None):
    """Rewrite or check the READMEs.

    Returns:
        Exit status: 1 if `--check` finds one out of date, else 0.
    """
    check, status = "--check" in (sys.argv[1:] if arguments is None else arguments), 0
    for name in READMES:
        old = (ROOT / name).read_text(encoding="utf-8")
        new = filled(old)
        if check:
            print(f"{name} is up to date" if new == old else f"{name} is out of date: run python -m benchmarks.tables")
            status = status or int(new != old)
        else:
            (ROOT / name).write_text(new, encoding="utf-8")
    return status


def filled(text):
    """Return the text with each named table replaced by what the measured files say.

    Raises:
        FileNotFoundError: If the file of a table that is not empty is not there.
    """

    def table(match):
        try:
            return f"{match[1]}\n{TABLES[match[2]]()}\n<!-- end -->"
        except FileNotFoundError:
            if match[3].strip():
                raise
            return match[0]

    return re.sub(r"(<!-- table: ([\w-]+) -->)\n(.*?)<!-- end -->", table, text, flags=re.DOTALL)


def load(name):
    """Read a measured file of `benchmarks/results`."""
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def load_long(name):
    """Read a measured file of `benchmarks/results_long`."""
    return json.loads((LONG / f"{name}.json").read_text(encoding="utf-8"))


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
        columns.append([*_decimals(errors), f"**{_rounded(result['mean_error'])}**", result["failed"]])
        if paper is not None:
            head, published = paper
            header.append(head)
            failed = sum(error > 5 for error in published)
            columns.append([*_decimals(published), f"{sum(published) / 20:.2f}", failed])
    return report.markdown(header, [list(row) for row in zip(*columns, strict=True)])


def _rounded(error):
    """Return an error with two decimals, halves rounded up: 0.045 is 0.05, though no binary number is."""
    return f"{error + 1e-9:.2f}"


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
            rows.append([f"{name}, mean of the tasks", len(means), *map(_rounded, errors)])
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


def long():
    """Table of the mean errors over bAbI's tasks 1 to 5 in books, and of what `ask --story` costs."""
    answers, supervised, cost = (load_long(name) for name in ("long_answers_only", "long_supervised", "long_cost"))
    lengths = [row["length"] for row in cost["rows"]]
    rows = [
        ["answers only", *_means(answers, "error", lengths)],
        ["gates supervised", *_means(supervised, "error", lengths)],
        ["BM25 and ours", *_means(answers, "bm25", lengths)],
        ["word GRU", *_means(answers, "gru", lengths)],
        ["`ask --story`, seconds", *(f"{row['ask_seconds']:.1f}" for row in cost["rows"])],
        ["its peak memory, MB", *(f"{row['ask_megabytes']:,}" for row in cost["rows"])],
    ]
    return report.markdown(["tokens", *(f"{length:,}" for length in lengths)], rows)


WAYS = {"error": "ours", "bm25": "BM25, then ours", "gru": "word GRU"}


def long_ways():
    """Table of the ways of answering, without supporting facts: mean errors over bAbI's tasks 1 to 5."""
    result = load_long("long_answers_only")
    lengths = list(dict.fromkeys(cell["length"] for cell in result["cells"]))
    rows = [[name, *_means(result, way, lengths)] for way, name in WAYS.items()]
    return report.markdown(["way", *(f"{length:,}" for length in lengths)], rows)


def _means(result, way, lengths):
    """Return the mean errors over tasks 1 to 5, a cell a length; a dash where one of them was not measured."""
    found = {(cell["task"], cell["length"]): cell.get(way) for cell in result["cells"]}
    means = []
    for length in lengths:
        errors = [found.get((str(task), length)) for task in range(1, 6)]
        means.append("-" if None in errors else f"{statistics.fmean(errors):.2f}")
    return means


def same():
    """Table of the errors among facts of the same kind: a row a run and task, a column a number of facts."""
    runs = load_long("same_kind")["runs"]
    lengths = list(dict.fromkeys(row["facts"] for run in runs.values() for row in run["rows"]))
    rows = []
    for name, run in runs.items():
        found = {row["facts"]: row["errors"] for row in run["rows"]}
        for task in run["rows"][0]["errors"]:
            errors = [found.get(length, {}).get(task) for length in lengths]
            rows.append([f"{name}, {task.replace('-', ' ')}", *("-" if e is None else f"{e:.1f}" for e in errors)])
    return report.markdown(["run, task", *(f"{length:,} facts" for length in lengths)], rows)


def _speed(name, table):
    """Return a function that makes the table of a measured file of `benchmarks/results_speed`."""
    return lambda: table(json.loads((SPEED / f"{name}.json").read_text(encoding="utf-8")))


def _speed_by_setting(name, table):
    """The same, of all files whose names begin so: a backend or setting each."""

    def make():
        files = sorted(SPEED.glob(f"{name}_*.json"))
        if not files:
            raise FileNotFoundError(f"{name}_*.json: no such file in {SPEED}.")
        return table([json.loads(file.read_text(encoding="utf-8")) for file in files])

    return make


TABLES = {
    "training_step": _speed_by_setting("training_step", training_step.table),
    "import_time": _speed_by_setting("import_time", import_time.table),
    "memory_of_trainings": _speed_by_setting("memory_of_trainings", memory_of_trainings.table),
    "parts": _speed_by_setting("parts", parts.tables),
    "pipeline": _speed_by_setting("pipeline", pipeline.table),
    "first_step": _speed_by_setting("first_step", first_step.table),
    "time_to_accuracy": _speed_by_setting("time_to_accuracy", time_to_accuracy.table),
    "serving": _speed("serving", serving.tables),
    "serving_load": _speed("serving_load", serving_load.table),
    "precision": _speed("precision", precision.table),
    "mixed_precision": _speed("mixed_precision", mixed_precision.table),
    "long_stories": _speed("long_stories", long_stories.table),
    "devices_jax": _speed("devices_jax", devices.table),
    "devices_tensorflow": _speed("devices_tensorflow", devices.table),
    "long": long,
    "long_ways": long_ways,
    "long_answers_only": lambda: long_accuracy.table(load_long("long_answers_only")),
    "long_supervised": lambda: long_accuracy.table(load_long("long_supervised")),
    "long_all": lambda: long_accuracy.table(load_long("long_all")),
    "long_neighbours": lambda: long_neighbours.table(load_long("long_neighbours")),
    "long_cost": lambda: long_cost.table(load_long("long_cost")),
    "long_tokens": lambda: long_tokens.sentence(load_long("tokens")),
    "same": same,
    "same_kind": lambda: same_kind.table(load_long("same_kind")),
    "narrowing_loss": lambda: narrowing_loss.table(load_long("narrowing_loss")),
    "search": lambda: compare.comparison_table(load("search")),
    "calibration": calibration,
    "babi": babi,
    "joint": joint,
    "ablation": ablation,
    "seeds": seeds,
    "facts": facts,
}

if __name__ == "__main__":
    sys.exit(main())
