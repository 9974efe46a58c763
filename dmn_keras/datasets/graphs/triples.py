"""Triples as vectors, and the phases of a graph task as a sequence of them."""

from collections.abc import Sequence

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.graphs.graph import Graph

NUM_LABELS = 1000
TRIPLE_SIZE = 90
Triple = tuple[int | None, int | None, int | None]


def encode_triple(triple: Triple) -> np.ndarray:
    """Return a triple of labels as bits.

    Args:
        triple: Labels from 0 to 999 of source, edge and destination; None where one is not given.

    Returns:
        A float32 array `(90,)`: the three digits of each label one-hot, hundreds first; zeros for None.

    Raises:
        ValueError: If a label is out of range.
    """
    bits = np.zeros((3, 3, 10), "float32")
    for place, label in enumerate(triple):
        if label is None:
            continue
        if not 0 <= label < NUM_LABELS:
            raise ValueError(f"triple must have labels from 0 to 999 or None. Received: triple={triple!r}")
        for position, digit in enumerate(f"{label:03d}"):
            bits[place, position, int(digit)] = 1
    return bits.reshape(TRIPLE_SIZE)


def decode_triple(scores: np.ndarray) -> tuple[int, int, int]:
    """Return the labels of source, edge and destination for which a model's output, an array `(90,)`, is greatest."""
    digits = np.argmax(np.reshape(scores, (3, 3, 10)), axis=-1)
    source, edge, destination = (int(label) for label in digits @ (100, 10, 1))
    return source, edge, destination


def encode_task(
    rng: np.random.Generator,
    graph: Graph,
    query: Sequence[Triple],
    answer: Sequence[Triple],
    *,
    task: str,
    planning: int = 0,
) -> SequenceTransductionExample:
    """Return a task about a graph as a sequence in up to four phases.

    The triples of the graph come first, in random order, then the query, an incomplete triple a step. After as many
    steps without input as `planning`, the answer is to be given, a triple a step. Nodes get random labels, no two
    the same; so do edges that have names; those that are numbers keep them.

        phase            description      query          planning   answer
        input 0 to 89    (s, e, d) each   (s, e, _) ...  .          .
        input 90         .                1              .          .
        input 91         .                .              .          1
        target           .                .              .          (s, e, d) each
        scored           -                -              -          x

    Args:
        rng: Source of randomness.
        graph: The graph.
        query: Triples with nodes and edges of the graph, None where one is asked for. An edge that is a number need
            not be in the graph.
        answer: Complete triples.
        task: Name of the task.
        planning: Number of steps between query and answer.

    Returns:
        An example with inputs `(steps, 92)` and target bits `(steps, 90)`.

    Reference: Graves et al. 2016, doi:10.1038/nature20101, Methods. There an input marks the change of a phase, here
    the steps of the query and of the answer; and there the answer's inputs are the triples before, here nothing.
    """
    label = _labels(rng, graph)
    description = [graph.triples[i] for i in rng.permutation(len(graph.triples))]
    asked = len(description) + len(query)
    answered = asked + planning
    steps = answered + len(answer)
    inputs, targets = np.zeros((steps, TRIPLE_SIZE + 2), "float32"), np.zeros((steps, TRIPLE_SIZE), "float32")
    for step, triple in enumerate([*description, *query]):
        inputs[step, :TRIPLE_SIZE] = encode_triple(label(triple))
    for step, triple in enumerate(answer, start=answered):
        targets[step] = encode_triple(label(triple))
    inputs[len(description) : asked, TRIPLE_SIZE] = 1
    inputs[answered:, TRIPLE_SIZE + 1] = 1
    return SequenceTransductionExample(inputs, targets, np.arange(steps) >= answered, task=task)


def _labels(rng, graph):
    """Return a function from a triple to one of labels."""
    names = dict.fromkeys(edge for _, edge, _ in graph.triples if not isinstance(edge, int))
    for what, count in (("nodes", len(graph.nodes)), ("names of edges", len(names))):
        if count > NUM_LABELS:
            raise ValueError(f"graph must have at most 1000 {what}. Received: {count}")
    nodes = dict(zip(graph.nodes, rng.choice(NUM_LABELS, len(graph.nodes), replace=False).tolist(), strict=True))
    edges = dict(zip(names, rng.choice(NUM_LABELS, len(names), replace=False).tolist(), strict=True))

    def label(triple):
        source, edge, destination = triple
        return nodes.get(source), edges.get(edge, edge), nodes.get(destination)

    return label
