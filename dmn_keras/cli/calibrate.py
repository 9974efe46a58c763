"""`dmn-keras calibrate`."""

import argparse
import pathlib
import shutil
import tempfile

from dmn_keras.cli.common import RUN, UNKNOWN, add_source, print_text, source_of

HELP = "measure how far a model's probabilities can be trusted"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="RUN", help=RUN)
    add_source(parser)
    parser.add_argument("--threshold", type=float, default=0.5, metavar="P", help=UNKNOWN)
    parser.add_argument("--plot", metavar="FILE", help="draw the reliability on the test questions")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.datasets import labelled, train_and_validation
    from dmn_keras.inference.calibration import calibrate, plot_reliability
    from dmn_keras.tasks.question_answering import QuestionAnswerer
    from dmn_keras.training.run_folder import RunFolder

    folder = RunFolder.find(options.folder)
    pretrained = folder.path != pathlib.Path(options.folder)
    if not issubclass(folder.task_class(), QuestionAnswerer):
        kind = folder.task_class().__name__
        raise ValueError(f"{options.folder} holds a {kind}: only a QuestionAnswerer has probabilities to calibrate.")
    source, config = source_of(options, folder.source()), folder.read_config()
    fraction, seed = config.data.validation_fraction, config.trainer.seed
    train, valid = train_and_validation(source, validation_fraction=fraction, seed=seed)
    test = labelled(source.load("test", seed=seed))
    with tempfile.TemporaryDirectory() as copies:
        if pretrained:  # its files stay as they came
            folder = RunFolder(shutil.copytree(folder.path, pathlib.Path(copies, "run")))
        content = calibrate(folder, train, valid, test, threshold=options.threshold)
    print_text(f"{'questions of the test part':28}    count  right %  answered %  right of these %  calibration error")
    columns = (("right", 9), ("answered", 12), ("right_of_answered", 18), ("calibration_error", 19))
    for kind, row in content["test"].items():
        cells = [f"{'-' if row[n] is None else format(row[n], '.2f'):>{w}}" for n, w in columns]
        print_text(f"{kind:28}  {row['questions']:>7}{''.join(cells)}")
    if pretrained:
        print_text(f"{options.folder} keeps the calibration that it came with; calibrate a copy to change it.")
    else:
        print_text(f"The calibration is in {folder.calibration}; {UNKNOWN}: {options.threshold}")
    if options.plot:
        plot_reliability(content, options.plot)
        print_text(f"The picture is in {options.plot}.")
    return 0
