"""The gates of each pass along a book of a million tokens, with the supporting facts marked, as a picture."""

import argparse
import pathlib
import sys

import numpy as np

from benchmarks.long_accuracy import Reader, hidden


def main(arguments=None):
    """Ask one question of a task about its story in so many tokens of books, and draw the gates.

    Returns:
        Exit status: 0.
    """
    from dmn_keras.asking import Answerer
    from dmn_keras.datasets.babi_long import Books

    options = _parser().parse_args(arguments)
    reader = Reader(Answerer(options.run), Books(pathlib.Path(options.books, "test")))
    # The question with the most supporting facts of some, the first of equals.
    examples = hidden(reader, options.data_dir, options.task, options.tokens, "test", 20, options.seed)
    draw(reader, max(examples, key=lambda example: len(example.supporting_facts)), options.output)
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_picture", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder that `dmn-keras narrow` wrote")
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="where bAbI lies")
    parser.add_argument("--books", required=True, metavar="FOLDER", help="folder with test/, books in it")
    parser.add_argument("--task", default="3")
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", required=True, metavar="FILE")
    return parser


def draw(reader, example, path):
    """Draw the gates of the first pass and of those that follow, a panel each, over the sentences of the story."""
    from matplotlib.figure import Figure

    from dmn_keras.utils.files import atomic

    answer = reader.answerer.ask(example.story, example.question)
    kept = np.array(answer.positions)
    panels = {"first pass": (np.arange(len(example.story)), reader.gates(example))}
    panels |= {f"pass {i + 1}": (kept, np.array(gates)) for i, gates in enumerate(answer.gates)}
    figure = Figure(figsize=(11, 1.2 + 1.3 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True)
    support = np.array(example.supporting_facts)
    for place, (name, (places, gates)) in zip(axes, panels.items(), strict=True):
        place.vlines(places, 0, gates, color="tab:blue", linewidth=0.8)
        marked = np.isin(places, support)  # one that the first pass dropped has no gate in those that follow
        place.scatter(places[marked], gates[marked], marker="v", color="tab:red", s=28, zorder=3)
        place.set(ylim=(0, 1.15), ylabel=name, yticks=(0, 1))
    said = f"{example.question}  {answer.answer} (right: {' '.join(example.answer)})"
    read = f"{example.story.num_tokens:,} tokens, {len(example.story):,} sentences, {len(kept)} kept"
    axes[0].set_title(f"{said}. {read}", fontsize=10, loc="left")
    axes[-1].set_xlabel("sentence of the book; red: the facts that the answer follows from")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
