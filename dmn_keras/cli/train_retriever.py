"""`dmn-keras train-retriever`."""

import argparse
import pathlib

from dmn_keras.cli.common import COMMAND, RUN, add, add_source, given, print_text, refuse_file, source_of
from dmn_keras.tasks.pretrained import BABI_JOINT

HELP = "teach a trained model to find its facts in long texts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    option = parser.add_argument
    option("folder", metavar="RUN", nargs="?", help=f"{RUN} (default: {BABI_JOINT})")
    option("--books", required=True, metavar="FOLDER", help="folder of .txt files that hold no facts")
    option("--output", required=True, metavar="DIR", help="run folder to write")
    add_source(parser)
    option(
        *("--max-retrieved-facts", "--narrow-to"),
        type=int,
        metavar="N",
        help="most facts retrieved (default: max_facts of the run, or 130)",
    )
    option("--epochs", type=int, default=100, help="times that the books are read (default: 100)")
    option("--seed", type=int, help="seed of weights, order, and what is drawn (default: 0)")
    add(parser, "--verbose")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.datasets.babi_long import Books
    from dmn_keras.inference.evaluation import table
    from dmn_keras.long_context.train_retriever import refuse_run, train_retriever
    from dmn_keras.training.run_folder import RunFolder

    folder, output = RunFolder.find(options.folder), pathlib.Path(options.output)
    refuse_file(output)
    refuse_run(RunFolder(output))
    named = given(options, "max_retrieved_facts", "epochs", "seed", "verbose")
    source = source_of(options, folder.source())
    metrics = train_retriever(folder, source, Books(options.books), RunFolder(output), **named)
    found = metrics["retriever"]
    print_text(
        f"\nOf sentences held out, the retriever selects {found['facts_selected']} % of the facts and "
        f"{found['background_selected']} % of the others. Test questions of the stories as they are:"
    )
    print_text(table(metrics))
    print_text(f"Model and metrics are in {output}.")
    if folder.calibration.exists():
        print_text(f"Calibrate the new run: {COMMAND} calibrate {output}")
    return 0
