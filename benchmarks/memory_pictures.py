"""Pictures of what the pretrained networks with a memory do with it over time."""

import argparse

from benchmarks import base

PICTURES = {
    "dnc-traversal": ("graphs", "traversal,nodes=10,degree=1-3,length=1"),
    "ntm-copy": ("algorithmic", "copy,length=20"),
    "stack-rnn-anbncn": ("formal_languages", "anbncn,length=8,sequences=2"),
}
"""Data set and config of the sequence that each pretrained model reads."""


def main(arguments=None):
    """Draw `benchmarks/figures/NAME.png` of each pretrained model."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory_pictures", description=__doc__)
    parser.add_argument("names", nargs="*", default=[*PICTURES], help="pretrained models (default: all)")
    for name in parser.parse_args(arguments).names:
        draw(name, base.FOLDER / "figures" / f"{name}.png")


def draw(name, path):
    """Draw what a pretrained model does with its memory while it reads and answers a test sequence."""
    from dmn_keras import SequenceTransducer, datasets
    from dmn_keras.tasks.sequence_transduction import plot_memory

    dataset, config = PICTURES[name]
    (example,) = datasets.load(dataset, task="all", split="test", config=config, num_examples=1)
    plot_memory(SequenceTransducer.from_preset(name), example, path, slots=40)


if __name__ == "__main__":
    main()
