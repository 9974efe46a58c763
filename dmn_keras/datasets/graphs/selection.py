"""The graph of an example, and the nodes at which a task may begin."""

from dmn_keras.datasets.graphs.graph import Graph
from dmn_keras.datasets.graphs.random_graph import random_graph
from dmn_keras.datasets.sequences import draw_size


def choose_graph(rng, graph, start, nodes, degree, *, num_labels=1000) -> tuple[Graph, object]:
    """Return the graph of an example and the node to begin at, None for any.

    Args:
        rng: Source of randomness.
        graph: A graph, or None for a random one.
        start: A node of `graph`, or None.
        nodes: Number of nodes or a range, of a random graph or of the part of `graph` to take, or None.
        degree: Number of edges from each node of a random graph, or a range.
        num_labels: Number of labels of edges of a random graph.

    Raises:
        ValueError: If `start` is not in the graph, or there is none to name it in; or as in `random_graph`.
    """
    if graph is None:
        if start is not None:
            raise ValueError(f"start must be None for a random graph, whose nodes have no names. Received: {start!r}")
        return random_graph(rng, nodes=(10, 40) if nodes is None else nodes, degree=degree, num_labels=num_labels), None
    if start is not None:
        graph.check_start(start)
    if nodes is not None:
        if start is None:  # a node without edges would stand alone
            sources = [node for node in graph.nodes if graph.outgoing[node]]
            start = sources[rng.integers(len(sources))]
        graph = graph.around(start, draw_size(rng, "nodes", nodes, least=2))
    return graph, start


def starts(rng, graph: Graph, start) -> list:
    """Return the nodes to try as the first one, in random order; `start` alone unless it is None."""
    return [graph.nodes[i] for i in rng.permutation(len(graph.nodes))] if start is None else [start]


def attempts(graph, start, nodes) -> int:
    """Return how many graphs to draw in search of a path: one, if another one would be the same graph."""
    return 100 if graph is None or (start is None and nodes is not None) else 1


def choose_by_length(rng, found):
    """Return the choice of one `(length, choice)` pair; each length that there is has the same chance."""
    lengths = sorted({length for length, _ in found})
    length = lengths[rng.integers(len(lengths))]
    choices = [choice for other, choice in found if other == length]
    return choices[rng.integers(len(choices))]
