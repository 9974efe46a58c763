"""`dmn-keras demo`."""

import argparse

from dmn_keras.cli.common import OF_SERVER, RUN, add_server, client, refuse
from dmn_keras.tasks.pretrained import BABI_JOINT, PRETRAINED

DEFAULT = tuple(name for name in (BABI_JOINT, "sst-fine", "ud-english-ewt", "easy-vqa") if name in PRETRAINED)
"""The models that are shown where none is named, one for each kind of task."""

HELP = "ask a trained model on a web page, served to this machine alone"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    option = parser.add_argument
    option("folder", metavar="RUN", nargs="*", help=f"{RUN}; a tab each (default: {' '.join(DEFAULT)})")
    add_server(parser)
    option("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0: all addresses of this machine")
    option("--port", type=int, default=7860, help="port to listen at, 0 for any that is free")


def run(options: argparse.Namespace) -> int:
    """Run the command; returns the exit status."""
    from dmn_keras.serving.demo import import_gradio, serve

    import_gradio()  # so that an error comes before other imports and models
    from dmn_keras.serving import image_tab, word_tabs  # noqa: F401, register
    from dmn_keras.serving.demo_tabs import story_tab, tab_of
    from dmn_keras.tasks.task import Task

    if options.server is None:
        refuse(options, OF_SERVER, "only used with --server")
        tabs = [tab_of(Task.from_preset(folder)) for folder in options.folder or DEFAULT]
    else:
        tabs = [story_tab(client(options).ask)]
    serve(tabs, options.host, options.port)
    return 0
