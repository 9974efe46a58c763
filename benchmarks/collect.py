"""Gather the metrics of trained runs into one file under version control.

Given several folders of runs, the run of each task with the lowest validation error is chosen, of equals the one with
the lowest validation loss of its answers; test errors are not looked at. What was not chosen stays in the file with its
validation error.
"""

import argparse
import shlex
import sys

from benchmarks import report


def main(arguments=None):
    """Collect the runs in some folders and write the JSON file."""
    options = _parser().parse_args(arguments)
    content = {
        "about": options.about,
        "commands": options.command,
        "machine": report.machine(),
        **collect(options.folders),
    }
    report.write(options.json, content)
    print(f"mean error {content['mean_error']} %, {content['failed']} failed")
    return 0


def collect(folders):
    """Choose one run a task by validation error.

    Args:
        folders: Folders that `dmn-keras train` wrote, each one run or one run a task.

    Returns:
        Dict of `"tasks"` (task name to its metrics, settings and the candidates' validation errors), `"mean_error"`
        and `"failed"`.
    """
    from dmn_keras.training.evaluation import summary
    from dmn_keras.training.run_folder import RunFolder, read_json

    candidates = {}
    for folder in folders:
        for run in RunFolder(folder).runs():
            if not run.metrics.exists():
                continue
            metrics, recipe = read_json(run.metrics), run.recipe()
            loss = _best_validation_loss(run, metrics["best_epoch"])
            for task, row in metrics["tasks"].items():
                of_run = {
                    name: metrics[name] for name in ("seed", "epochs", "best_epoch", "seconds", "status", "versions")
                }
                candidates.setdefault(task, []).append(
                    {**row, **of_run, "validation_loss": loss, "run": str(folder), "command": command_of(recipe)}
                )
    tasks = {}
    for task in sorted(candidates, key=lambda name: (len(name), name)):
        best = min(candidates[task], key=lambda row: (row["validation_error"], row["validation_loss"]))
        errors = {row["run"]: row["validation_error"] for row in candidates[task]}
        tasks[task] = {**best, "candidates_validation_error": errors}
    return summary(tasks)


def command_of(recipe):
    """Return the command that trains a run of this recipe again; `DIR` stands for where the data lies."""
    from dmn_keras.training.config import Config

    defaults = Config().to_dict()
    changed = {
        name: value for name, value in recipe.config.to_dict().items() if value != defaults[name] and name != "seed"
    }
    words = ["dmn-keras", "train", "--dataset", recipe.dataset, "--data-dir", "DIR", "--tasks", ",".join(recipe.tasks)]
    if recipe.dataset_config:
        words += ["--config", recipe.dataset_config]
    words += ["--seed", str(recipe.config.seed)]
    for name, value in changed.items():
        words += ["--set", f"{name}={value}"]
    return shlex.join(words)


def _best_validation_loss(run, best_epoch):
    """Return the validation loss of the answers in the epoch whose weights were kept, without gates and penalty."""
    from dmn_keras.training.run_folder import read_json

    epoch = read_json(run.history)[best_epoch - 1]
    return epoch.get("val_answer_loss", epoch["val_loss"])


def _parser():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", help="run folders")
    parser.add_argument("--about", required=True, help="one sentence on what was measured")
    parser.add_argument("--command", action="append", default=[], help="command that made a folder; may be repeated")
    parser.add_argument("--json", required=True, help="file to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
