"""Traversal: follow edges from a node and output where they lead."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.graphs.graph import Graph
from dmn_keras.datasets.graphs.selection import choose_graph, starts
from dmn_keras.datasets.graphs.triples import encode_task
from dmn_keras.datasets.sequences import Size, draw_size


def traversal(
    rng: np.random.Generator,
    *,
    graph: Graph | None = None,
    start: object = None,
    nodes: Size | None = None,
    degree: Size = (2, 6),
    length: Size = (1, 20),
) -> SequenceTransductionExample:
    """Generate a random walk on a graph: its first node and its edges are given, the nodes on it are to be output.

    The walk `s -e-> t -f-> u` is asked as `(s, e, _) (_, f, _)` and answered by `(s, e, t) (t, f, u)`. There is no
    planning; `triples.encode_task` draws the phases.

    Args:
        rng: Source of randomness.
        graph: The graph; None for a random one (`random_graph`).
        start: Node of `graph` at which the walk begins; None for a random one.
        nodes: Number of nodes, or a range `(least, most)` to draw it from: of a random graph, (10, 40) for None, or of
            the part of `graph` around the start of the walk, all of it for None.
        degree: Number of edges from each node of a random graph, or a range.
        length: Number of edges of the walk, or a range.

    Returns:
        An example with inputs `(steps, 92)` and target bits `(steps, 90)`.

    Raises:
        ValueError: If a size is out of range, the graph has no edge, no such node or no such walk.

    Reference: Graves et al. 2016, doi:10.1038/nature20101; the defaults are its last lesson.
    """
    length = draw_size(rng, "length", length)
    graph, start = choose_graph(rng, graph, start, nodes, degree)
    for first in starts(rng, graph, start):
        walk = _walk(rng, graph, first, length)
        if len(walk) == length:
            query = [(first if i == 0 else None, edge, None) for i, (_, edge, _) in enumerate(walk)]
            return encode_task(rng, graph, query, walk, task="traversal")
    raise ValueError(f"graph must have a walk of length={length} from {'any node' if start is None else repr(start)}.")


def _walk(rng, graph, node, length):
    """Return the triples of a random walk, fewer than `length` if it comes to a node without edges."""
    triples = []
    while len(triples) < length and graph.outgoing[node]:
        edge, destination = list(graph.outgoing[node].items())[rng.integers(len(graph.outgoing[node]))]
        triples.append((node, edge, destination))
        node = destination
    return triples
