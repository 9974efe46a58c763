"""What mixed precision costs in accuracy: test errors of the same runs under Keras' three policies, over some seeds.

python -m benchmarks.mixed_precision --data-dir DIR [--tasks NAME ...] [--seeds N] [--json FILE]
python -m benchmarks.mixed_precision --table FILE
"""

import argparse
import json
import os
import pathlib
import statistics
import tempfile

from benchmarks import report

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")

_SETTINGS = {
    "supervise_gates": True,
    "fact_encoder": "position",
    "input_fusion": True,
    "memory_update": "relu",
    "learning_rate": 3e-3,
    "batch_size": 100,
    "patience": 1000,
    "solved_epochs": 1000,
}
TASKS = {
    "one fact": ("babi", "en-10k", "1", {"epochs": 2}),
    "two facts": ("stories", None, "two-supporting-facts", {"epochs": 5, "l2": 1e-4}),
}
"""Dataset, configuration, task and settings by name: bAbI's task 1, and generated stories with two supporting facts."""


def main(arguments=None):
    """Measure and print, or print the table of what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", default="tensorflow", choices=("tensorflow", "jax"))
    parser.add_argument("--data-dir", help="archive or folder of bAbI")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each policy")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="other settings than these")
    parser.add_argument("--json", help="file to write")
    parser.add_argument("--table", type=pathlib.Path, help="file that --json wrote")
    options = parser.parse_args(arguments)
    if options.table:
        print(table(json.loads(options.table.read_text(encoding="utf-8"))))
        return
    os.environ["KERAS_BACKEND"] = options.backend
    from dmn_keras.training.config import parse_settings

    changes = parse_settings(options.set)
    rows = []
    for name in options.tasks:
        for policy in POLICIES:
            rows.append(measure(name, policy, options.data_dir, range(options.seeds), changes))
            print(table({"rows": rows[-1:]}).splitlines()[-1], flush=True)
    content = {
        **report.about("mixed_precision", arguments),
        "rows": rows,
    }
    print(table(content))
    if options.json:
        report.write(options.json, content)


def measure(name, policy, data_dir, seeds, changes=None):
    """Train one task under one policy, once a seed.

    Returns:
        Dict of `"task"`, `"policy"`, and lists with an entry a seed: `"errors"` and `"validation_errors"` in percent,
        `"losses"` of the best epoch's validation, `"seconds"` of training.
    """
    from dmn_keras.training.config import Config
    from dmn_keras.training.data import Source
    from dmn_keras.training.fit import train
    from dmn_keras.training.run_folder import RunFolder
    from dmn_keras.utils.files import read_json

    dataset, config, task, settings = TASKS[name]
    source = Source(dataset, (task,), data_dir if dataset == "babi" else None, config)
    row = {"task": name, "policy": policy, "errors": [], "validation_errors": [], "losses": [], "seconds": []}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            chosen = {**_SETTINGS, **settings, **(changes or {}), "dtype": policy, "seed": seed}
            metrics = train(source, Config.from_dict(chosen), folder, strategy="one", overwrite=True, verbose=0)
            best = read_json(RunFolder(folder).history)[metrics["best_epoch"] - 1]
        [result] = metrics["tasks"].values()
        row["errors"].append(result["error"])
        row["validation_errors"].append(result["validation_error"])
        row["losses"].append(best["val_loss"])
        row["seconds"].append(metrics["seconds"])
    return row


def table(content):
    """Lay the rows out: the seeds' test errors, their mean, and the time of a run."""
    rows = [
        [
            row["task"],
            row["policy"],
            ", ".join(f"{error:.1f}" for error in row["errors"]),
            f"{statistics.fmean(row['errors']):.2f}",
            f"{statistics.fmean(row['losses']):.4f}",
            f"{statistics.fmean(row['seconds']):.0f}",
        ]
        for row in content["rows"]
    ]
    header = ["task", "policy", "test error of each seed, %", "mean, %", "validation loss", "s a run"]
    return report.markdown(header, rows)


if __name__ == "__main__":
    main()
