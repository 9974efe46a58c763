"""`dmn-keras predict`."""

import argparse
import contextlib
import itertools
import os
import sys

from dmn_keras.cli.common import RUN, add, print_json

HELP = "answer questions that are given as JSON lines"
MORE = (
    " Each line is an object with the fields of an example, e.g. story and question; an image is the path of a file, "
    "relative to the file that names it. Each answer is a line of JSON."
)

_MISTAKES = (TypeError, ValueError, OSError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="RUN", help=RUN)
    parser.add_argument("--input", default="-", metavar="FILE", help="JSON lines, - for the standard input")
    add(parser, "--batch-size")
    parser.set_defaults(json=True)  # the standard output holds JSON alone


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.layers.checks import positive_integer
    from dmn_keras.tasks.task import Task

    positive_integer("batch_size", options.batch_size)
    task = Task.from_preset(options.folder)
    with contextlib.nullcontext(sys.stdin.buffer) if options.input == "-" else open(options.input, "rb") as file:
        examples = _examples(file, options.input, task.preprocessor.example_class)
        while batch := list(itertools.islice(examples, options.batch_size)):
            try:
                answers = task.predict([example for _, example in batch], batch_size=options.batch_size)
            except _MISTAKES:  # in an image, for instance, which is read only now
                _find_mistake(task, batch)
                raise
            for answer in answers:
                print_json(answer.to_dict())
    return 0


def _find_mistake(task, batch):
    """Raise `ValueError` with the place of the first example that cannot be read, if it is one that cannot."""
    for place, example in batch:
        try:
            task.preprocessor.encode([example])
        except _MISTAKES as error:
            raise ValueError(f"{place}: {str(error).removeprefix('record 1: ')}") from error


def _examples(file, name, example_class):
    """Yield the examples of a file of JSON lines, each with its place."""
    from dmn_keras.utils.json_lines import parse_object
    from dmn_keras.utils.lines import numbered_lines

    folder = os.path.dirname(name)
    for place, text in numbered_lines(file, source="the standard input" if name == "-" else name):
        record = parse_object(text, place)
        if "image" in getattr(example_class, "RAW_FIELDS", ()) and isinstance(record.get("image"), str):
            record["image"] = os.path.join(folder, record["image"])
        yield place, example_class.from_record(record, place)
