"""`dmn-keras index`."""

import argparse

from dmn_keras.cli.common import COMMAND, RUN, add, given, print_text
from dmn_keras.tasks.pretrained import BABI_LONG

HELP = "read a long story once, to ask many questions about it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    option = parser.add_argument
    option("folder", metavar="RUN", nargs="?", help=f"{RUN} (default: {BABI_LONG})")
    option("--story", required=True, metavar="FILE", help="text file; of one that has grown, what is new is read")
    option("--output", required=True, metavar="DIR", help="folder of the index")
    add(parser, "--wrapped")
    option("--dtype", default="float32", choices=("float32", "float16"), help="type of the vectors on the disk")
    overwriting = "replace the index in --output: it is deleted after the first sentences of --story were read"
    option("--overwrite", action="store_true", help=overwriting)


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.long_context.story_index import write_index
    from dmn_keras.tasks.question_answering import QuestionAnswerer

    folder = options.folder or BABI_LONG
    qa = QuestionAnswerer.from_preset(folder)
    if qa.retriever is None and qa.config.model.max_retrieved_facts is not None:
        raise ValueError(f"{folder} has retriever='chain', which reads every story whole: it has no index.")
    if qa.retriever is None:
        raise ValueError(
            f"{folder} reads every story whole: an index needs a model with a retriever, which "
            f"`{COMMAND} train-retriever {folder} --books FOLDER --output DIR` makes of it."
        )
    named = given(options, "wrapped", "dtype", "overwrite")
    contents = write_index(qa.retriever, options.story, options.output, run=folder, **named, report=print_text)
    print_text(f"{contents.facts:,} facts of {contents.words:,} words are in {options.output}.")
    return 0
