"""A short story of each bAbI task, in the words of its grammar: for trying a model out and for checking an export."""

import json
import pathlib

from dmn_keras.datasets import Example

_FILE = pathlib.Path(__file__).with_suffix(".jsonl")
SAMPLES = tuple(
    Example.from_record(json.loads(line), _FILE.name) for line in _FILE.read_text(encoding="utf-8").splitlines()
)
"""Our own, one a task, in their order; most are shorter than those of the data."""
