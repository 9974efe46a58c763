"""A short story of each bAbI task, in the words of its grammar: for trying a model out and for checking an export."""

import json
import pathlib

from dmn_keras.datasets import Example


def _read(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        yield Example(**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})


SAMPLES = tuple(_read(pathlib.Path(__file__).with_suffix(".jsonl")))
"""Our own, one a task, in their order; most are shorter than those of the data."""
