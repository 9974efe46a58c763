"""The commands and the example that are written about searching."""

import re
import shlex

import pytest

from dmn_keras.datasets import registry
from tests.training.runs import eagerly, tensorflow_only, without_tracing
from tests.tuning.searches import ROOT, quiet
from tuning import compare, search

OWN = (ROOT / "tuning/README.md").read_text(encoding="utf-8")
pytestmark = quiet
PARSERS = {
    "tuning/search.py": search.build_parser,
    "tuning.search": search.build_parser,
    "tuning.compare": compare.build_parser,
}


def commands():
    texts = [OWN, (ROOT / "docs/hyperparameter_search.md").read_text(encoding="utf-8")]
    blocks = [block for text in texts for block in re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)]
    lines = [line for block in blocks for line in block.splitlines() if " tuning" in line and "python " in line]
    return list(dict.fromkeys(line.partition("python ")[2].removeprefix("-m ") for line in lines))


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command):
    program, *words = shlex.split(command, comments=True)
    assert PARSERS[program]().parse_args(words)


@tensorflow_only
@without_tracing
def test_python_example(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "STORIES_NUM_EXAMPLES", {"train": 40, "valid": 8, "test": 8})
    code = re.search(r"<!-- example: hypermodel -->\n```python\n(.*?)```", OWN, flags=re.DOTALL)[1]
    with eagerly():
        exec(compile(code, "tuning/README.md", "exec"), {})
    assert "RunConfig(task=" in capsys.readouterr().out
