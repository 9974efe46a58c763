"""Random graphs: the nearest neighbours of random points."""

import numpy as np

from dmn_keras.datasets.graphs.graph import Graph
from dmn_keras.datasets.sequences import Size, draw_size


def random_graph(
    rng: np.random.Generator, *, nodes: Size = (10, 40), degree: Size = (2, 6), num_labels: int = 1000
) -> Graph:
    """Generate a graph whose nodes are points of the unit square, each with edges to its nearest neighbours.

    Args:
        rng: Source of randomness.
        nodes: Number of nodes, 2 to 1000, or a range `(least, most)` to draw it from.
        degree: Number of edges from a node, or a range to draw it from for each node. A node of a graph of N has
            N - 1 edges at most.
        num_labels: The edges from a node have different labels, drawn from 0 to `num_labels - 1`.

    Returns:
        A graph with nodes 0, 1, ...

    Raises:
        ValueError: If a size is out of range.

    Reference: Graves et al. 2016, doi:10.1038/nature20101, Methods, "Graph task descriptions".
    """
    count = draw_size(rng, "nodes", nodes, least=2)
    if count > 1000:
        raise ValueError(f"nodes must be at most 1000, the number of labels. Received: nodes={nodes!r}")
    points = rng.random((count, 2))
    distances = ((points[:, None] - points[None]) ** 2).sum(-1)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, 1:]  # the first is the node itself
    triples = []
    for source in range(count):
        edges = min(draw_size(rng, "degree", degree), count - 1)
        if edges > num_labels:
            raise ValueError(
                f"degree must be at most {num_labels}, the number of labels of edges. Received: degree={degree!r}"
            )
        labels = rng.choice(num_labels, edges, replace=False)
        triples += zip([source] * edges, labels.tolist(), nearest[source, :edges].tolist(), strict=True)
    return Graph(tuple(triples))
