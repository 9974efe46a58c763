"""What mixed precision costs in accuracy: test errors of the same runs under Keras' three policies, over some seeds."""

import os
import statistics
import tempfile

from benchmarks import base

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
SETTINGS = {
    "supervise_gates": True,
    "gate": "softmax",
    "fact_encoder": "position",
    "input_fusion": True,
    "memory_update": "relu",
    "learning_rate": 3e-3,
    "batch_size": 100,
    "patience": 1000,
    "stop_after_perfect_epochs": 1000,
}
"""Changes of the preset `dmn_2015`."""
TASKS = {
    "one fact": ("babi", "en-10k", "1", {"epochs": 2}),
    "two facts": ("stories", None, "two-supporting-facts", {"epochs": 5, "l2": 1e-4}),
}
"""Dataset, configuration, task and settings by name: bAbI's task 1, and generated stories with two supporting facts."""


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to."""
    parser = base.parser("mixed_precision", __doc__, backend=True)
    parser.add_argument("--data-dir", help="archive or folder of bAbI")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--seeds", type=int, default=3, help="runs of each policy")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="other settings than these")
    options = parser.parse_args(arguments)
    os.environ["KERAS_BACKEND"] = options.backend
    from dmn_keras.utils.settings import parse_settings

    changes = parse_settings(options.set)
    rows = [
        measure(name, policy, options.data_dir, range(options.seeds), changes)
        for name in options.tasks
        for policy in POLICIES
    ]
    base.report("mixed_precision", arguments, options.json, table, {"rows": rows})


def measure(name, policy, data_dir, seeds, changes):
    """Train one task under one policy, once a seed.

    Returns:
        Dict of `"task"`, `"policy"`, and lists with an entry a seed: `"errors"` and `"validation_errors"` in percent,
        `"losses"` of the best epoch's validation, `"seconds"` of training.
    """
    from dmn_keras import RunConfig, Source, train
    from dmn_keras.training.run_folder import RunFolder

    dataset, config, task, settings = TASKS[name]
    source = Source(dataset, (task,), data_dir if dataset == "babi" else None, config)
    row = {"task": name, "policy": policy, "errors": [], "validation_errors": [], "losses": [], "seconds": []}
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            chosen = RunConfig.preset("dmn_2015", **{**SETTINGS, **settings, **changes, "dtype": policy, "seed": seed})
            metrics = train(source, chosen, folder, strategy="one", overwrite=True, verbose=0)
            best = RunFolder(folder).read_history()[metrics["best_epoch"] - 1]
        [result] = metrics["tasks"].values()
        row["errors"].append(result["error"])
        row["validation_errors"].append(result["validation_error"])
        row["losses"].append(best["val_loss"])
        row["seconds"].append(metrics["seconds"])
    return row


def table(result):
    """Return the table of a measurement: the test errors of the seeds, their mean, and the time of a run."""
    rows = [
        [
            row["task"],
            row["policy"],
            ", ".join(base.decimals(row["errors"])),
            f"{statistics.fmean(row['errors']):.2f}",
            f"{statistics.fmean(row['losses']):.4f}",
            f"{statistics.fmean(row['seconds']):.0f}",
        ]
        for row in result["rows"]
    ]
    header = ["task", "policy", "test error of each seed, %", "mean, %", "validation loss", "s a run"]
    return base.markdown(header, rows)


if __name__ == "__main__":
    main()
