"""The graph tasks of the differentiable neural computer, generated.

They are those of "Hybrid computing using a neural network with dynamic external memory" (Graves et al. 2016,
doi:10.1038/nature20101), on random graphs, the London Underground or a family tree.

A config names a task and the settings to change: `"traversal,nodes=3-10,degree=2-4,length=1"`,
`"traversal,graph=london,start=Oxford Circus,nodes=20,length=7"`. `graph` is one of `GRAPHS`; for `london`, `data_dir`
is the folder with its files (`london_underground`).
"""

from dmn_keras.datasets import sequences
from dmn_keras.datasets.checks import check_name
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


def _with_graph(settings, data_dir):
    """Return the settings of a config with the graph in place of its name."""
    name = settings.get("graph", "random")
    check_name("config: graph", name, GRAPHS)
    if name == "london":
        return {**settings, "graph": london_underground(data_dir)}
    return {**settings, "graph": family_tree() if name == "family" else None}


load = sequences.SequenceDataset(TASKS, _with_graph).load

__all__ = [
    "GRAPHS",
    "RELATIONS",
    "TASKS",
    "Graph",
    "decode_triple",
    "encode_triple",
    "family_tree",
    "inference",
    "load",
    "london_underground",
    "random_graph",
    "shortest_path",
    "traversal",
]
