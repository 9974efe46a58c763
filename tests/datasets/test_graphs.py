"""Targets of the graph tasks, recomputed from the triples in their inputs."""

import itertools
import pathlib

import numpy as np
import pytest

from dmn_keras.datasets import graphs
from dmn_keras.datasets.graphs.family_tree import EDGES, FAMILIES, KIN

LONDON = pathlib.Path(__file__).parents[2] / "../shared/data/london_underground"
with_london = pytest.mark.skipif(not LONDON.is_dir(), reason="no map in ../shared/data/london_underground")

STATIONS = """"id","latitude","longitude","name"
1,51.5,-0.10,"West, Hall"
2,51.5,-0.05,"Middle Cross"
3,51.5,-0.01,"East Gate"
4,51.6,-0.05,"North End"
5,51.5,0.05,"Far East"
"""
LINES = '"line","name"\n1,"Red Line"\n2,"Blue Line"\n'
CONNECTIONS = '"station1","station2","line"\n1,2,1\n2,3,1\n2,4,2\n3,5,1\n2,5,1\n'


@pytest.fixture
def small_map(tmp_path):
    for name, text in (("stations", STATIONS), ("lines", LINES), ("connections", CONNECTIONS)):
        (tmp_path / f"london.{name}.csv").write_bytes(text.replace("\n", "\r\n").encode())
    return tmp_path


def phases(example):
    """Triples of the description, of the query and of the answer, None where there is no label; planning steps."""
    triples = [decode(vector) for vector in example.inputs[:, :90]]
    asked, answering = example.inputs[:, 90] == 1, example.inputs[:, 91] == 1
    np.testing.assert_array_equal(answering, example.scored)
    begin = int(np.argmax(asked))
    assert asked[begin : begin + asked.sum()].all()
    planning = len(triples) - begin - int(asked.sum()) - int(answering.sum())
    assert set(triples[begin + asked.sum() :]) == {(None, None, None)}
    answer = [decode(vector) for vector in example.targets[answering]]
    return triples[:begin], triples[begin : begin + asked.sum()], answer, planning


def decode(vector):
    fields = np.reshape(vector, (3, 3, 10))
    assert set(fields.sum(-1).ravel()) <= {0, 1}
    return tuple(int("".join(str(d.argmax()) for d in field)) if field.any() else None for field in fields)


def loaded(config, **options):
    return [phases(example) for example in graphs.load("test", config=config, num_examples=15, **options)]


def check_walks(config, **options):
    for description, query, answer, planning in loaded(config, **options):
        table = {(source, edge): destination for source, edge, destination in description}
        assert len(table) == len(description)
        node, expected = query[0][0], []
        for _, edge, _ in query:
            expected.append((node, edge, table[node, edge]))
            node = table[node, edge]
        assert answer == expected
        assert [source for source, _, _ in query[1:]] == [None] * (len(query) - 1)
        assert {destination for _, _, destination in query} == {None}
        assert planning == 0


def check_shortest(config, planning, **options):
    for description, ((source, edge, destination),), answer, steps in loaded(config, **options):
        assert edge is None
        paths = [()]
        while not any(path and path[-1][2] == destination for path in paths):  # breadth first, every path
            paths = [(*p, t) for p in paths for t in description if t[0] == (p[-1][2] if p else source)]
        assert [list(path) for path in paths if path[-1][2] == destination] == [answer]
        assert steps == planning


def test_walks_follow_the_edges():
    check_walks("traversal")
    check_walks("traversal,nodes=3-10,degree=2-4,length=1")
    check_walks("traversal,graph=family,length=7")


def test_shortest_paths_are_the_only_ones():
    check_shortest("shortest_path,nodes=5-12,degree=2-3,length=1-4", 10)
    check_shortest("shortest_path,nodes=12,degree=2,length=3,planning=0", 0)
    check_shortest("shortest_path,graph=family,nodes=12,length=2", 10)


@pytest.mark.parametrize("config", ["inference", "inference,nodes=8,degree=4,length=3", "inference,graph=family"])
def test_relations_lead_to_their_other_end(config):
    lengths = set()
    for description, ((source, relation, end),), answer, planning in loaded(config):
        table = {(source, edge): destination for source, edge, destination in description}
        assert {edge for _, edge, _ in description} <= set(range(10))
        node = source
        for edge in graphs.RELATIONS[relation]:
            node = table[node, edge]
        assert (answer, end, planning) == ([(source, relation, node)], None, 10)
        lengths.add(len(graphs.RELATIONS[relation]))
    assert lengths == ({3} if "length=3" in config else {2, 3, 4, 5})


def test_there_are_400_relations():
    assert list(graphs.RELATIONS) == list(range(10, 410))
    assert len(set(graphs.RELATIONS.values())) == 400
    lengths = [len(row) for row in graphs.RELATIONS.values()]
    assert [lengths.count(length) for length in range(2, 6)] == [100] * 4
    assert graphs.RELATIONS[10 + list(KIN).index("maternal great-uncle")] == (1, 1, 6)
    assert graphs.RELATIONS[409] == tuple(graphs.RELATIONS.values())[-1]


def test_path_length_and_sizes_of_random_graphs():
    lengths = set()
    for description, _, answer, _ in loaded("traversal,nodes=6,degree=2-3,length=2-4"):
        assert len({source for source, _, _ in description}) == 6
        assert {sum(s == source for s, _, _ in description) for source, _, _ in description} <= {2, 3}
        lengths.add(len(answer))
    assert lengths == {2, 3, 4}


def test_random_graph_joins_nearest_neighbours():
    graph = graphs.random_graph(np.random.default_rng(5), nodes=7, degree=3)
    points = np.random.default_rng(5)
    assert points.integers(7, 8) == 7  # the draw of the number of nodes
    points = points.random((7, 2))
    for source in range(7):
        nearest = sorted(set(range(7)) - {source}, key=lambda other: np.hypot(*(points[source] - points[other])))
        assert set(graph.outgoing[source].values()) == set(nearest[:3])


def test_degree_is_at_most_the_other_nodes():
    graph = graphs.random_graph(np.random.default_rng(0), nodes=2, degree=4)
    assert [(source, destination) for source, _, destination in graph.triples] == [(0, 1), (1, 0)]


def test_snapshot():
    (example,) = graphs.load("train", config="traversal,nodes=4,degree=2,length=3", num_examples=1)
    description, query, answer, _ = phases(example)
    assert description[:3] == [(738, 351, 109), (109, 832, 738), (54, 948, 109)]
    assert query == [(109, 757, None), (None, 66, None), (None, 832, None)]
    assert answer == [(109, 757, 567), (567, 66, 109), (109, 832, 738)]


def test_triples_and_vectors():
    vector = graphs.encode_triple((7, None, 942))
    assert np.flatnonzero(vector).tolist() == [0, 10, 27, 69, 74, 82]
    assert graphs.decode_triple(graphs.encode_triple((7, 30, 942))) == (7, 30, 942)
    with pytest.raises(ValueError, match="labels from 0 to 999"):
        graphs.encode_triple((0, 1000, 0))


def test_family_tree_is_consistent():
    tree = graphs.family_tree()
    kin = {(source, EDGES[edge]): destination for source, edge, destination in tree.triples}
    assert all(source != destination for source, _, destination in tree.triples)
    for (source, edge), other in kin.items():
        if edge in ("husband", "wife"):
            assert kin[other, "wife" if edge == "husband" else "husband"] == source
        elif edge in ("brother", "sister"):
            assert [kin[source, parent] for parent in ("father", "mother")] == [
                kin[other, parent] for parent in ("father", "mother")
            ]
        elif edge in ("father", "mother"):
            assert source in tree.outgoing[other].values()
        else:
            assert other in tree.outgoing and source in (kin[other, "father"], kin[other, "mother"])  # noqa: PT018
    assert tree.follow("Freya", KIN["paternal great-grandfather"]) == "Frank"
    children = list(itertools.chain.from_iterable(sons + daughters for _, _, sons, daughters in FAMILIES))
    assert len(children) == len(set(children))


def test_map_has_lines_with_directions(small_map):
    graph = graphs.london_underground(small_map)
    assert graph.outgoing["Middle Cross"] == {
        "Red Line west": "West, Hall",
        "Red Line east": "East Gate",
        "Blue Line north": "North End",
        "Red Line east 2": "Far East",
    }
    assert graph.outgoing["North End"] == {"Blue Line south": "Middle Cross"}


def test_map_around_a_station(small_map):
    graph = graphs.london_underground(small_map).around("West, Hall", 3)
    assert graph.nodes == ("West, Hall", "Middle Cross", "East Gate")
    check_walks("traversal,graph=london,start=West, Hall,nodes=3,length=2", data_dir=small_map)
    for description, query, _, _ in loaded("traversal,graph=london,start=North End,length=1", data_dir=small_map):
        assert len(description) == 10
        assert sum(source == query[0][0] for source, _, _ in description) == 1


@with_london
def test_london_underground():
    graph = graphs.london_underground(LONDON)
    assert len(graph.nodes) == 302
    assert len(graph.triples) == 2 * 406
    check_walks("traversal,graph=london,length=7", data_dir=LONDON)
    check_shortest("shortest_path,graph=london,nodes=20,length=4", 10, data_dir=LONDON)
    with pytest.raises(ValueError, match=r"start='Oxford Circs'\. Did you mean 'Oxford Circus'"):
        graphs.load("test", config="traversal,graph=london,start=Oxford Circs", data_dir=LONDON, num_examples=1)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("traversal,graph=london,start=Midle Cross", "one of the 5 nodes of the graph. .*Did you mean 'Middle Cross'"),
        ("traversal,graph=london,start=middle", "Did you mean 'Middle Cross'"),
        ("traversal,graph=lundon", "config: graph must be one of random, london, family. .*Did you mean 'london'"),
        ("traversal,start=Middle Cross", "start must be None for a random graph"),
        ("traversal,nodes=1", "nodes must be an integer of at least 2"),
        ("traversal,nodes=1001", "nodes must be at most 1000"),
        ("traversal,degree=0", "degree must be an integer of at least 1"),
        ("inference,degree=11,nodes=20", "degree must be at most 10"),
        ("inference,length=1", "length must be an integer of at least 2"),
        ("inference,length=6", "graph must have a relation of such a length"),
        ("inference,graph=london", "graph must have edges from 0 to 9"),
        ("inference,planning=-1", "planning must be an integer of at least 0"),
        ("shortest_path,graph=family,length=30", "graph must have a single shortest path"),
    ],
)
def test_bad_configs(small_map, config, message):
    with pytest.raises(ValueError, match=message):
        graphs.load("train", config=config, data_dir=small_map, num_examples=1)


def test_graph_without_edges_is_an_error():
    with pytest.raises(ValueError, match="graph must have at least one edge"):
        graphs.Graph(())
    alone = graphs.Graph((("a", "x", "b"),))
    with pytest.raises(ValueError, match="graph must have at least one edge"):
        alone.around("a", 1)
    with pytest.raises(ValueError, match="graph must have a walk of length=2"):
        graphs.traversal(np.random.default_rng(0), graph=alone, length=2)


@pytest.mark.parametrize("task", [graphs.traversal, graphs.shortest_path])
def test_a_part_of_a_graph_begins_at_a_node_with_edges(task):
    two = graphs.Graph((("a", 0, "b"), ("c", 0, "d")))
    for seed in range(8):
        assert task(np.random.default_rng(seed), graph=two, nodes=2, length=1).inputs.size


def test_two_edges_with_one_label_are_an_error():
    with pytest.raises(ValueError, match="two edges 'x' from 'a'"):
        graphs.Graph((("a", "x", "b"), ("a", "x", "c")))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("connections", CONNECTIONS + "2,9,1\n", "london.connections.csv, line 7: station2 must be an id .*'9'"),
        ("connections", CONNECTIONS + "2,4,3\n", "london.connections.csv, line 7: line must be an id .*'3'"),
        ("connections", '"station1","station2","line"\n', "graph must have at least one edge"),
        ("stations", STATIONS.replace("51.6", "north"), "london.stations.csv, line 5: latitude and longitude must"),
        ("stations", STATIONS.replace("51.6", "nan"), "london.stations.csv, line 5: latitude and longitude must"),
        ("stations", STATIONS.replace('51.5,0.05,"Far', '51.5,,"Far\n'), "line 6: expected a value in each"),
        ("lines", "name\nRed Line\n", "london.lines.csv, line 1: expected the columns line, name"),
        ("lines", "", "london.lines.csv, line 1: expected the columns line, name"),
        ("lines", "\n\n", "london.lines.csv, line 1: expected the columns line, name"),
        (
            "lines",
            LINES + '3,"Green\n',
            "london.lines.csv, line 4: expected fields with commas .*: unexpected end of data",
        ),
        ("lines", LINES + "3\n", "london.lines.csv, line 4: expected a value in each of line, name"),
    ],
)
def test_bad_files(small_map, name, text, message):
    (small_map / f"london.{name}.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        graphs.london_underground(small_map)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a folder with london.stations.csv, .* It holds: nothing"):
        graphs.load("test", config="traversal,graph=london", data_dir=tmp_path)


def test_one_missing_file_is_named(small_map):
    (small_map / "london.lines.csv").rename(small_map / "london.line.csv")
    with pytest.raises(FileNotFoundError, match=r"london\.lines\.csv does not exist.*Did you mean.*london\.line\.csv"):
        graphs.london_underground(small_map)
    with pytest.raises(ValueError, match=r"data_dir must be a folder with london\.stations\.csv, .* data_dir=None"):
        graphs.load("test", config="traversal,graph=london")
