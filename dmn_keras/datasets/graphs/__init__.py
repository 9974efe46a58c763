"""The graph tasks of the differentiable neural computer, generated.

They are those of "Hybrid computing using a neural network with dynamic external memory" (Graves et al. 2016,
doi:10.1038/nature20101), on random graphs, the London Underground or a family tree.
"""

import functools

from dmn_keras.datasets import sequences
from dmn_keras.datasets.checks import check_name
from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.graphs.family_tree import family_tree
from dmn_keras.datasets.graphs.graph import Graph
from dmn_keras.datasets.graphs.inference import RELATIONS, inference
from dmn_keras.datasets.graphs.london_underground import london_underground
from dmn_keras.datasets.graphs.random_graph import random_graph
from dmn_keras.datasets.graphs.shortest_path import shortest_path
from dmn_keras.datasets.graphs.traversal import traversal
from dmn_keras.datasets.graphs.triples import decode_triple, encode_triple

TASKS = {task.__name__: sequences.SequenceTask(task) for task in (traversal, shortest_path, inference)}
"""Task by name; the targets of all are bits."""

GRAPHS = ("random", "london", "family")
"""What the setting `graph` of a config may be."""


def load(
    split: str,
    *,
    config: str | None = None,
    data_dir: str | None = None,
    seed: int = 0,
    num_examples: int | None = None,
) -> list[SequenceTransductionExample]:
    """Generate the examples of a split; see `dmn_keras.datasets.sequences.generate`.

    Args:
        split: `"train"`, `"valid"` or `"test"`.
        config: Name of a task and settings to change, e.g. `"traversal,nodes=3-10,degree=2-4,length=1"` or
            `"traversal,graph=london,start=Oxford Circus,nodes=20,length=7"`; None for `"traversal"`. The settings are
            the keyword arguments of the task's function; `graph` is one of `GRAPHS`.
        data_dir: Folder with `london.stations.csv`, `london.connections.csv` and `london.lines.csv`, for
            `graph=london`; otherwise not used.
        seed: Non-negative integer.
        num_examples: Positive integer; None for `sequences.NUM_EXAMPLES[split]`.

    Raises:
        FileNotFoundError: If a file of the London Underground is not there.
        ValueError: If a name is unknown, a number is out of range, or the graph has no such path.
    """
    resolve = functools.partial(_with_graph, data_dir=data_dir)
    return sequences.generate(TASKS, split, config=config, seed=seed, num_examples=num_examples, resolve=resolve)


def layout(config: str | None = None, *, data_dir: str | None = None) -> sequences.SequenceLayout:
    """Return the sizes of the arrays of a config, which are the same for all; arguments and errors as in `load`."""
    return sequences.layout(TASKS, config, resolve=functools.partial(_with_graph, data_dir=data_dir))


def _with_graph(settings, *, data_dir):
    """Return the settings of a config with the graph in place of its name."""
    name = settings.get("graph", "random")
    check_name("config: graph", name, GRAPHS)
    if name == "london":
        return {**settings, "graph": london_underground(data_dir)}
    return {**settings, "graph": family_tree() if name == "family" else None}


__all__ = [
    "GRAPHS",
    "RELATIONS",
    "TASKS",
    "Graph",
    "decode_triple",
    "encode_triple",
    "family_tree",
    "inference",
    "layout",
    "load",
    "london_underground",
    "random_graph",
    "shortest_path",
    "traversal",
]
