"""What is written about searching is true: its examples run, its commands are understood, its spaces are the spaces."""

import re
import shlex

import pytest

from dmn_keras.datasets import registry
from tests.training.runs import eagerly, tensorflow_only, without_tracing
from tests.tuning.searches import ROOT, quiet
from tuning import compare, search
from tuning.space import SPACES

OWN = (ROOT / "tuning/README.md").read_text(encoding="utf-8")
pytestmark = quiet
PARSERS = {"tuning/search.py": search._parser, "tuning.search": search._parser, "tuning.compare": compare._parser}


def commands():
    texts = [OWN, (ROOT / "README.md").read_text(encoding="utf-8")]
    blocks = [block for text in texts for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)]
    lines = [line for block in blocks for line in block.splitlines() if " tuning" in line and "python " in line]
    return list(dict.fromkeys(line.partition("python ")[2].removeprefix("-m ") for line in lines))


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command):
    program, *words = shlex.split(command, comments=True)
    assert PARSERS[program]().parse_args(words)


def test_all_commands_are_seen():
    assert len(commands()) >= 4


def rows():
    """The table of the spaces: the cells of each choice by name."""
    lines = re.findall(r"^\| `(\w+)` \|(.*)\|$", OWN, flags=re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in lines}


def as_written(value, text):
    """Whether a cell's text means this value."""
    if value is None or isinstance(value, bool):
        return text == {True: "yes", False: "no", None: "none"}[value]
    return text == value if isinstance(value, str) else float(text) == value


@pytest.mark.parametrize(("column", "name"), [(0, "small"), (1, "full")])
def test_the_spaces_are_those_of_the_table(column, name):
    written = {choice: cells[column] for choice, cells in rows().items() if cells[column]}
    assert set(written) == {choice.name for choice in SPACES[name]}
    for choice in SPACES[name]:
        texts = written[choice.name].replace("as `units`", "none").split(", ")
        assert len(texts) == len(choice.values)
        assert all(map(as_written, choice.values, texts)), choice.name


@tensorflow_only
@without_tracing
def test_python_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "STORIES_NUM_EXAMPLES", {"train": 40, "valid": 8, "test": 8})
    code = re.search(r"<!-- example: hypermodel -->\n```python\n(.*?)```", OWN, flags=re.DOTALL)[1]
    with eagerly():
        exec(compile(code, "tuning/README.md", "exec"), {})
    assert "Config(units=" in capsys.readouterr().out
