"""Directed graphs with labelled edges."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from dmn_keras.errors import did_you_mean


@dataclass(frozen=True)
class Graph:
    """A directed graph, whose edges from one node differ in their labels.

    Attributes:
        triples: `(source, edge, destination)` of each edge. Nodes and edges are names or numbers.

    Raises:
        ValueError: If there is no edge, or two edges from a node have the same label.

    Example:
        >>> graph = Graph((("Ann", "son", "Bob"), ("Bob", "mother", "Ann")))
        >>> graph.outgoing["Bob"]
        {'mother': 'Ann'}
    """

    triples: tuple[tuple[object, object, object], ...]

    def __post_init__(self):
        if not self.triples:
            raise ValueError("graph must have at least one edge. Received: triples=()")
        seen = set()
        for source, edge, _ in self.triples:
            if (source, edge) in seen:
                raise ValueError(
                    f"graph must have different labels on the edges from a node. Received: two edges {edge!r} "
                    f"from {source!r}"
                )
            seen.add((source, edge))

    @functools.cached_property
    def nodes(self) -> tuple:
        """The nodes in order of appearance."""
        return tuple(dict.fromkeys(node for source, _, destination in self.triples for node in (source, destination)))

    @functools.cached_property
    def outgoing(self) -> dict[object, dict[object, object]]:
        """For each node its edges: destination by label."""
        edges = {node: {} for node in self.nodes}
        for source, edge, destination in self.triples:
            edges[source][edge] = destination
        return edges

    def follow(self, source: object, edges: Iterable[object]) -> object | None:
        """Return the node at the end of some edges in a row, None if one of them is missing."""
        for edge in edges:
            source = self.outgoing[source].get(edge)
            if source is None:
                return None
        return source

    def around(self, node: object, num_nodes: int) -> Graph:
        """Return the part of the graph that is nearest to a node: the nodes found first, breadth first.

        Args:
            node: The node in its middle.
            num_nodes: Number of nodes to keep; all that can be reached if there are fewer.

        Returns:
            A graph of these nodes and the edges between them, in the order of `triples`.

        Raises:
            ValueError: If the node is unknown, or no edge remains.
        """
        self.check_start(node)
        kept, queue = {node}, deque([node])
        while queue and len(kept) < num_nodes:
            for neighbour in self.outgoing[queue.popleft()].values():
                if neighbour not in kept and len(kept) < num_nodes:
                    kept.add(neighbour)
                    queue.append(neighbour)
        return Graph(tuple(triple for triple in self.triples if triple[0] in kept and triple[2] in kept))

    def check_start(self, node: object) -> None:
        """Check that a node is one of the graph.

        Raises:
            ValueError: If it is not; the message suggests the nearest name.
        """
        if node not in self.outgoing:
            raise ValueError(
                f"start must be one of the {len(self.nodes)} nodes of the graph. Received: start={node!r}."
                f"{did_you_mean(node, self.nodes)}"
            )
