"""The tables of README.md and of the documentation that are made of several measured files.

`python -m benchmarks.tables` writes the tables into all the pages that hold one, `--check` compares them.
"""

import itertools
import pathlib
import statistics
import sys

from benchmarks import base
from benchmarks.base import decimals, markdown, results
from benchmarks.models import MODELS
from benchmarks.sequence_transduction import EXPERIMENTS, best_restart, variants_of
from benchmarks.sequence_transduction import table as sequence_table

ROOT = pathlib.Path(__file__).parents[1]

DMN_2015 = (0, 1.8, 4.8, 0, 0.7, 0, 3.1, 3.5, 0, 2.5, 0.1, 0, 0.2, 0, 0, 0.6, 40.4, 4.7, 65.5, 0)
"""Test errors in percent of tasks 1 to 20 in Kumar et al. 2015, table 1 (1,000 questions a task, gates supervised)."""

DMN_PLUS = (0, 0.3, 1.1, 0, 0.5, 0, 2.4, 0, 0, 0, 0, 0, 0, 0.2, 0, 45.3, 4.2, 2.1, 0, 0)
"""The same in Xiong et al. 2016, table 2 (10,000 questions a task, answers only)."""

BABI = {
    "babi-1k-supervised": ("1k, gates supervised", ("DMN 2015", DMN_2015)),
    "babi-10k-supervised": ("10k, gates supervised", None),
    "babi-10k-defaults": ("10k, default settings, gates supervised", None),
    "babi-10k": ("10k, answers only", ("DMN+ 2016", DMN_PLUS)),
    "babi-10k-memn2n": ("10k, answers only, MemN2N", None),
}
JOINT = {
    "babi-1k-joint": ("1k, answers only", None),
    "babi-1k-joint-ordered": ("1k, answers only, ordered mention links", None),
    "babi-1k-joint-memn2n": ("1k, answers only, MemN2N", None),
    "babi-10k-joint": ("10k, answers only", None),
    "babi-10k-joint-ordered": ("10k, answers only, ordered mention links", None),
}
JOINT_BASELINES = {
    "babi-1k-joint-lstm": ("1k, answers only, LSTM", None),
    "babi-1k-joint-story": ("1k, answers only, the story alone", None),
    "babi-1k-joint-question": ("1k, answers only, the question alone", None),
}
"""File names, the heads of their columns, and the published errors beside them, where there are any."""

ABLATION = {"dmn_2015": "ODMN", "dmn_2": "DMN2", "dmn_3": "DMN3", "dmn_plus": "DMN+"}
"""Presets of the models of Xiong et al. 2016, table 1, and their names there."""

WORDS = {
    "lstm": "LSTM",
    "ntm": "NTM",
    "dnc": "DNC",
    "dynamic_ntm_1": "D-NTM, 1 step",
    "dynamic_ntm_3": "D-NTM, 3 steps",
}
"""Ends of the names of the files of models that read all words in a row, and the models."""

PAPERS = {
    "DMN": ("[Kumar et al. 2015](https://arxiv.org/abs/1506.07285)", "preset `dmn_2015`", "dmn_2015"),
    "DMN+": ("[Xiong et al. 2016](https://arxiv.org/abs/1603.01417)", "preset `dmn_plus`", "dmn_plus"),
    "MemN2N": ("[Sukhbaatar et al. 2015](https://arxiv.org/abs/1503.08895)", "`model.family=memn2n`", "memn2n"),
}
"""Models, their papers and code, and their names in `benchmarks.models`."""

OTHER_PAPERS = {
    "NTM": ("[Graves et al. 2014](https://arxiv.org/abs/1410.5401)", "`NTMCell`, `ntm-copy`"),
    "DNC": ("[Graves et al. 2016](https://doi.org/10.1038/nature20101)", "`DNCCell`, `dnc-traversal`"),
    "Stack RNN": ("[Joulin and Mikolov 2015](https://arxiv.org/abs/1503.01007)", "`StackRNNCell`, `stack-rnn-anbncn`"),
    "List RNN": ("the same", "`ListRNNCell`"),
    "D-NTM": ("[Gulcehre et al. 2016](https://arxiv.org/abs/1607.00036)", "`DynamicNTMCell`"),
}
"""Models for sequences, their papers and code."""

COUNTING = {
    "anbn": "a^n b^n",
    "anbncn": "a^n b^n c^n",
    "anbncndn": "a^n b^n c^n d^n",
    "anb2n": "a^n b^2n",
    "anbmcnm": "a^n b^m c^(n+m)",
}
"""Counting languages: names of their experiments, and how the table writes them."""

COUNTING_IN_PAPER = {
    "Stack RNN 40+10, soft": (100, 100, 100, 100, 43.3),
    "Stack RNN 40+10, rounding": (100, 100, 100, 100, 100),
    "List RNN 40+5": (100, 33.3, 100, 100, 100),
    "RNN": (25, 23.3, 13.3, 23.3, 33.3),
    "LSTM": (100, 100, 68.3, 75, 100),
}
"""The same percentages in Joulin and Mikolov 2015, table 2."""

OTHER_TASKS = (
    ("sst", "binary", "sentiment, SST binary", "88.6 (DMN 2015, vectors of 300 numbers)"),
    ("sst", "fine", "sentiment, SST fine", "52.1 (the same)"),
    ("ud-english-ewt", "upos", "part of speech, UD English-EWT, words", "94.5 (UDPipe 1.2)"),
)
"""Measured file, its config, what it is and what is published, of the text tasks."""


BABILONG = (
    ("ARMT, trained for each task", "137 million", "10,000,000", 89, 84, 37, 92, 81),
    ("Gemini-3-flash-preview", "-", "1,000,000", 57, 28, 30, 71, 67),
)
"""Models of BABILong's leaderboard, their sizes, tokens, and right answers of tasks 1 to 5 in percent."""

TICKETS = {
    "": "DMN, placeholders",
    "-normed": "DMN, placeholders, preset `normed`",
    "-closed": "DMN, unknown words are one",
    "-memn2n": "MemN2N, placeholders",
    "-transformer": "transformer, placeholders",
    "-lstm": "LSTM, placeholders",
    "-question": "the question alone (LSTM)",
    "-story": "the story alone (LSTM)",
}
"""Ends of the names of the files about tickets with new names, and the models that they are of."""

STEPGAME = {
    "": "DMN, preset `mentions`",
    "-memn2n": "MemN2N",
    "-transformer": "transformer, 2 epochs",
    "-lstm": "LSTM",
    "-question": "the question alone (LSTM)",
    "-story": "the story alone (LSTM)",
}
"""Ends of the names of the files about StepGame, and the models that they are of."""


def pages():
    """Return the Markdown files that hold tables made here."""
    found = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if "[[[cog" in path.read_text(encoding="utf-8")]


def main(arguments=None):
    """Write the tables into their pages; with `--check`, return 1 if one differs from its files."""
    import cogapp

    parser = base.parser("tables", __doc__, measures=False)
    parser.add_argument("--check", action="store_true", help="compare in place of writing")
    option = "--check" if parser.parse_args(arguments).check else "-r"
    return max(cogapp.Cog().main(["cog", option, str(page)]) for page in pages())


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


def words():
    """Return the table of the test errors of models that read all words in a row, beside the DMN's, and their cost."""
    [dmn] = results("results/babi-10k")
    measured = {model: results(f"results/ablation-words-{end}")[0]["tasks"] for end, model in WORDS.items()}
    tasks = next(iter(measured.values()))
    measured["DMN"] = {task: dmn["tasks"][task] for task in tasks}
    rows = [
        [
            model,
            *decimals(row["error"] for row in of_task.values()),
            *decimals([sum(row["seconds"] for row in of_task.values()) / 60], 0),
        ]
        for model, of_task in measured.items()
    ]
    return markdown(["model", *(f"task {task}" for task in tasks), "minutes"], rows)


def own_data():
    """Return the table of the test errors of presets on support tickets, in short and in long stories."""
    errors = {}
    for name in ("tickets", "tickets-long"):
        [result] = results(f"results/{name}")
        for run in result["tasks"]["all"]["runs"]:
            preset = run["run"].partition("/")[0]
            errors.setdefault(preset, {}).setdefault(name, []).append(run["error"])
    rows = []
    for preset, of_data in errors.items():
        row = ["the defaults" if preset == "defaults" else f"`{preset}`"]
        for of_seeds in of_data.values():
            row += [*decimals([statistics.median(of_seeds)]), ", ".join(decimals(of_seeds))]
        rows.append(row)
    return markdown(["preset", "4 to 14 facts, median", "each seed", "30 to 60 facts, median", "each seed"], rows)


def tickets():
    """Return the table of the test errors on support tickets whose names and numbers are new in each story."""
    rows = []
    for end, model in TICKETS.items():
        [result] = results(f"results/tickets-new-names{end}")
        runs = result["tasks"]["all"]["runs"]
        errors = decimals([run["error"] for run in runs])
        rows.append([model, *decimals([statistics.median(run["error"] for run in runs)]), ", ".join(errors)])
    return markdown(["model", "median error, %", "seeds 0, 1, 2"], rows)


def stepgame():
    """Return the table of the right answers on StepGame's noisy stories, by the number of relations."""
    rows = []
    for end, model in STEPGAME.items():
        accuracies, runs = _stepgame_accuracies(end)
        means = [statistics.fmean(of_seed[:5]) for of_seed in accuracies]
        by_number = [statistics.median(of_number) for of_number in zip(*accuracies, strict=True)]
        cells = decimals([*by_number[:5], statistics.median(means), *by_number[5:]])
        cost = decimals([statistics.median(run["cpu_minutes"] for run in runs)], 0)
        rows.append([model, *cells, ", ".join(decimals(means)), f"{runs[0]['parameters']:,}", *cost])
    rows.append(["TP-MANN, published", *["-"] * 5, "53.0", "28.5", *["-"] * 3, "21.5", *["-"] * 3])
    header = ["model", *range(1, 6), "mean of 1 to 5", *range(6, 11), "mean of 1 to 5, each seed"]
    return markdown([*header, "parameters", "CPU minutes"], rows)


def _stepgame_accuracies(end):
    """Return the percentages of right answers for 1 to 10 relations, a list for each seed, and what the runs took."""
    [result], [longer] = results(f"results/stepgame{end}"), results("results/stepgame-longer")
    runs = longer["models"][f"stepgame{end}"]
    short = zip(*([100 - run["error"] for run in row["runs"]] for row in result["tasks"].values()), strict=True)
    return [[*of_seed, *run["accuracy"]] for of_seed, run in zip(short, runs, strict=True)], runs


def renamed():
    """Return the table of the mean errors on all 20 tasks, as they are and with other names."""
    rows = []
    for name in ("babi-closed", "babi-joint"):
        [known] = results(f"../saved_models/{name}/metrics")
        tested = (known, known["renamed"]["swap"], known["renamed"]["new"])
        rows.append([f"`{name}`", *(f"{row['mean_error']:.2f} ({row['failed']})" for row in tested)])
    return markdown(["model", "names of the training", "names of other tasks", "names never seen"], rows)


def renamed_in_words():
    """Return a sentence about the mean errors with names that training never had."""
    [closed], [joint] = (results(f"../saved_models/{name}/metrics") for name in ("babi-closed", "babi-joint"))
    errors = [f"{model['renamed']['new']['mean_error']:.2f}" for model in (joint, closed)]  # as in `renamed`
    return (
        f"With names that training never had, `babi-joint`, whose [vocabulary is open](docs/own_data.md), is wrong in "
        f"{errors[0]} %, its predecessor `babi-closed` in {errors[1]} %."
    )


def babi_means():
    """Return the table of the mean errors over all 20 tasks, with a row for each way of training."""
    rows = []
    for name, (head, paper) in (BABI | JOINT).items():
        [result] = results(f"results/{name}")
        published = "-"
        if paper is not None:
            title, errors = paper
            published = f"{decimals([statistics.fmean(errors)], 2)[0]} ({title})"
        models = "one for all" if name in JOINT else "one a task"
        error = decimals([result["mean_error"]], 2)
        rows.append([head, models, _num_runs(result), *error, result["failed"], published])
    return markdown(["training questions", "models", "runs", "mean error, %", "tasks above 5 %", "published"], rows)


def _num_runs(result):
    """Return how many runs the models of a file were chosen from, by validation."""
    return result["finished"].partition(" ")[0]


def models(*names):
    """Return the table of size, accuracy and speed of some models for stories, by default of all."""
    rows = [[f"`{name}`", size, _error(name), answers] for name, size, answers in _sizes_and_speeds(names or MODELS)]
    return markdown(["model", "parameters", "mean error, %", "answers a second"], rows)


def pretrained(*names):
    """Return the table of size, accuracy and speed of pretrained models of the other tasks."""
    accuracies = {name: [] for name in names}
    for title, name, _, reached, *_ in _task_rows():
        if name in names:
            kind = f" ({title.partition(', ')[2]})" if name == "sort-of-clevr" else ""
            accuracies[name] += [f"{percent}{kind}" for percent in decimals([reached], 2)]
    rows = [
        [f"`{name}`", size, ", ".join(accuracies[name]), answers] for name, size, answers in _sizes_and_speeds(names)
    ]
    return markdown(["model", "parameters", "test accuracy, %", "answers a second"], rows)


def pretrained_sequences():
    """Return the table of size, results and speed of the pretrained models for sequences."""
    reached = _sequence_results()
    [counting] = results("results/sequence-anbncn")
    percent = best_restart(EXPERIMENTS["anbncn"], counting["models"]["Stack RNN 40+10"], "rounding")
    found = {
        "ntm-copy": reached["NTM"],
        "dnc-traversal": reached["DNC"],
        "stack-rnn-anbncn": f"`a^n b^n c^n`, n to 60 after training to 19: {percent} % of n",
    }
    rows = [[f"`{name}`", size, found[name], answers] for name, size, answers in _sizes_and_speeds(found)]
    return markdown(["model", "parameters", "result", "answers a second"], rows)


def _sizes_and_speeds(names):
    """Yield name, parameters and answers a second, as texts, of some models, in the order in which they stand there."""
    [measured] = results("results_speed/models")
    for row in measured["rows"]:
        if row["model"] in names:
            yield row["model"], *decimals([row["parameters"], row["answers_a_second"]], 0)


def papers():
    """Return the table of the models, their papers, their code and their results."""
    joint = [results(f"results/{name}")[0] for name in ("babi-10k-joint", "babi-10k-joint-ordered")]
    [in_books] = results("results_long/long_all")
    bare, million = _means(in_books, "error", [0, 1_000_000])
    errors = decimals([result["mean_error"] for result in joint], 2)
    all_tasks = [
        f"all bAbI tasks: {error} % wrong (runs: {_num_runs(result)})"
        for error, result in zip(errors, joint, strict=True)
    ]
    tasks = ", ".join(results("results/ablation-memn2n")[0]["tasks"])
    rows = [
        [name, paper, code, f"bAbI tasks {tasks}: {_error(model)} % wrong"]
        for name, (paper, code, model) in PAPERS.items()
    ]
    rows += [
        ["Question match, lexical links", "ours", "presets `normed`, `linked`", all_tasks[0]],
        ["Mention links", "ours", "preset `mentions`", _stepgame_result()],
        ["Ordered mention links", "ours", "`link_mode=ordered_mentions`", all_tasks[1]],
        ["Retriever", "ours", "`babi-long`", f"bAbI tasks 1 to 5: {bare} % wrong, in a million tokens {million} %"],
    ]
    reached = _sequence_results()
    rows += [[name, *columns, reached[name]] for name, columns in OTHER_PAPERS.items()]
    return markdown(["model", "paper", "code", "result"], rows).replace("---:", "---")


def _stepgame_result():
    """Return what the preset `mentions` reaches on StepGame, as text."""
    accuracies, _ = _stepgame_accuracies("")
    means = [statistics.fmean(of_seed[:5]) for of_seed in accuracies]
    short, ten = decimals([statistics.median(means), statistics.median(of_seed[-1] for of_seed in accuracies)])
    return f"StepGame, 1 to 5 relations: {short} % right, 10 relations: {ten} %"


def _sequence_results():
    """Return a result on sequences, as text, by the name of a model in `OTHER_PAPERS`."""
    [copy] = results("results/sequence-copy")
    [graphs] = results("results/sequence-traversal")
    [pushes] = results("results/sequence-stack_manipulation")
    dnc = next(of_model for model, of_model in graphs["models"].items() if model.startswith("DNC"))
    edges = statistics.median(run["variants"][""]["tests"]["20 nodes"]["exact"] for run in dnc)
    copied = [run["variants"][""]["tests"]["100"]["exact"] for run in copy["models"]["NTM, feed-forward"]]
    stacks = pushes["models"]["Stack RNN 128, stack alone"]
    symbols = statistics.median(100 - run["variants"]["rounding"]["tests"]["500"]["bit_error"] for run in stacks)
    counted = {name: results(f"results/sequence-{name}")[0]["models"]["List RNN 40+5"] for name in COUNTING}
    percent = statistics.fmean(float(best_restart(EXPERIMENTS[name], counted[name], "rounding")) for name in COUNTING)
    [words] = results("results/ablation-words-dynamic_ntm_1")
    [wrong] = decimals([words["mean_error"]])
    return {
        "NTM": f"100 vectors copied, trained to 20: {statistics.median(copied):g} % (worst seed {min(copied):g} %)",
        "DNC": f"an edge of unseen graphs of 20 nodes: {edges} % right",
        "Stack RNN": f"stack alone, rounding: 500 symbols of stack manipulation, trained to 40: {symbols:g} %",
        "List RNN": f"five counting languages, n to 60 after training to 19: {percent:.0f} % of n",
        "D-NTM": f"bAbI tasks {', '.join(words['tasks'])}, word by word: {wrong} % wrong",
    }


def _error(model):
    """Return the mean test error of a model in the ablation, as text."""
    [result] = results(f"results/ablation-{model}")
    return decimals([result["mean_error"]])[0]


def tasks():
    """Return the table of the tasks besides stories: what their pretrained models reach, and what stands beside it."""
    [measured] = results("results_speed/served_answers")
    times = {row["model"]: row["milliseconds"] for row in measured["rows"]}
    rows = []
    for title, preset, runs, reached, baseline, published in _task_rows():
        minutes = statistics.median(run["cpu_minutes"] for run in runs)
        cost = [f"{runs[0]['parameters']:,}", *decimals([minutes], 0), *decimals([times[preset]])]
        rows.append([title, f"`{preset}`", *decimals([reached], 2), baseline, published, len(runs), *cost])
    header = ["task", "preset", "test, %", "baseline, %", "published, %", "seeds", "parameters", "CPU minutes"]
    return markdown([*header, "ms an answer"], rows)


def _task_rows():
    """Return a row for each of these tasks: title, preset, runs, median test accuracy, baseline, published result."""
    rows = []
    for name, config, title, published in OTHER_TASKS:
        [content] = results(f"results/{name}")
        of_config = content["configs"][config]
        passes = next(iter(of_config["passes"].values()))  # those of the preset are first in the file
        preset = f"{name}-{config}" if name == "sst" else name
        baseline = f"{decimals([of_config['majority']])[0]} (majority)"
        rows.append([title, preset, passes["runs"], passes["median"], baseline, published])
    [vqa] = results("results/easy-vqa")
    baseline = f"{decimals([vqa['question_only']['accuracy']])[0]} (question alone)"
    rows.append(["easy-VQA, right answers", "easy-vqa", vqa["runs"], vqa["median"]["accuracy"], baseline, "93.8"])
    [clevr] = results("results/sort-of-clevr")
    for kind, published in (("relational", "89 to 94"), ("non-relational", "99")):
        baseline = f"{decimals([clevr['question_only'][kind]])[0]} (question alone)"
        title = f"Sort-of-CLEVR, {kind} questions"
        rows.append([title, "sort-of-clevr", clevr["runs"], clevr["median"][kind], baseline, published])
    return rows


def speed():
    """Return a sentence about how quickly an exported pretrained model answers, on one core."""
    [result] = results("results_speed/serving")
    measured = result["speed"]["with"]
    return (
        f"As a SavedModel, text in and text out, `babi-closed` answers a question in {measured['median_ms']:.1f} ms on "
        f"one core (99th percentile {measured['p99_ms']:.1f} ms), {measured['questions_a_second_64']:,.0f} a second in "
        "batches of 64."
    )


def seeds():
    """Return the table of the test errors of tasks that were trained several times."""
    rows = []
    for name in BABI:
        [result] = results(f"results/{name}")
        for task, row in result["tasks"].items():
            if "median" in row:
                errors = [row[key] for key in ("error", "median", "best", "worst")]
                rows.append([f"{name}, task {task}", len(row["runs"]), *decimals(errors)])
    return markdown(["table, task", "runs", "chosen by validation", "median", "best", "worst"], rows)


def joint_seeds():
    """Return the table of the mean test error of each model for all tasks."""
    rows = []
    for name, (head, _) in JOINT.items():
        [result] = results(f"results/{name}")
        runs = zip(*([run["error"] for run in row["runs"]] for row in result["tasks"].values()), strict=True)
        means = [statistics.fmean(errors) for errors in runs]
        [chosen, median] = decimals([result["mean_error"], statistics.median(means)], 2)
        rows.append([head, ", ".join(decimals(means, 2)), median, chosen])
    return markdown(["training questions", "mean error of each seed, %", "median", "chosen by validation"], rows)


def facts():
    """Return the table of what else was measured on trained models."""
    rows = []
    for name in ("babi-en-10k-task1", "main-job"):
        [result] = results(f"results/{name}")
        [row] = result["tasks"].values()
        what = f"{result['about']}, {row['questions']:,} test questions"
        seconds = f"{row['seconds']:.0f} s"
        rows.append([what, f"{100 - row['error']:.1f} % right", seconds, f"`{result['commands'][0]}`"])
    [result] = results("results/invariance")
    questions = sum(run["questions"] for run in result["runs"].values())
    ways = dict.fromkeys(variant["name"] for run in result["runs"].values() for variant in run["variants"])
    what = f"`{'`, `'.join(result['runs'])}`, {questions:,} questions: {', '.join(ways)}"
    rows.append([what, f"{result['changed']} changed", "", f"`{result['command']}`"])
    return markdown(["what", "result", "time", "command"], rows)


def long(*names):
    """Return the table of the mean errors over tasks 1 to 5 in books, and of the cost of `ask --story`.

    Args:
        *names: Names of the rows, by default all.
    """
    [pretrained], [supervised], [baselines], [cost] = (
        results(f"results_long/{name}") for name in ("long_all", "long_supervised", "long_baselines", "long_cost")
    )
    lengths = sorted({cell["length"] for cell in pretrained["cells"]})
    costs = [row for row in cost["rows"] if row["length"] in lengths]
    rows = [
        ["`babi-long`", *_means(pretrained, "error", lengths)],
        ["gates supervised", *_means(supervised, "error", lengths)],
        ["BM25 and `babi-closed`", *_means(baselines, "bm25", lengths)],
        ["word GRU", *_means(baselines, "gru", lengths)],
        ["`ask --story`, seconds", *decimals(row["ask_seconds"] for row in costs)],
        ["its peak memory, MB", *decimals((row["ask_megabytes"] for row in costs), 0)],
    ]
    rows = [row for row in rows if not names or row[0] in names]
    return markdown(["tokens", *(f"{length:,}" for length in lengths)], rows)


def babilong():
    """Return the table of right answers in books by task, beside models of BABILong's leaderboard."""
    [answers] = results("results_long/long_all")
    rows = []
    for length in (1_000_000, 10_000_000):
        cells = {cell["task"]: cell for cell in answers["cells"] if cell["length"] == length}
        right = [100 - cells[str(task)]["error"] for task in range(1, 6)]
        size = f"{answers['run']['parameters'] / 1e6:.2f} million"
        rows.append(["`babi-long`", size, f"{length:,}", *decimals(right, 0), cells["1"]["questions"]])
    rows += [[*row, "-"] for row in BABILONG]
    return markdown(["model", "parameters", "tokens", *(f"task {task}, %" for task in range(1, 6)), "questions"], rows)


def _means(result, way, lengths):
    """Return the mean errors over tasks 1 to 5, a text a length."""
    found = {(cell["task"], cell["length"]): cell.get(way) for cell in result["cells"]}
    by_length = [[found.get((str(task), length)) for task in range(1, 6)] for length in lengths]
    return decimals([None if None in errors else statistics.fmean(errors) for errors in by_length], 2)


def sequences(name):
    """Return what an experiment of `benchmarks.sequence_transduction` shows, and its table."""
    [result] = results(f"results/sequence-{name}")
    experiment = EXPERIMENTS[name]
    return f"{experiment.about[0].upper()}{experiment.about[1:]}:\n\n{sequence_table(experiment, result['models'])}"


def counting():
    """Return the table of the counting languages, with a row for each model and a column for each language."""
    found = {name: results(f"results/sequence-{name}")[0]["models"] for name in COUNTING}
    models = dict.fromkeys(model for of_language in found.values() for model in of_language)
    rows = []
    for model in models:
        variants = variants_of(EXPERIMENTS["anbn"], model)
        for variant in variants:
            languages = {name: of_language[model] for name, of_language in found.items()}
            restarts = ", ".join(str(len(runs)) for runs in languages.values())
            percent = [best_restart(EXPERIMENTS[name], runs, variant) for name, runs in languages.items()]
            sizes = sorted({runs[0]["parameters"] for runs in languages.values()})
            parameters = " to ".join(f"{size:,}" for size in dict.fromkeys((sizes[0], sizes[-1])))
            seconds = [row["seconds"] for runs in languages.values() for row in runs]
            name = f"{model}, {variant}" if len(variants) > 1 else model
            rows.append([name, parameters, restarts, f"{statistics.median(seconds):.0f}", *percent])
    rows += [[f"paper: {model}", *"---", *decimals(percent)] for model, percent in COUNTING_IN_PAPER.items()]
    return markdown(["model", "parameters", "restarts", "CPU s", *(f"`{text}`" for text in COUNTING.values())], rows)


def same():
    """Return the table of the errors among facts of the same kind, with a row for each model and task."""
    runs = [run for result in results("results_long/same_kind*") for run in result["runs"]]
    lengths = list(dict.fromkeys(row["facts"] for run in runs for row in run["rows"]))
    rows = []
    for model in dict.fromkeys(run["model"] for run in runs):
        of_model = [run["rows"] for run in runs if run["model"] == model]
        for task in of_model[0][0]["errors"]:
            by_length = {length: [] for length in lengths}
            for row in itertools.chain.from_iterable(of_model):
                by_length[row["facts"]].append(row["errors"][task])
            errors = [statistics.median(found) if found else None for found in by_length.values()]
            seeds = " to ".join(map(str, sorted({len(found) for found in by_length.values() if found})))
            rows.append([f"{model}, {task.replace('-', ' ')}", seeds, *decimals(errors)])
    return markdown(["run, task", "seeds", *(f"{length:,} facts" for length in lengths)], rows)


def calibration():
    """Return the table of how the confidence of the model that comes with the package fits its answers."""
    from benchmarks.model_cards import reliability

    [content] = results("../saved_models/babi-joint/calibration")
    return reliability(content)


if __name__ == "__main__":
    sys.exit(main())
