"""What a search found: the table of its trials, a picture, the best configuration and its model."""

import math
import pathlib
import shutil
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.base import markdown
from dmn_keras.datasets import Source, train_and_validation
from dmn_keras.tasks.registry import task_class_for
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.training.trainer import measure_run
from dmn_keras.utils.files import read_json, write_json
from tuning.folder import STATUS, SearchFolder
from tuning.hypermodel import training_result
from tuning.space import Space, to_label

NOT_CHOSEN = "-"
COLUMNS = 5


def report(folder: SearchFolder, source: Source, space: Space, seeds: Sequence[int], epochs: int, about: dict) -> int:
    """Write `trials.md`, `trials.png`, `best.json` with `about` in it, and `best/`, and print what they hold.

    Returns:
        Exit status: 1 if no trial is done or more than half of those that ended failed, else 0.
    """
    rows = configurations(folder, space, seeds, epochs)
    statuses = [STATUS.get(trial["status"], "cut off") for trial in folder.trials().values()]
    number = {status: statuses.count(status) for status in ("done", "failed", "cut off")}
    histories = map(read_json, folder.runs.glob("*/seed*/history.json"))
    cpu = sum(epoch["cpu_seconds"] for history in histories for epoch in history) / 60
    if rows:
        table = trial_table(rows, space.names())
        folder.table.write_text(table + "\n", encoding="utf-8")
        print(f"\n{table}\n")
    print(", ".join(f"{count} {status}" for status, count in number.items()), f"trials; CPU {cpu:.1f} min.")
    if draw(rows, space, folder.picture):
        print(f"The table is in {folder.table}, the picture in {folder.picture}.")
    failed = number["failed"] > number["done"]
    if failed:
        print(f"More than half of the trials failed; {folder.table} has the reasons.", file=sys.stderr)
    if number["done"] == 0:
        print("No trial is done: give the command again, with a larger --budget if the time is used.", file=sys.stderr)
        return 1
    best = _best(folder, source, rows[0], {**about, "trials": number, "cpu_minutes": round(cpu, 2)})
    print(
        f"Best: trial {best['trial']}, validation error {best['validation_error']:.2f} %; in {folder.best}.\n"
        f"Its model is in {folder.model.path}: test error {best['test_error']:.2f} %, measured after the choice."
    )
    return int(failed)


def configurations(folder: SearchFolder, space: Space, seeds: Sequence[int], epochs: int) -> list[dict[str, Any]]:
    """Return the configurations that a search tried, the best first, those without a result last.

    Trials in which Hyperband continued a configuration are one row, that of the last one that is done.

    Returns:
        List of dicts: `"trial"` and `"first"`, ids of the last trial and of the one its training began with;
        `"labels"`; `"status"`; `"reason"` of a failure, else `None`; `"results"`, dict of seed to `training_result`;
        `"error"`, their mean error, `None` without a result; `"score"`.
    """
    rows, firsts = {}, {}
    for trial_id, trial in folder.trials().items():
        values = trial["hyperparameters"]["values"]
        first = firsts[trial_id] = firsts.get(values.get("tuner/trial_id"), trial_id)
        done = trial["status"] == "COMPLETED"
        if first in rows and rows[first]["status"] == "done" and not done:
            continue
        last = values.get("tuner/epochs", epochs)
        results = {seed: training_result(folder.run(first, seed), last) for seed in seeds}
        results = {seed: result for seed, result in results.items() if result}
        rows[first] = {
            "trial": trial_id,
            "first": first,
            "labels": space.labels(values),
            "status": STATUS.get(trial["status"], "cut off"),
            "reason": _reason(folder, first, trial) if trial["status"] == "FAILED" else None,
            "results": results,
            "error": statistics.fmean(result["error"] for result in results.values()) if done else None,
            "score": trial["score"] if done else math.inf,
        }
    return sorted(rows.values(), key=lambda row: (row["score"], int(row["trial"])))


def _reason(folder, first, trial):
    path = folder.runs / first / "failed.json"
    return read_json(path)["reason"] if path.exists() else trial.get("message") or "unknown"


def trial_table(rows: Sequence[dict], names: Sequence[str]) -> str:
    """Return the Markdown table of `configurations`, with a column for each of the searched settings."""

    def cells(row):
        results = row["results"].values()
        return (
            row["trial"] if row["trial"] == row["first"] else f"{row['first']}, {row['trial']}",
            NOT_CHOSEN if row["error"] is None else f"{100 * row['error']:.2f}",
            ", ".join(f"{100 * result['error']:.2f}" for result in results) or NOT_CHOSEN,
            max((result["epochs"] for result in results), default=0),
            f"{sum(result['cpu_seconds'] for result in results) / 60:.1f}",
            *(row["labels"].get(name, NOT_CHOSEN) for name in names),
            f"failed: {row['reason']}".replace("|", "/").replace("\n", " ") if row["reason"] else row["status"],
        )

    header = ["trial", "validation error, %", "seeds, %", "epochs", "CPU min", *names, "status"]
    return markdown(header, list(map(cells, rows)))


def draw(rows: Sequence[dict], space: Space, path: pathlib.Path) -> bool:
    """Draw the validation error over the values of each setting that varied, one panel a setting.

    Returns:
        Whether there was something to draw: two results between which a setting differs.
    """
    rows = [row for row in rows if row["error"] is not None]
    panels = {}
    for name in space.names():
        labels = [NOT_CHOSEN, *(to_label(v) for choice in space.choices if choice.name == name for v in choice.values)]
        tried = {row["labels"].get(name, NOT_CHOSEN) for row in rows}
        if len(tried) > 1:
            panels[name] = [label for label in dict.fromkeys(labels) if label in tried]
    if not panels:
        return False
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(max(2 * columns, 4), 2 * lines + 0.5), layout="constrained")
    areas = figure.subplots(lines, columns, sharey=True, squeeze=False)
    errors = [100 * row["error"] for row in rows]
    for area, (name, labels) in zip(areas.flat, panels.items(), strict=False):
        # Trials of one value stand beside one another, so that none hides another.
        x = [labels.index(row["labels"].get(name, NOT_CHOSEN)) + int(row["trial"]) % 7 / 14 - 0.2 for row in rows]
        area.scatter(x, errors, s=10, alpha=0.6, linewidths=0)
        area.scatter(x[0], errors[0], s=60, marker="*", color="tab:red")
        area.set_xticks(range(len(labels)), labels, fontsize=8, rotation=30 if len("  ".join(labels)) > 25 else 0)
        area.set_xlim(-0.5, len(labels) - 0.5)
        area.set_title(name, fontsize=10)
    for area in areas.flat[len(panels) :]:
        area.set_visible(False)
    figure.supylabel("validation error, %", fontsize=10)
    figure.suptitle(f"{len(rows)} configurations; the star is the best one", fontsize=11)
    figure.savefig(path, dpi=100)
    return True


def _best(folder, source, row, about):
    """Write `best/`, the run of the seed with the lowest validation error, and `best.json`; return its content."""
    seed = min(row["results"], key=lambda seed: (row["results"][seed]["error"], row["results"][seed]["loss"]))
    run = RunFolder(folder.run(row["first"], seed))
    origin = {"run": run.path.relative_to(folder.path).as_posix(), "epochs_of_run": len(read_json(run.history))}
    metrics = _model(folder, source, run, origin)
    settings = run.read_task(task_class_for(source.dataset)).config.to_dict()
    del settings["trainer"]["seed"]  # it is `model_seed`
    content = {
        "settings": settings,
        "chosen": row["labels"],
        "validation_error": round(100 * row["error"], 4),
        "validation_errors": {str(s): round(100 * result["error"], 4) for s, result in row["results"].items()},
        "test_error": metrics["mean_error"],
        "trial": row["trial"],
        **origin,
        "model_seed": seed,
        "cpu_minutes_of_trial": round(sum(result["cpu_seconds"] for result in row["results"].values()) / 60, 2),
        "parameters": metrics["parameters"],
        **about,
    }
    write_json(folder.best, content)
    return content


def _model(folder, source, run, origin):
    """Return the metrics of `best/`; makes it and measures it unless it is of this run already."""
    best, known = folder.model, read_json(folder.best) if folder.best.exists() else {}
    if best.metrics.exists() and origin.items() <= known.items():
        return read_json(best.metrics)
    shutil.rmtree(best.path, ignore_errors=True)
    task = run.read_task(task_class_for(source.dataset))
    seed, fraction = task.config.trainer.seed, task.config.data.validation_fraction
    print("Measuring the best model on the test examples", flush=True)
    _, valid = train_and_validation(source, validation_fraction=fraction, seed=seed)
    best.create(task, source)
    for path in (run.history, run.best_weights):
        shutil.copy(path, best.path / path.name)
    task.compile()
    metrics = measure_run(task, best, source, valid)
    best.remove_backup()
    return metrics
