"""The gates of each pass along a book of a million tokens, with the supporting facts marked, as a picture."""

import pathlib

from benchmarks import base
from benchmarks.long_accuracy import hidden


def main(arguments=None):
    """Ask one question about its story in so many tokens of books, and draw the gates."""
    from dmn_keras.asking import Answerer
    from dmn_keras.datasets.babi_long import Books

    parser = base.parser("long_picture", __doc__, books=True)
    parser.add_argument("--task", default="3")
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--output", required=True, metavar="FILE")
    options = parser.parse_args(arguments)
    answerer, books = Answerer(options.run), Books(pathlib.Path(options.books, "test"))
    where = answerer.recipe, options.data_dir, books
    examples = hidden(*where, options.task, options.tokens, "test", 20, options.seed)
    # The question with the most supporting facts of some, the first of equals.
    draw(answerer, max(examples, key=lambda example: len(example.supporting_facts)), options.output)


def draw(answerer, example, path):
    """Draw the gates of the first pass and of those that follow, a panel each, over the sentences of the story."""
    import numpy as np
    from matplotlib.figure import Figure

    first_pass = answerer.narrowing
    read = first_pass.read(list(example.story))
    answer = answerer.ask(example.story, example.question)
    kept = np.array(answer.positions)
    panels = {
        "first pass": (np.array(read.facts), first_pass.gates(read.vectors, first_pass.question(example.question)))
    }
    panels |= {f"pass {i + 1}": (kept, np.array(gates)) for i, gates in enumerate(answer.gates)}
    figure = Figure(figsize=(11, 1.2 + 1.3 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True)
    for axis, (name, (positions, gates)) in zip(axes, panels.items(), strict=True):
        axis.vlines(positions, 0, gates, color="tab:blue", linewidth=0.8)
        marked = np.isin(positions, example.supporting_facts)  # one that the first pass dropped is not in the others
        axis.scatter(positions[marked], gates[marked], marker="v", color="tab:red", s=28, zorder=3)
        axis.set(ylim=(0, 1.15), ylabel=name, yticks=(0, 1))
    question = f"{example.question}  {answer.answer} (right: {' '.join(example.answer)})"
    sizes = f"{example.story.num_tokens:,} tokens, {len(example.story):,} sentences, {len(kept)} kept"
    axes[0].set_title(f"{question}. {sizes}", fontsize=10, loc="left")
    axes[-1].set_xlabel("sentence of the book; red: the facts that the answer follows from")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
