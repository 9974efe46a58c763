"""The tables of README.md that are made of several measured files.

`python -m cogapp -r README.md benchmarks/README.md` writes all tables of both files, `--check` compares them.
"""

import statistics

from benchmarks.base import decimals, markdown, results

DMN_2015 = (0, 1.8, 4.8, 0, 0.7, 0, 3.1, 3.5, 0, 2.5, 0.1, 0, 0.2, 0, 0, 0.6, 40.4, 4.7, 65.5, 0)
"""Test errors in percent of tasks 1 to 20 in Kumar et al. 2015, table 1 (1,000 questions a task, gates supervised)."""

DMN_PLUS = (0, 0.3, 1.1, 0, 0.5, 0, 2.4, 0, 0, 0, 0, 0, 0, 0.2, 0, 45.3, 4.2, 2.1, 0, 0)
"""The same in Xiong et al. 2016, table 2 (10,000 questions a task, answers only)."""

BABI = {
    "babi-1k-supervised": ("1k, gates supervised", ("DMN 2015", DMN_2015)),
    "babi-10k-supervised": ("10k, gates supervised", None),
    "babi-10k": ("10k, answers only", ("DMN+ 2016", DMN_PLUS)),
}
JOINT = {"babi-1k-joint": ("1k, answers only", None), "babi-10k-joint": ("10k, answers only", None)}
"""File names, the heads of their columns, and the published errors beside them, where there are any."""

ABLATION = {"dmn_2015": "ODMN", "dmn_2": "DMN2", "dmn_3": "DMN3", "dmn_plus": "DMN+"}
"""Presets of the models of Xiong et al. 2016, table 1, and their names there."""


def babi(files=BABI):
    """Return the table of the test errors of all 20 tasks, with a column for each file."""
    header, columns = ["task"], [[*range(1, 21), "**mean**", "failed"]]
    for name, (head, paper) in files.items():
        [result] = results(f"results/{name}")
        header.append(head)
        [mean] = decimals([result["mean_error"]], 2)
        errors = [row["error"] for row in result["tasks"].values()]
        columns.append([*decimals(errors), f"**{mean}**", result["failed"]])
        if paper is not None:
            head, errors = paper
            header.append(head)
            mean = decimals([statistics.fmean(errors)], 2)
            columns.append([*decimals(errors), *mean, sum(error > 5 for error in errors)])
    return markdown(header, [list(row) for row in zip(*columns, strict=True)])


def ablation():
    """Return the table of the test errors of the papers' models, each one step from the one before."""
    models = [result["tasks"] for name in ABLATION for result in results(f"results/ablation-{name}")]
    rows = [[task, *decimals(model[task]["error"] for model in models)] for task in models[0]]
    return markdown(["task", *(f"{head}, `{name}`" for name, head in ABLATION.items())], rows)


def seeds():
    """Return the table of the test errors of tasks that were trained several times."""
    rows = []
    for name in BABI:
        [result] = results(f"results/{name}")
        for task, row in result["tasks"].items():
            if "median" in row:
                errors = [row[key] for key in ("error", "median", "best", "worst")]
                rows.append([f"{name}, task {task}", len(row["runs"]), *decimals(errors)])
    for name in JOINT:
        [result] = results(f"results/{name}")
        runs = zip(*([run["error"] for run in row["runs"]] for row in result["tasks"].values()), strict=True)
        means = [statistics.fmean(errors) for errors in runs]
        errors = [result["mean_error"], statistics.median(means), min(means), max(means)]
        rows.append([f"{name}, mean of the tasks", len(means), *decimals(errors, 2)])
    return markdown(["table, task", "runs", "chosen by validation", "median", "best", "worst"], rows)


def facts():
    """Return the table of what else was measured on trained models."""
    rows = []
    for name in ("babi-en-10k-task1", "main-job"):
        [result] = results(f"results/{name}")
        [row] = result["tasks"].values()
        what = f"{result['about']}, {row['questions']:,} test questions"
        seconds = f"{row['seconds']:.0f} s"
        rows.append([what, f"{100 - row['error']:.1f} % right", seconds, f"`{result['commands'][0]}`"])
    for name in ("invariance", "invariance-paths"):
        for result in results(f"results/{name}"):
            questions = sum(run["questions"] for run in result["runs"].values())
            ways = dict.fromkeys(variant["name"] for run in result["runs"].values() for variant in run["variants"])
            what = f"{len(result['runs'])} models, {questions:,} questions: {', '.join(ways)}"
            rows.append([what, f"{result['changed']} changed", "", f"`{result['command']}`"])
    return markdown(["what", "result", "time", "command"], rows)


def long():
    """Return the table of the mean errors over tasks 1 to 5 in books, and of the cost of `ask --story`."""
    [answers], [supervised], [cost] = (
        results(f"results_long/{name}") for name in ("long_answers_only", "long_supervised", "long_cost")
    )
    lengths = [row["length"] for row in cost["rows"]]
    rows = [
        ["answers only", *_means(answers, "error", lengths)],
        ["gates supervised", *_means(supervised, "error", lengths)],
        ["BM25 and ours", *_means(answers, "bm25", lengths)],
        ["word GRU", *_means(answers, "gru", lengths)],
        ["`ask --story`, seconds", *decimals(row["ask_seconds"] for row in cost["rows"])],
        ["its peak memory, MB", *decimals((row["ask_megabytes"] for row in cost["rows"]), 0)],
    ]
    return markdown(["tokens", *(f"{length:,}" for length in lengths)], rows)


def _means(result, way, lengths):
    """Return the mean errors over tasks 1 to 5, a text a length."""
    found = {(cell["task"], cell["length"]): cell.get(way) for cell in result["cells"]}
    by_length = [[found.get((str(task), length)) for task in range(1, 6)] for length in lengths]
    return decimals([None if None in errors else statistics.fmean(errors) for errors in by_length], 2)


def same():
    """Return the table of the errors among facts of the same kind, with a row for each run and task."""
    [result] = results("results_long/same_kind")
    lengths = list(dict.fromkeys(row["facts"] for run in result["runs"].values() for row in run["rows"]))
    rows = []
    for name, run in result["runs"].items():
        found = {row["facts"]: row["errors"] for row in run["rows"]}
        for task in run["rows"][0]["errors"]:
            errors = [found.get(length, {}).get(task) for length in lengths]
            rows.append([f"{name}, {task.replace('-', ' ')}", *decimals(errors)])
    return markdown(["run, task", *(f"{length:,} facts" for length in lengths)], rows)


def calibration():
    """Return the table of how the confidence of the model that comes with the package fits its answers."""
    from benchmarks.ship import reliability

    [content] = results("../saved_models/babi-joint/calibration")
    return reliability(content)
