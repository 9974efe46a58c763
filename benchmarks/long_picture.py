"""Draws the gates of retriever and passes along a book of a million tokens, the supporting facts marked."""

import pathlib

from benchmarks import base
from benchmarks.long_accuracy import load_in_books


def main(arguments=None):
    """Ask one question about its story in so many tokens of books, and draw the gates."""
    from dmn_keras import QuestionAnswerer
    from dmn_keras.datasets.babi_long import Books

    parser = base.parser("long_picture", __doc__, measures=False, books=True)
    parser.add_argument("--task", default="3")
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--output", required=True, metavar="FILE")
    options = parser.parse_args(arguments)
    source, books = base.read_source(options.run, options.data_dir), Books(pathlib.Path(options.books, "test"))
    examples = load_in_books(source, books, options.task, options.tokens, "test", 20, options.seed)
    # The question with the most supporting facts of some, the first of equals.
    example = max(examples, key=lambda example: len(example.supporting_facts))
    draw(QuestionAnswerer.from_preset(options.run), example, options.output)


def draw(qa, example, path):
    """Draw the gates of the retriever and of the passes, a panel each, over the sentences of the story."""
    import numpy as np
    from matplotlib.figure import Figure

    read = qa.retriever.read(list(example.story))
    answer = qa.ask(example.story, example.question)
    retrieved = np.array(answer.positions)
    gates = qa.retriever.gates(read.vectors, qa.retriever.question(example.question))
    panels = {"retriever": (np.array(read.facts), gates)}
    panels |= {f"pass {i + 1}": (retrieved, np.array(gates)) for i, gates in enumerate(answer.gates)}
    figure = Figure(figsize=(11, 1.2 + 1.3 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=True)
    for axis, (name, (positions, gates)) in zip(axes, panels.items(), strict=True):
        axis.vlines(positions, 0, gates, color="tab:blue", linewidth=0.8)
        marked = np.isin(positions, example.supporting_facts)  # one that was not retrieved is not in the others
        axis.scatter(positions[marked], gates[marked], marker="v", color="tab:red", s=28, zorder=3)
        axis.set(ylim=(0, 1.15), ylabel=name, yticks=(0, 1))
    question = f"{example.question}  {answer.answer} (right: {' '.join(example.answer)})"
    sizes = f"{example.story.num_tokens:,} tokens, {len(example.story):,} sentences, {len(retrieved)} retrieved"
    axes[0].set_title(f"{question}. {sizes}", fontsize=10, loc="left")
    axes[-1].set_xlabel("sentence of the book; red: the facts that the answer follows from")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
