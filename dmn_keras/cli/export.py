"""`dmn-keras export`."""

import argparse
import dataclasses
import os
import pathlib

from dmn_keras.cli.common import RUN, add, given, print_text, refuse, refuse_file
from dmn_keras.tasks.pretrained import BABI_JOINT

HELP = "write a model as a SavedModel that TF Serving runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    option = parser.add_argument
    option("folder", metavar="RUN", nargs="?", help=f"{RUN} (default: {BABI_JOINT})")
    option("--output", required=True, metavar="DIR", help="the model's folder, e.g. saved_models/NAME")
    option("--version", type=int, metavar="N", help="number of the version (default: the next free one)")
    option("--top", type=int, metavar="K", help="how many of the likeliest answers it gives (default: 3)")
    add(parser, "--data-dir", help="data whose test examples are used to compare the export with the model")
    option("--dtype", help="type of the weights: float32 (default), float16 or bfloat16")
    option("--no-warmup", action="store_true", help="write no warm-up requests")
    option("--litert", action="store_true", help="write a small LiteRT file, which takes ids, instead")
    option("--num-facts", type=int, metavar="N", help="with --litert: facts a story is padded to (default: 32)")
    option("--num-words", type=int, metavar="N", help="with --litert: words a sentence is padded to (default: 16)")
    option("--no-quantize", action="store_true", help="with --litert: keep the weights as they are")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.serving import export, export_litert
    from dmn_keras.training.run_folder import RunFolder

    of_saved_model, of_litert = ("top", "dtype", "no_warmup"), ("num_facts", "num_words", "no_quantize")
    if options.litert:
        refuse(options, of_saved_model, "only used without --litert")
    else:
        refuse(options, of_litert, "only used with --litert")
    refuse_file(pathlib.Path(options.output))
    folder = RunFolder.find(options.folder)
    task = folder.load()
    named = {
        "version": options.version,
        "questions": _own_examples(folder, options.data_dir, task.config.trainer.seed),
        **given(options, "top", "dtype", "num_facts", "num_words"),
    }
    if options.litert:
        path, same = export_litert(task, options.output, quantize=not options.no_quantize, **named)
        print_text(f"The LiteRT file is in {path}; it gave the model's answer to {same:.1%} of the questions.")
        return 0
    path = export(task, options.output, warmup=not options.no_warmup, **named)
    print_text(f"The SavedModel is in {path}; loaded again, it gave the model's answers.")
    return 0


def _own_examples(folder, data_dir, seed, *, most=100):
    """Return some examples of a run's own data, from all its tasks; `None` where the data is not at hand."""
    from dmn_keras.datasets import DATASETS, SPLITS

    source = folder.source()
    found = source.data_dir if source.data_dir is not None and os.path.exists(source.data_dir) else None
    source = dataclasses.replace(source, data_dir=data_dir or found)
    if source.data_dir is None and not DATASETS[source.dataset].is_generated:
        return None
    parts = (source.load(split, seed=seed) for split in reversed(SPLITS))  # the test part, if there is one
    tasks = next(filter(lambda part: any(part.values()), parts), {})
    each = -(-most // max(len(tasks), 1))
    return [example for examples in tasks.values() for example in examples[:each]] or None
