"""`dmn-keras ask`."""

import argparse
import sys

from dmn_keras.cli.common import (
    COMMAND,
    OF_SERVER,
    RUN,
    UNKNOWN,
    add,
    add_server,
    beside_json,
    client,
    given,
    print_json,
    print_text,
    refuse,
    sentences,
)
from dmn_keras.tasks.pretrained import BABI_JOINT

HELP = "ask a trained model a question about a story"
MORE = (
    " The confidence beside the answer is how often such answers were right when the run was calibrated; without a "
    "calibration it is the model's own probability."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    option = parser.add_argument
    option("folder", metavar="RUN", nargs="?", help=f"{RUN} (default: {BABI_JOINT})")
    add_server(parser)
    asked_about = parser.add_mutually_exclusive_group(required=True)
    asked_about.add_argument("--story", metavar="FILE", help="text file, - for the standard input")
    asked_about.add_argument("--index", metavar="DIR", help="folder that index wrote, asked with the run it names")
    add(parser, "--wrapped")
    option("--question", required=True, metavar="TEXT")
    option("--json", action="store_true", help="print all as JSON, with probability, gates and unknown words")
    option("--plot", metavar="FILE", help="draw the attention as a heat map")
    add(parser, "--beam-width")
    option("--min-confidence", type=float, metavar="P", help=f"{UNKNOWN} (default: as calibrated)")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.inference.attention_plot import plot_attention
    from dmn_keras.tasks.question_answering import QuestionAnswerer, answer_text, attention_table, evidence_text

    if options.server is not None:
        answer = _ask_server(options)
    else:
        refuse(options, OF_SERVER, "only used with --server")
        named = given(options, "beam_width", "min_confidence")
        if options.index is not None:
            answer = _ask_index(options, named)
        else:
            answer = QuestionAnswerer.from_preset(options.folder).ask(sentences(options), options.question, **named)
    if answer.unknown_words:
        shown, more = ", ".join(answer.unknown_words[:20]), len(answer.unknown_words) - 20
        and_more = f" and {more:,} more" if more > 0 else ""
        print_text(f"warning: the model does not know the words {shown}{and_more}", sys.stderr)
    if options.json:
        print_json(answer.to_dict())
    else:
        print_text(answer_text(answer))
        if answer.positions is not None:
            more = 0 if answer.num_above_threshold is None else answer.num_above_threshold - len(answer.facts)
            limit = f" (the limit); {more:,} more were above the threshold" if more else ""
            print_text(f"{len(answer.facts):,} of {answer.num_facts:,} sentences were retrieved{limit}")
        if answer.known:  # what was attended to is no evidence for "I do not know"
            print_text(evidence_text(answer) + "\n")
            print_text(attention_table(answer))
    if options.plot:
        plot_attention(answer, options.question, options.plot)
        print_text(f"The picture is in {options.plot}.", beside_json(options))
    return 0


def _ask_index(options, named):
    from dmn_keras.long_context.story_index import StoryIndex
    from dmn_keras.tasks.preset import PresetFolder
    from dmn_keras.tasks.question_answering import QuestionAnswerer

    refuse(options, ("wrapped",), "the index knows how its story was read")
    index = StoryIndex(options.index)
    folder = options.folder
    if folder is None and index.contents.run is not None:
        try:
            folder = PresetFolder.find(index.contents.run).path
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{options.index} was made with the run {index.contents.run}, which is not there. If it was moved, "
                f"name it: {COMMAND} ask RUN --index ..."
            ) from error
    return QuestionAnswerer.from_preset(folder).ask_index(index, options.question, **named)


def _ask_server(options):
    if options.index is not None:
        raise ValueError("--server and --index exclude each other: an index is asked on this machine.")
    if options.beam_width != 1 or options.min_confidence is not None:
        raise ValueError("--beam-width and --min-confidence are the server's own: leave them out with --server.")
    with client(options) as server:
        return server.ask(list(sentences(options)), options.question)
