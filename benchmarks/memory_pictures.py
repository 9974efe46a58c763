"""Pictures of what networks with a memory do with it over time."""

import pathlib

from benchmarks import base

PICTURES = {
    "dnc-traversal": ("graphs", "traversal,nodes=10,degree=1-3,length=1"),
    "ntm-copy": ("algorithmic", "copy,length=20"),
    "stack-rnn-anbncn": ("formal_languages", "anbncn,length=8,sequences=2"),
    "dnc-reuse": ("algorithmic", "copy,length=5,width=6,sequences=3"),
}
"""Data set and config of the sequence that each model reads."""

TRAINED = {"dnc-reuse": "reuse/DNC-feed-forward-64/0"}
"""Models that are not pretrained: folders that `benchmarks.sequence_transduction` writes below `--runs`."""

LENGTHS = ("copy",)
"""Experiments of `benchmarks.sequence_transduction` whose results by length are drawn."""


def main(arguments=None):
    """Draw `benchmarks/figures/NAME.png` of each model, and `NAME-lengths.png` of each experiment of `LENGTHS`."""
    parser = base.parser("memory_pictures", __doc__, measures=False)
    parser.add_argument("names", nargs="*", help="models (default: the pretrained ones)")
    parser.add_argument(
        "--runs", metavar="DIR", default=".", help="folder of the trained models that are not pretrained"
    )
    options = parser.parse_args(arguments)
    for name in options.names or [name for name in PICTURES if name not in TRAINED]:
        model = pathlib.Path(options.runs, TRAINED[name]) if name in TRAINED else name
        draw(model, *PICTURES[name], base.FOLDER / "figures" / f"{name}.png")
    for name in LENGTHS:
        draw_lengths(name, base.FOLDER / "figures" / f"{name}-lengths.png")


def draw(model, dataset, config, path):
    """Draw what a model, a preset or its folder, does with its memory while it reads and answers a test sequence."""
    from dmn_keras import SequenceTransducer, datasets
    from dmn_keras.tasks.sequence_transduction import plot_memory

    (example,) = datasets.load(dataset, task="all", split="test", config=config, num_examples=1)
    plot_memory(SequenceTransducer.from_preset(model), example, path, slots=40)


def draw_lengths(experiment, path):
    """Draw the measured results of an experiment by length, of each model the worst of its seeds."""
    from benchmarks.sequence_transduction import EXPERIMENTS
    from dmn_keras.tasks.sequence_transduction import plot_lengths

    [result] = base.results(f"results/sequence-{experiment}")
    worst = {}
    for model, seeds in result["models"].items():
        tests = [seed["variants"][""]["tests"] for seed in seeds]
        worst[model] = {int(length): {"exact": min(test[length]["exact"] for test in tests)} for length in tests[0]}
    plot_lengths(worst, path, trained_to=EXPERIMENTS[experiment].trained_to)


if __name__ == "__main__":
    main()
