"""A family tree of four generations."""

import functools

from dmn_keras.datasets.graphs.graph import Graph

EDGES = ("father", "mother", "son 1", "son 2", "daughter 1", "daughter 2", "brother", "sister", "husband", "wife")
"""Name of each label of an edge."""

FAMILIES = (  # father, mother, sons, daughters
    ("Albert", "Beatrice", ("Charles",), ("Dora", "Edith")),
    ("Frank", "Grace", ("Henry", "Ivor"), ("Joan",)),
    ("Henry", "Dora", ("Karl", "Leo"), ("Maud", "Nora")),
    ("Charles", "Olive", ("Peter",), ("Queenie",)),
    ("Rufus", "Joan", ("Simon",), ("Tessa",)),
    ("Ulrich", "Maud", ("Victor",), ("Wendy",)),
    ("Karl", "Xenia", ("Yorick",), ("Zoe", "Freya")),
)

KIN = {
    name: tuple(EDGES.index(edge) for edge in row.split(", "))
    for name, row in {
        "paternal grandfather": "father, father",
        "paternal grandmother": "father, mother",
        "maternal grandfather": "mother, father",
        "maternal grandmother": "mother, mother",
        "paternal uncle": "father, brother",
        "paternal aunt": "father, sister",
        "maternal uncle": "mother, brother",
        "maternal aunt": "mother, sister",
        "nephew": "brother, son 1",
        "niece": "sister, daughter 1",
        "mother-in-law": "husband, mother",
        "grandson": "son 1, son 1",
        "paternal great-grandfather": "father, father, father",
        "maternal great-grandmother": "mother, mother, mother",
        "paternal great-uncle": "father, father, brother",
        "maternal great-uncle": "mother, mother, brother",
        "paternal cousin": "father, brother, son 1",
        "maternal cousin": "mother, sister, daughter 1",
        "paternal second cousin": "father, mother, brother, son 1",
    }.items()
}
"""The row of edges that each of some relations means."""


@functools.cache
def family_tree() -> Graph:
    """Return a family tree: people are nodes, and an edge is an index into `EDGES`.

    Somebody's brother or sister is the first other son or daughter of their parents. The people are invented.
    """
    triples = []
    for father, mother, sons, daughters in FAMILIES:
        triples += [(mother, "husband", father), (father, "wife", mother)]
        for parent in (father, mother):
            triples += [(parent, f"son {i}", son) for i, son in enumerate(sons, start=1)]
            triples += [(parent, f"daughter {i}", daughter) for i, daughter in enumerate(daughters, start=1)]
        for child in sons + daughters:
            triples += [(child, "father", father), (child, "mother", mother)]
            brothers = [other for other in sons if other != child]
            sisters = [other for other in daughters if other != child]
            triples += [(child, "brother", brother) for brother in brothers[:1]]
            triples += [(child, "sister", sister) for sister in sisters[:1]]
    return Graph(tuple((source, EDGES.index(edge), destination) for source, edge, destination in triples))
