"""Shortest path: output the triples of the shortest path between two nodes."""

from collections import deque

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.graphs.graph import Graph
from dmn_keras.datasets.graphs.selection import attempts, choose_by_length, choose_graph, starts
from dmn_keras.datasets.graphs.triples import encode_task
from dmn_keras.datasets.sequences import Size, check_size, size_bounds


def shortest_path(
    rng: np.random.Generator,
    *,
    graph: Graph | None = None,
    start: object = None,
    nodes: Size | None = None,
    degree: Size = (2, 6),
    length: Size = (1, 5),
    planning: int = 10,
) -> SequenceTransductionExample:
    """Generate two nodes of a graph, between which the shortest path is to be output.

    The nodes are asked as `(s, _, u)`; after the planning phase `(s, e, t) (t, f, u)` is answered;
    `triples.encode_task` draws the phases. Only nodes with a single shortest path are asked about, so that there is
    one answer.

    Args:
        rng: Source of randomness.
        graph: The graph; None for a random one (`random_graph`).
        start: First node of the path; None for a random one.
        nodes: Number of nodes, or a range `(least, most)` to draw it from: of a random graph, (10, 40) for None, or of
            the part of `graph` around the first node, all of it for None.
        degree: Number of edges from each node of a random graph, or a range.
        length: Number of edges of the path, or a range: one of the lengths in it that the graph has.
        planning: Number of steps between query and answer; 10 in the paper.

    Returns:
        An example with inputs `(steps, 92)` and target bits `(steps, 90)`.

    Raises:
        ValueError: If a size is out of range, the graph has no edge, no such node or no such path.

    Reference: Graves et al. 2016, doi:10.1038/nature20101. There several shortest paths are right.
    """
    check_size("planning", planning, least=0)
    least, most = size_bounds("length", length)
    rng.integers(least, most + 1)  # not used, but part of the random stream of every seed
    for _ in range(attempts(graph, start, nodes)):
        drawn, first = choose_graph(rng, graph, start, nodes, degree)
        for source in starts(rng, drawn, first):
            paths = [path for path in single_shortest_paths(drawn, source) if least <= len(path) <= most]
            if paths:
                path = choose_by_length(rng, [(len(path), path) for path in paths])
                query = [(source, None, path[-1][2])]
                return encode_task(rng, drawn, query, path, task="shortest_path", planning=planning)
    raise ValueError(f"graph must have a single shortest path of such a length. Received: length={length!r}")


def single_shortest_paths(graph: Graph, source: object) -> list[tuple]:
    """Return the shortest path, a tuple of triples, to each node but `source` to which there is only one."""
    distances, counts, last, queue = {source: 0}, {source: 1}, {}, deque([source])
    while queue:
        node = queue.popleft()
        for edge, destination in graph.outgoing[node].items():
            if destination not in distances:
                distances[destination], counts[destination] = distances[node] + 1, 0
                last[destination] = (node, edge, destination)
                queue.append(destination)
            if distances[destination] == distances[node] + 1:
                counts[destination] += counts[node]
    paths: dict[object, tuple] = {source: ()}
    for node, triple in last.items():  # in order of distance
        paths[node] = (*paths[triple[0]], triple)
    return [path for node, path in paths.items() if path and counts[node] == 1]
