"""The files of a search -> its trials, best first."""

import json
import pathlib
import statistics

from dmn_keras.utils.files import read_json

STATUS = {"COMPLETED": "done", "FAILED": "failed"}
"""keras-tuner's words and ours; every other one is a trial that was cut off and can go on."""


def execution_result(folder, epochs=None):
    """Return what a run reached on its validation questions in its first epochs.

    Args:
        folder: The run folder.
        epochs: How many epochs count; all by default.

    Returns:
        Dict of `"error"` (share of wrong answers) and `"loss"` of the best epoch, `"best_epoch"` from 1, and
        `"epochs"`, `"seconds"` and `"cpu_seconds"` of all that count; `None` before the first.
    """
    path = pathlib.Path(folder, "history.json")
    history = read_json(path)[:epochs] if path.exists() else []
    if not history:
        return None
    best = min(range(len(history)), key=lambda i: (history[i]["val_error"], history[i]["val_loss"]))
    return {
        "error": history[best]["val_error"],
        "loss": history[best].get("val_answer_loss", history[best]["val_loss"]),
        "best_epoch": best + 1,
        "epochs": len(history),
        **{name: round(sum(epoch[name] for epoch in history), 3) for name in ("seconds", "cpu_seconds")},
    }


def read_trials(folder):
    """Read all trials that were begun.

    Args:
        folder: The `SearchFolder`.

    Returns:
        List of dicts, in the order in which they were begun: `"trial"`; `"root"`, the trial that its training began
        with, under Hyperband another one; `"status"`, `"done"`, `"failed"` or `"cut off"`; `"labels"`, keras-tuner's
        values; `"epochs"` of Hyperband, else `None`; `"score"`, `None` if it is not done.
    """
    trials = {}
    paths = folder.tuner.glob("trial_*/trial.json")
    for path in sorted(paths, key=lambda path: int(path.parent.name.partition("_")[2])):
        content = read_json(path)
        labels = content["hyperparameters"].get("values", {})
        before = trials.get(labels.get("tuner/trial_id"))
        trials[content["trial_id"]] = {
            "trial": content["trial_id"],
            "root": before["root"] if before else content["trial_id"],
            "status": STATUS.get(content["status"], "cut off"),
            "labels": {name: value for name, value in labels.items() if not name.startswith("tuner/")},
            "epochs": labels.get("tuner/epochs"),
            "score": content["score"] if content["status"] == "COMPLETED" else None,
            "message": content.get("message"),
        }
    return list(trials.values())


def configurations(folder, seeds, epochs):
    """Sum up the trials of each configuration, the best first, then those without a result.

    Args:
        folder: The `SearchFolder`.
        seeds: The seeds of a trial.
        epochs: Most epochs of a trial.

    Returns:
        List of dicts, each that of the last trial that is done, or else of the last one, with `"executions"`: a dict
        of seed to what `execution_result` returns; `"error"`, the mean over them, `None` without a result; and
        `"reason"`, why it failed, `None` if it did not.
    """
    rows = {}
    for trial in read_trials(folder):
        known = rows.get(trial["root"])
        if known is None or trial["status"] == "done" or known["status"] != "done":
            rows[trial["root"]] = trial
    for row in rows.values():
        results = {seed: execution_result(folder.run(row["root"], seed), row["epochs"] or epochs) for seed in seeds}
        row["executions"] = {seed: result for seed, result in results.items() if result}
        done = row["status"] == "done"
        row["error"] = statistics.fmean(r["error"] for r in row["executions"].values()) if done else None
        row["reason"] = _reason(folder, row) if row["status"] == "failed" else None
    return sorted(rows.values(), key=lambda row: (row["score"] is None, row["score"], row["trial"]))


def _reason(folder, row):
    """Return why a trial failed: workers leave it in the run's folder, keras-tuner's messages do not carry it."""
    for path in sorted((folder.runs / row["root"]).glob("seed*/failed.json")):
        return read_json(path)["reason"]
    lines = (row["message"] or "").strip().splitlines()
    return lines[-1] if lines else "unknown"


def counts(folder):
    """Return how many trials are done, failed and cut off, a dict."""
    statuses = [trial["status"] for trial in read_trials(folder)]
    return {status: statuses.count(status) for status in ("done", "failed", "cut off")}


def cpu_minutes(folder):
    """Return the minutes of CPU of all epochs of all trials."""
    paths = folder.runs.glob("*/seed*/history.json")
    return sum(epoch["cpu_seconds"] for path in paths for epoch in json.loads(path.read_text())) / 60
