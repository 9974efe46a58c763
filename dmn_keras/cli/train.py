"""`dmn-keras train`."""

import argparse
import dataclasses
import itertools
import pathlib

from dmn_keras.cli.common import add, given, print_error, print_text, refuse_file, source_of
from dmn_keras.tasks.config import PRESETS, preset
from dmn_keras.utils.settings import parse_settings

HELP = "train a model; without arguments on generated stories"

MAIN_TASKS, MAIN_PRESET = "two-supporting-facts", "quick"
"""What `train` does without arguments: about a minute and a half on two cores."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    option = parser.add_argument
    add(parser, "--dataset", default="stories")
    add(parser, "--data-dir", "--config", "--tasks")
    option(
        "--supervise-gates",
        action=argparse.BooleanOptionalAction,
        help="whether supporting facts that the data names teach the gates (default: as the preset has it)",
    )
    option("--epochs", type=int, help="most epochs (default: that of the other settings)")
    option("--seed", type=int, help="seed of weights, order, dropout and validation cut (default: 0)")
    default = f"normed; on stories without --tasks {MAIN_PRESET}"
    option("--preset", metavar="NAME", help=f"settings to start from: {', '.join(PRESETS)} (default: {default})")
    option("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting; `--set help` lists all")
    option(
        "--from", dest="start_from", metavar="RUN", help="a run or pretrained model, a DMN for questions, to start from"
    )
    option("--output", metavar="DIR", help="run folder (default: a new one, runs/DATASET-N)")
    option("--one-by-one", action="store_true", help="one model a task, in subfolders of the run folder")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="resume the run in --output")
    existing.add_argument("--overwrite", action="store_true", help="replace the run in --output")
    add(parser, "--strategy", "--devices", "--verbose")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.inference.evaluation import summary, table
    from dmn_keras.training.memory import keep_freed_memory
    from dmn_keras.training.run_folder import RunFolder
    from dmn_keras.training.strategy import cluster_of, get_distribution
    from dmn_keras.training.trainer import TrainingDivergedError, train

    keep_freed_memory()
    if (options.resume or options.overwrite) and not options.output:
        raise ValueError("--resume and --overwrite need --output, the run folder they are about.")
    config = config_of(options)
    if _is_main_job(options):
        options.tasks = MAIN_TASKS
    source = source_of(options)
    cluster = cluster_of(options.strategy)
    if not options.output and cluster is not None:
        raise ValueError("Several workers (TF_CONFIG) need --output: a run folder on a disk that all of them share.")
    output = pathlib.Path(options.output or _new_folder(options.dataset))
    parts = [(source, output)]
    if options.one_by_one:
        parts = [(dataclasses.replace(source, tasks=(task,)), output / task) for task in source.tasks]
    for _, folder in parts:
        refuse_file(folder)
    if not (options.resume or options.overwrite):
        for _, folder in parts:
            RunFolder(folder).refuse_existing()
    if options.one_by_one and RunFolder(output).exists():
        raise FileExistsError(f"{output} holds one run for all its tasks: choose another --output for --one-by-one.")
    get_distribution(options.strategy, options.devices)  # raises for devices that are not there
    named = given(options, "resume", "overwrite", "start_from", "strategy", "devices", "verbose")
    status, trained = 0, {}
    for part, folder in parts:
        try:
            metrics = train(part, config, folder, **named)
        except TrainingDivergedError as error:
            print_error(options, error)
            status = 1
            continue
        if cluster is None or cluster.index == 0:  # the first of several workers prints for all
            _print_result(metrics, folder)
            _show_example(part, folder, config.trainer.seed)
        trained |= metrics["tasks"]
        if metrics["status"] == "interrupted":
            status = 130
            break
    if len(parts) > 1 and trained:
        print_text(f"\n{len(trained)} of {len(parts)} tasks were trained, each a model of its own in {output}:")
        print_text(table(summary(trained)))
    return status


def _is_main_job(options):
    return options.dataset == "stories" and options.tasks is None


def config_of(options):
    """Return the `RunConfig` that the arguments name: `--set` before the preset."""
    from dmn_keras.tasks.registry import task_class_for
    from dmn_keras.text.word_vectors import check_word_vectors

    usual = MAIN_PRESET if _is_main_job(options) and not options.start_from else None
    name = usual if options.preset is None else options.preset
    chosen = {} if name is None else preset(name)
    default = task_class_for(options.dataset).default_config
    try:
        config = default.replace(chosen)
    except ValueError as error:
        raise ValueError(f"preset {name!r} is not for dataset {options.dataset!r}: {error}") from error
    config = config.replace(parse_settings(options.set))
    config = config.replace(given(options, "epochs", "seed", "supervise_gates"))
    if config.data.word_vectors is not None:
        check_word_vectors(config.data.word_vectors)
    return config


def _new_folder(dataset):
    """Return the first of `runs/DATASET-1`, `runs/DATASET-2`, ... that is not there yet."""
    folders = (pathlib.Path("runs", f"{dataset}-{number}") for number in itertools.count(1))
    return next(folder for folder in folders if not folder.exists())


def _print_result(metrics, folder):
    from dmn_keras.inference.evaluation import table

    tested = all("questions" in row for row in metrics["tasks"].values())
    print_text(
        f"\n{metrics['epochs']} epochs in {metrics['seconds']:.0f} s, stopped by {metrics['status']}; "
        f"best epoch {metrics['best_epoch']}. {'Test' if tested else 'Validation (not every task has test)'} examples:"
    )
    print_text(table(metrics))
    print_text(f"Model and metrics are in {folder}.\n")


def _show_example(source, folder, seed):
    """Answer the first example of the first part's test split, or of its training split where there is none."""
    from dmn_keras import datasets
    from dmn_keras.tasks.preset import PresetFolder

    where = {"data_dir": source.data_dir, "config": source.config, "seed": seed, "num_examples": 1}
    parts = (datasets.load(source.dataset, task=source.tasks[0], split=part, **where) for part in ("test", "train"))
    example = next(filter(None, parts))[0]
    task = PresetFolder(folder).load()
    print_text(task.explain(example, task.predict([example])[0]))
