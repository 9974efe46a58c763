"""`dmn-keras demo`."""

import argparse
import functools

from dmn_keras.cli.common import OF_SERVER, add_run_or_server, client, refuse

HELP = "ask a trained model on a web page, served to this machine alone"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    option = parser.add_argument
    add_run_or_server(parser)
    option("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0: all, by address or name")
    option("--port", type=int, default=7860, help="port to listen at, 0 for any that is free")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.serving.demo import NUM_ANSWERS, serve
    from dmn_keras.tasks.question_answering import QuestionAnswerer

    if options.server is None:
        refuse(options, OF_SERVER, "they are for --server")
        qa = QuestionAnswerer.from_preset(options.folder)
        ask = functools.partial(qa.ask, beam_width=NUM_ANSWERS)
    else:
        ask = client(options).ask
    serve(ask, options.host, options.port)
    return 0
