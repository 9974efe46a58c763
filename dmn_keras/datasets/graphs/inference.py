"""Inference over relations: find the other end of a named row of edges."""

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.graphs.family_tree import EDGES, KIN
from dmn_keras.datasets.graphs.graph import Graph
from dmn_keras.datasets.graphs.selection import attempts, choose_by_length, choose_graph, starts
from dmn_keras.datasets.graphs.triples import encode_task
from dmn_keras.datasets.sequences import Size, check_size, size_bounds

NUM_EDGES = len(EDGES)


def _fixed_relations():
    """Return 100 relations of each length from 2 to 5, those with names first; the same in every process."""
    rng = np.random.default_rng(0)
    rows = dict.fromkeys(KIN.values())
    for length in range(2, 6):
        while sum(len(row) == length for row in rows) < 100:
            rows.setdefault(tuple(rng.integers(NUM_EDGES, size=length).tolist()))
    return dict(enumerate(rows, start=NUM_EDGES))


RELATIONS = _fixed_relations()
"""Row of edges (0 to 9, as in `family_tree.EDGES`) by label of the relation, 10 to 409; the first are the named KIN."""


def inference(
    rng: np.random.Generator,
    *,
    graph: Graph | None = None,
    start: object = None,
    nodes: Size | None = None,
    degree: Size = (2, 6),
    length: Size = (2, 5),
    planning: int = 10,
) -> SequenceTransductionExample:
    """Generate a node and a relation, whose other end is to be output.

    A relation is a row of 2 to 5 edges with a label of its own, e.g. "mother, mother, brother" for the great-uncle.
    Which row a label means (`RELATIONS`) is the same in all examples and is not given: the model has to learn it. Edges
    have the labels 0 to 9. The question `(s, relation, _)` is answered, after the planning phase, by
    `(s, relation, d)`; `triples.encode_task` draws the phases.

    Args:
        rng: Source of randomness.
        graph: The graph, with edges 0 to 9; None for a random one (`random_graph`).
        start: Node at which the relation begins; None for a random one.
        nodes: Number of nodes, or a range `(least, most)` to draw it from: of a random graph, (10, 40) for None, or of
            the part of `graph` around the first node, all of it for None.
        degree: Number of edges from each node of a random graph, at most 10, or a range.
        length: Number of edges of the relation, 2 to 5, or a range: one of the lengths in it that the graph has.
        planning: Number of steps between query and answer; 10 in the paper.

    Returns:
        An example with inputs `(steps, 92)` and target bits `(steps, 90)`.

    Raises:
        ValueError: If a size is out of range, or the graph has no edge, other edges, no such node or no such relation.

    Reference: Graves et al. 2016, doi:10.1038/nature20101. Its 400 relations are not published.
    """
    check_size("planning", planning, least=0)
    least, most = size_bounds("length", length, least=2)
    rng.integers(least, most + 1)  # not used, but part of the random stream of every seed
    for _ in range(attempts(graph, start, nodes)):
        drawn, first = choose_graph(rng, graph, start, nodes, degree, num_labels=NUM_EDGES)
        _check_edges(drawn)
        for source in starts(rng, drawn, first):
            found = [
                (len(row), (label, end))
                for label, row in RELATIONS.items()
                if least <= len(row) <= most and (end := drawn.follow(source, row)) is not None
            ]
            if found:
                label, end = choose_by_length(rng, found)
                query, answer = [(source, label, None)], [(source, label, end)]
                return encode_task(rng, drawn, query, answer, task="inference", planning=planning)
    raise ValueError(f"graph must have a relation of such a length. Received: length={length!r}")


def _check_edges(graph):
    for _, edge, _ in graph.triples:
        if edge not in range(NUM_EDGES):
            raise ValueError(f"graph must have edges from 0 to {NUM_EDGES - 1} for inference. Received: {edge!r}")
