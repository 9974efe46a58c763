"""`dmn-keras reproduce`."""

import argparse
import pathlib

from dmn_keras.cli.common import add, given, print_text, refuse_file
from dmn_keras.training.tables import TABLES

HELP = "train the models of a results table again; resumes an interrupted run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    option = parser.add_argument
    option("table", metavar="TABLE", help=f"one of {', '.join(TABLES)}")
    add(parser, "--data-dir", "--tasks")
    option("--word-vectors", metavar="FILE", help="GloVe vectors, for the tables that start from them")
    option("--output", metavar="DIR", help="the table's folder (default: runs/TABLE)")
    add(parser, "--strategy", "--devices", "--verbose")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.inference.evaluation import table
    from dmn_keras.training.memory import keep_freed_memory
    from dmn_keras.training.reproduce import reproduce

    keep_freed_memory()
    output = pathlib.Path(options.output or pathlib.Path("runs", options.table))
    refuse_file(output)
    named = given(options, "data_dir", "tasks", "word_vectors", "strategy", "devices", "verbose")
    content = reproduce(options.table, output, **named)
    print_text(f"\n{content['about']}:")
    columns = ("questions", "validation_questions", "error")  # the other fields are about the run
    rows = {task: {name: row[name] for name in columns if name in row} for task, row in content["tasks"].items()}
    print_text(table({**content, "tasks": rows}))
    print_text(f"The table is in {output / 'results.json'}.")
    statuses = [run["status"] for row in content["tasks"].values() for run in row["runs"]]
    return int("diverged" in statuses)
