"""Found configurations beside the default, task by task: median test error over seeds and cost in CPU minutes.

The same command resumes it where it was interrupted; finished runs are not trained again.
"""

import argparse
import pathlib
import statistics
import sys

if __package__ in (None, ""):  # python tuning/compare.py
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from benchmarks.base import markdown
from tuning.command import run_command

COMMAND = "tuning/compare.py"
SIDES = ("default", "found")


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: List of arguments, `sys.argv[1:]` by default.

    Returns:
        Exit status: 0, 2 for a mistake in the arguments or files, 130 after Ctrl-C.
    """
    options = build_parser().parse_args(arguments)
    return run_command(COMMAND, lambda: _compare(options))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--found", nargs="+", required=True, metavar="FILE", help="files that searches wrote, best.json")
    add("--dataset", default="babi", help="any of `dmn-keras train --dataset help` (default: babi)")
    add("--data-dir", metavar="DIR", help="archive, folder or file of the data")
    add("--config", help="configuration of the dataset, e.g. en-10k")
    add("--tasks", help="names, numbers and ranges of tasks, one model each (default: those searched)")
    add("--seeds", default="0,1,2", help="seeds of the runs (default: 0,1,2)")
    add("--epochs", type=int, help="most epochs of the default (default: those of the search)")
    add("--output", required=True, metavar="DIR", help="folder of the runs")
    add("--json", metavar="FILE", help="write the comparison there")
    add("--verbose", type=int, default=0, choices=(0, 1, 2), help="Keras' verbosity")
    return parser


def _compare(options):
    from dmn_keras.training.reproduce import plan, train_planned
    from dmn_keras.training.tables import Runs, Table
    from dmn_keras.utils.files import write_json

    seeds = _seeds(options.seeds)
    found = _found(options)
    searched = {task: file["settings"]["trainer"]["epochs"] for task, file in found.items()}
    epochs = {task: {"default": options.epochs or most, "found": most} for task, most in searched.items()}
    runs = []
    for task, file in found.items():
        runs.append(Runs(f"default-{task}", task, {"epochs": epochs[task]["default"]}, seeds))
        runs.append(Runs(f"found-{task}", task, file["settings"], seeds))
    data = f"{options.dataset} {options.config or ''}".strip()
    table = Table(f"{data}, found configurations", options.dataset, options.config, tuple(runs))
    output = pathlib.Path(options.output)
    train_planned(table, plan(table, options.data_dir), output, data_dir=options.data_dir, verbose=options.verbose)
    content = {
        "about": f"{data}, found configurations beside the default; median test error over {len(seeds)} seeds, cost in "
        "minutes of CPU a run",
        "seeds": list(seeds),
        "epochs": epochs,
        "tasks": {
            task: {
                **{
                    side: _measured([output / f"{side}-{task}" / f"seed{seed}" / task for seed in seeds])
                    for side in SIDES
                },
                "settings": file["settings"],
                "validation_error_of_search": file["validation_error"],
            }
            for task, file in found.items()
        },
    }
    if options.json:
        write_json(options.json, content)
    print(comparison_table(content))
    return 0


def _seeds(text):
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise ValueError(f"--seeds must be whole numbers, each once: 0,1,2. Received: {text!r}")
    return tuple(map(int, parts))


def _found(options):
    """Return the content of the file of each task, in the tasks' order."""
    from dmn_keras.datasets import parse_tasks, task_names
    from dmn_keras.tasks.registry import task_class_for
    from dmn_keras.utils.files import read_json

    found, default = {}, task_class_for(options.dataset).default_config
    for path in options.found:
        content = read_json(path)
        try:
            default.replace(content["settings"])
            tasks = content["search"]["tasks"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"--found {path} is not a file that a search wrote (best.json): {error}") from error
        for task in tasks:
            if task in found:
                raise ValueError(f"--found names two configurations for task {task}: leave one of them out.")
            found[task] = content
    names = task_names(options.dataset, options.data_dir)
    tasks = parse_tasks(options.tasks, names) if options.tasks else [name for name in names if name in found]
    missing = [task for task in tasks if task not in found]
    if missing or not tasks:
        raise ValueError(f"--found has no configuration for task {', '.join(missing) or '(none of the dataset)'}.")
    return {task: found[task] for task in tasks}


def _measured(folders):
    """Return errors and cost of the runs of one configuration on one task."""
    from dmn_keras.utils.files import read_json

    metrics = [read_json(path) for path in (folder / "metrics.json" for folder in folders) if path.exists()]
    return {
        "errors": [m["mean_error"] for m in metrics],
        "cpu_minutes": [round(m["cpu_seconds"] / 60, 2) for m in metrics],
        **{name: [m[name] for m in metrics] for name in ("epochs", "status", "versions")},
    }


def comparison_table(content: dict) -> str:
    """Return the Markdown table of what this command writes as JSON."""
    header = ["task", "default, median error, %", "found, median error, %", "default, CPU min", "found, CPU min"]
    rows = []
    for task, row in content["tasks"].items():
        errors, minutes = ([row[side].get(name, []) for side in SIDES] for name in ("errors", "cpu_minutes"))
        shown = [f"{statistics.median(e):.1f} ({min(e):.1f} to {max(e):.1f})" if e else "diverged" for e in errors]
        rows.append([task, *shown, *(f"{statistics.median(m):.2f}" if m else "-" for m in minutes)])
    return markdown(header, rows)


if __name__ == "__main__":
    sys.exit(main())
