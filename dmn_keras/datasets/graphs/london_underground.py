"""The London Underground as a graph."""

import functools
import math
import pathlib

from dmn_keras.datasets.checks import check_data_dir, missing_files
from dmn_keras.datasets.columns import csv_records
from dmn_keras.datasets.graphs.graph import Graph
from dmn_keras.errors import check_file

DIRECTIONS = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
COLUMNS = {
    "london.stations.csv": ("id", "latitude", "longitude", "name"),
    "london.lines.csv": ("line", "name"),
    "london.connections.csv": ("station1", "station2", "line"),
}


def london_underground(data_dir: str | pathlib.Path | None) -> Graph:
    """Read the London Underground: stations are nodes, and a line in a direction is an edge.

    A connection is two edges, one each way, e.g. `("Oxford Circus", "Central Line east", "Tottenham Court Road")`.
    The direction is the nearest of eight, by the stations' coordinates; where a line has two connections from a
    station in the same one, as at a fork, the second is `"... east 2"`.

    Args:
        data_dir: Folder with `london.stations.csv`, `london.connections.csv` and `london.lines.csv`
            (https://github.com/nicola/tubemaps, `datasets`).

    Returns:
        The graph, in the order of the file of connections.

    Raises:
        FileNotFoundError: If `data_dir` lacks a file.
        ValueError: If `data_dir` is None, a file lacks a column, a coordinate is no number, or a connection names an
            unknown station or line; the message has file and line.
    """
    expected = f"a folder with {', '.join(COLUMNS)}"
    folder = check_data_dir(data_dir, expected)
    if not any((folder / name).exists() for name in COLUMNS):
        raise missing_files(folder, expected)
    return _read(folder)


@functools.lru_cache(maxsize=4)
def _read(folder):
    stations = {row["id"]: (row["name"], _point(place, row)) for place, row in _rows(folder / "london.stations.csv")}
    lines = {row["line"]: row["name"] for _, row in _rows(folder / "london.lines.csv")}
    labels, triples = {}, []
    for place, row in _rows(folder / "london.connections.csv"):
        for column, known in (("station1", stations), ("station2", stations), ("line", lines)):
            if row[column] not in known:
                raise ValueError(f"{place}: {column} must be an id of the other files. Received: {row[column]!r}")
        ends = row["station1"], row["station2"]
        for source, destination in (ends, ends[::-1]):
            edge = f"{lines[row['line']]} {_direction(stations[source][1], stations[destination][1])}"
            used = labels.setdefault((source, edge), {})
            number = used.setdefault(destination, len(used) + 1)
            edge += f" {number}" if number > 1 else ""
            triples.append((stations[source][0], edge, stations[destination][0]))
    return Graph(tuple(dict.fromkeys(triples)))  # a connection may be listed both ways


def _rows(path):
    """Yield the place of each row of a file, e.g. `"london.lines.csv, line 2"`, and the row by column."""
    check_file("data_dir: file", path)
    columns = COLUMNS[path.name]
    with path.open("rb") as file:
        records = csv_records(file, path.name)
        _, header = next(records, (None, []))
        if not set(columns) <= set(header):
            raise ValueError(f"{path.name}, line 1: expected the columns {', '.join(columns)}. Received: {header!r}")
        for place, fields in records:
            row = dict(zip(header, fields, strict=False))
            if not all(row.get(column) for column in columns):
                raise ValueError(f"{place}: expected a value in each of {', '.join(columns)}. Received: {row!r}")
            yield place, row


def _point(place, row):
    """Return a station's place on the map, east and north, in degrees of latitude."""
    try:
        latitude, longitude = float(row["latitude"]), float(row["longitude"])
        if not math.isfinite(latitude + longitude):
            raise ValueError("not finite")
    except ValueError as error:
        raise ValueError(f"{place}: latitude and longitude must be numbers. Received: {row!r}") from error
    return longitude * math.cos(math.radians(latitude)), latitude


def _direction(source, destination):
    angle = math.atan2(destination[1] - source[1], destination[0] - source[0])
    return DIRECTIONS[round(angle / (2 * math.pi) * len(DIRECTIONS)) % len(DIRECTIONS)]
