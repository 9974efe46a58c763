"""`dmn-keras evaluate`."""

import argparse
import dataclasses
import pathlib

from dmn_keras.cli.common import RUN, add, add_source, given, print_json, print_text, refuse, source_of
from dmn_keras.errors import unknown_name

HELP = "measure a trained model on the test examples"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="RUN", help=RUN)
    add_source(parser)
    add(parser, "--batch-size")
    add(parser, "--beam-width", default=None)
    parser.add_argument("--json", metavar="FILE", help="write the result to a file, - for the standard output")
    parser.add_argument("--errors", metavar="FILE", help="write the wrong answers to a CSV file")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.inference.evaluation import (
        evaluate_tasks,
        load_test_examples,
        overall,
        summary,
        table,
        write_errors,
    )
    from dmn_keras.tasks.question_answering import QuestionAnswerer
    from dmn_keras.tasks.registry import task_class_for
    from dmn_keras.training.run_folder import RunFolder
    from dmn_keras.utils.files import write_json

    runs = RunFolder.find(options.folder).runs()
    trained_on = [run.source() for run in runs]
    sources = [source_of(options, source) for source in trained_on]
    if len(runs) > 1:  # one model a task: each answers for its own
        sources = _own_tasks(sources, [source.tasks for source in trained_on])
    tasks, wrong = {}, []
    for folder, source in zip(runs, sources, strict=True):
        if source.tasks:
            task = folder.load(task_class_for(source.dataset))
            if not isinstance(task, QuestionAnswerer):
                refuse(options, ("beam_width",), "it is for question answering")
            examples = load_test_examples(source, task.config.trainer.seed)
            rows, errors = evaluate_tasks(task, examples, **given(options, "batch_size", "beam_width"))
            tasks.update(rows)
            wrong += errors
    content = {**overall(tasks), **summary(tasks)}
    if options.errors:
        write_errors(wrong, options.errors)
    if options.json == "-":
        print_json(content, indent=1)
        return 0
    print_text(table(summary(tasks)))
    if options.errors:
        print_text(f"The {len(wrong):,} wrong answers are in {options.errors}.")
    if options.json:
        write_json(pathlib.Path(options.json), content)
    return 0


def _own_tasks(sources, trained):
    """Leave each `Source` the tasks its run was trained on; raise if one was asked for that no run has."""
    known = list(dict.fromkeys(task for tasks in trained for task in tasks))
    unknown = dict.fromkeys(task for source in sources for task in source.tasks if task not in known)
    if unknown:
        raise ValueError(unknown_name("--tasks", ",".join(unknown), known))
    return [
        dataclasses.replace(source, tasks=tuple(task for task in source.tasks if task in tasks))
        for source, tasks in zip(sources, trained, strict=True)
    ]
