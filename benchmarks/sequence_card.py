"""Put a model that `benchmarks.sequence_transduction` trained into `saved_models/`, with its model card."""

import pathlib

from benchmarks import base
from benchmarks.sequence_transduction import EXPERIMENTS, folder_of

TEXTS = {
    "ntm-copy": (
        "A Neural Turing Machine (Graves et al. 2014, arXiv:1410.5401) that repeats a sequence of 8-bit vectors.",
        "copy,length=40",
        "It learned sequences of 1 to 20 vectors; its memory has 128 slots, and a longer sequence overwrites its own "
        "beginning.\nIt knows vectors of 8 bits alone.",
    ),
    "dnc-traversal": (
        "A differentiable neural computer (Graves et al. 2016, doi:10.1038/nature20101) that reads a graph as triples "
        "of a node,\nan edge and the node it leads to, and answers where an edge from a node leads.",
        "traversal,nodes=10,degree=1-3,length=1",
        "It learned graphs of at most 20 nodes and walks of one edge, which `--config traversal` alone means to "
        "`evaluate`; the paper's\nlast lesson, `traversal,nodes=10-40,degree=2-6,length=1-20`, is far beyond it.\n"
        "Its memory has 64 slots, one for each triple: it cannot answer about a graph of more triples.",
    ),
    "stack-rnn-anbncn": (
        "A Stack RNN (Joulin and Mikolov 2015, arXiv:1503.01007) that predicts the language `a^n b^n c^n`, its actions "
        "rounded.",
        "anbncn,length=60",
        "It learned n = 2 to 19. A sequence is scored where its symbols are determined: all but the `a`s and the first "
        "`b`.\nIts stacks hold 250 entries.",
    ),
}
"""What a card says of a model: what it is, a config to try, and its limits."""


def main(arguments=None):
    """Copy a model and write its card."""
    parser = base.parser("sequence_card", __doc__, measures=False)
    parser.add_argument("name", choices=TEXTS)
    parser.add_argument("json", type=pathlib.Path, help="what the benchmark wrote")
    parser.add_argument("runs", type=pathlib.Path, help="folder of the trained models")
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("model", help="name of the model in the experiment")
    parser.add_argument("seed", type=int)
    parser.add_argument("folder", type=pathlib.Path, help="where it goes")
    save_pretrained(parser.parse_args(arguments))


def save_pretrained(options):
    """Copy settings and weights of a model, and write its card from what was measured."""
    run = folder_of(options.runs / options.experiment, options.model, options.seed)
    base.copy_run(run, options.folder, ("config.json", "model.weights.h5"))
    (options.folder / "README.md").write_text(card(options), encoding="utf-8")


def card(options):
    """Return the model card in Markdown."""
    experiment = EXPERIMENTS[options.experiment]
    result = base.read(options.json)
    (row,) = (row for row in result["models"][options.model] if row["seed"] == options.seed)
    about, config, limits = TEXTS[options.name]
    return base.fill(
        "sequence_card.md",
        name=options.name,
        about=about,
        dataset=experiment.dataset,
        lessons=", ".join(f"`{lesson}`" for lesson in experiment.lessons),
        examples=experiment.num_examples,
        seed=row["seed"],
        epochs=row["epochs"],
        minutes=base.decimals([row["seconds"] / 60])[0],
        versions=row["versions"],
        parameters=row["parameters"],
        size=size_text((options.folder / "model.weights.h5").stat().st_size),
        settings=", ".join(f"{name}={value}" for name, value in experiment.models[options.model].items()),
        command=result["command"],
        config=config,
        reached=reached(experiment, row),
        limits=limits,
    )


def size_text(size):
    """Return a number of bytes as text, in kB or MB."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1000:.0f} kB"


def reached(experiment, row):
    """Return what a model reached on the test sequences, as a table or, of many lengths, a sentence."""
    *_, last = row["variants"].values()
    if "percent_of_lengths" in last:
        count = len(experiment.tests)
        lines = [
            f"{name or 'as trained'}: {scores['percent_of_lengths']} % of the {count} lengths without a wrong symbol"
            for name, scores in row["variants"].items()
        ]
        return f"{experiment.about.replace(': ', ', ')}:\n\n- " + "\n- ".join(lines)
    rows = [
        [name, score["examples"], *base.decimals([score["exact"], score["bit_error"], score["bits_per_sequence"]], 2)]
        for name, score in last["tests"].items()
    ]
    return base.markdown(["test", "sequences", "exact, %", "wrong bits, %", "cost, bits a sequence"], rows)


if __name__ == "__main__":
    main()
