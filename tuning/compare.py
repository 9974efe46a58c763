"""Found configurations beside the default, task by task: median test error over seeds and cost in CPU minutes.

The same command goes on where it was interrupted; runs that have finished are not trained again.
"""

import argparse
import pathlib
import statistics
import sys

if __package__ in (None, ""):  # python tuning/compare.py
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from tuning.command import run_command

COMMAND = "tuning/compare.py"
DEFAULT = "default"


def main(arguments=None):
    """Run the command.

    Args:
        arguments: List of arguments, `sys.argv[1:]` by default.

    Returns:
        Exit status: 0, 2 for a mistake in the arguments or files, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    return run_command(COMMAND, lambda: _compare(options))


def _parser():
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--found", nargs="+", required=True, metavar="FILE", help="files that searches wrote, best.json"
    )
    parser.add_argument("--dataset", default="babi", help="babi (the default), babi_long, stories or jsonl")
    parser.add_argument("--data-dir", metavar="DIR", help="archive, folder or file of the data")
    parser.add_argument("--config", help="configuration of the dataset, e.g. en-10k")
    parser.add_argument("--tasks", help="names, numbers and ranges of tasks, one model each (default: those searched)")
    parser.add_argument("--seeds", default="0,1,2", help="seeds of the runs (default: 0,1,2)")
    parser.add_argument("--epochs", type=int, help="most epochs of the default (default: those of the search)")
    parser.add_argument("--output", required=True, metavar="DIR", help="folder of the runs")
    parser.add_argument("--json", metavar="FILE", help="write the comparison there")
    parser.add_argument("--verbose", type=int, default=0, choices=(0, 1, 2), help="Keras' verbosity")
    return parser


def _compare(options):
    from dmn_keras.training.reproduce import plan, train_planned
    from dmn_keras.utils.files import write_json

    seeds = _seeds(options.seeds)
    found = _found(options)
    table = _table(options, found, seeds)
    output = pathlib.Path(options.output)
    planned = plan(table, options.data_dir)
    train_planned(table, planned, output, data_dir=options.data_dir, verbose=options.verbose, say=_say)
    content = {
        "about": f"{table.about}; median test error over {len(seeds)} seeds, cost in minutes of CPU a run",
        "seeds": list(seeds),
        "epochs": {
            task: {"default": _epochs(options, file), "found": file["settings"]["epochs"]}
            for task, file in found.items()
        },
        "tasks": {task: _row(output, task, seeds, found[task]) for task in found},
    }
    if options.json:
        write_json(options.json, content)
    print(comparison_table(content))
    return 0


def _seeds(text):
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts) or len(set(parts)) < len(parts):
        raise ValueError(f"--seeds must be whole numbers, each once: 0,1,2. Received: {text!r}")
    return tuple(map(int, parts))


def _found(options):
    """Return the content of the file of each task, in the tasks' order."""
    from dmn_keras.datasets import parse_tasks, task_names
    from dmn_keras.training.config import Config
    from dmn_keras.utils.files import read_json

    of_task = {}
    for path in options.found:
        content = read_json(path)
        try:
            Config.from_dict(content["settings"])
            tasks = content["search"]["tasks"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"--found {path} is not a file that a search wrote (best.json): {error}") from error
        for task in tasks:
            if task in of_task:
                raise ValueError(f"--found names two configurations for task {task}: leave one of them out.")
            of_task[task] = content
    names = task_names(options.dataset, options.data_dir)
    tasks = parse_tasks(options.tasks, names) if options.tasks else [name for name in names if name in of_task]
    missing = [task for task in tasks if task not in of_task]
    if missing or not tasks:
        raise ValueError(f"--found has no configuration for task {', '.join(missing) or '(none of the dataset)'}.")
    return {task: of_task[task] for task in tasks}


def _epochs(options, file):
    return options.epochs or file["settings"]["epochs"]


def _table(options, found, seeds):
    """Return the `Table` of all runs: each task with the default, and with what was found for it."""
    from dmn_keras.training.tables import Runs, Table

    runs = []
    for task, file in found.items():
        runs.append(Runs(_name(DEFAULT, task), task, {"epochs": _epochs(options, file)}, seeds))
        runs.append(Runs(_name("found", task), task, file["settings"], seeds))
    about = f"{options.dataset} {options.config or ''}".strip() + ", found configurations beside the default"
    return Table(about, options.dataset, options.config, tuple(runs))


def _name(what, task):
    """Return the folder of some runs: one a task, as each task has settings of its own."""
    return f"{what}-{task}"


def _row(output, task, seeds, file):
    return {what: _side(output, what, task, seeds) for what in (DEFAULT, "found")} | {
        "settings": file["settings"],
        "validation_error_of_search": file["validation_error"],
    }


def _side(output, what, task, seeds):
    """Return errors and cost of one configuration on one task."""
    from dmn_keras.training.run_folder import RunFolder
    from dmn_keras.utils.files import read_json

    runs = [RunFolder(output / _name(what, task) / f"seed{seed}" / task) for seed in seeds]
    metrics = [read_json(run.metrics) for run in runs if run.metrics.exists()]
    if not metrics:
        return {"errors": [], "diverged": len(runs)}
    errors = [m["tasks"][task]["error"] for m in metrics]
    minutes = [m["cpu_seconds"] / 60 for m in metrics]
    return {
        "errors": errors,
        "validation_errors": [m["tasks"][task]["validation_error"] for m in metrics],
        "median": statistics.median(errors),
        "best": min(errors),
        "worst": max(errors),
        "cpu_minutes": [round(value, 2) for value in minutes],
        "median_cpu_minutes": round(statistics.median(minutes), 2),
        "epochs": [m["epochs"] for m in metrics],
        "status": [m["status"] for m in metrics],
        "diverged": len(runs) - len(metrics),
        "versions": metrics[0]["versions"],
    }


def comparison_table(content):
    """Return the Markdown table of what this command wrote as JSON."""
    from tuning.report import markdown

    header = ["task", "default, median error, %", "found, median error, %", "default, CPU min", "found, CPU min"]
    rows = []
    for task, row in content["tasks"].items():
        sides = row[DEFAULT], row["found"]
        rows.append([task, *map(_shown_error, sides), *(f"{side.get('median_cpu_minutes', '-')}" for side in sides)])
    return markdown(header, rows)


def _shown_error(side):
    if not side["errors"]:
        return "diverged"
    return f"{side['median']:.1f} ({side['best']:.1f} to {side['worst']:.1f})"


def _say(line):
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
