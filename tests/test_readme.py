"""The README is true: its examples run, its commands exist."""

import json
import pathlib
import re
import shlex

import keras
import pytest

from dmn_keras import cli
from dmn_keras.datasets import registry

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def example(name):
    """The Python code under `<!-- example: name -->`."""
    return re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", README, flags=re.DOTALL)[1]


def commands():
    """The `dmn-keras` commands in the README's shell blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    lines = [part.strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return [line for line in lines if line.startswith("dmn-keras")]


def test_the_two_commands_that_set_everything_up():
    assert "pip install . && dmn-keras train\n" in README
    assert 'pip install ".[test]" && pytest\n' in README


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command):
    options = cli._parser().parse_args(shlex.split(command)[1:])
    assert callable(options.run)


def test_every_python_block_is_run():
    names = re.findall(r"<!-- example: (\w+) -->\n```python\n", README)
    assert names == ["quickstart", "fit", "run", "layers"]  # each has a test below
    assert README.count("```python") == len(names)


def test_quickstart_with_the_pretrained_model(capsys):
    exec(compile(example("quickstart"), "README.md", "exec"), {})
    answer, evidence, answers = capsys.readouterr().out.splitlines()
    assert answer.startswith("kitchen 0.97")
    assert evidence.startswith("((")
    assert answers == "['garden', 'office']"
    assert f"# {answers}\n" in README


def test_quickstart_with_own_examples(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    exec(compile(example("fit"), "README.md", "exec"), {})
    assert capsys.readouterr().out.split() == ["1.0", "Rome"]
    assert (tmp_path / "runs/two-questions/model.weights.h5").exists()


def test_python_example_of_a_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "STORIES_NUM_EXAMPLES", {"train": 40, "valid": 8, "test": 8})
    code = example("run")
    assert len(code.strip().splitlines()) <= 12
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "wrong answers, in percent:" in printed
    assert "Clara went to the kitchen. [" in printed
    assert (tmp_path / "runs/first/model.weights.h5").exists()


def test_python_example_of_the_layers(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(example("layers"), "README.md", "exec"), {})
    assert capsys.readouterr().out.strip().endswith("(32, 50) (32, 3, 6)")


def test_the_questions_to_the_model_that_comes_with_the_package(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "story.txt").write_text(re.search(r'echo "(.*)" > story.txt', README)[1])
    known, unknown = (shlex.split(command)[1:] for command in commands() if " ask --story story.txt" in command)
    assert cli.main(known) == 0
    assert capsys.readouterr().out.startswith("garden (confidence 0.")
    assert (tmp_path / "attention.png").stat().st_size > 10_000
    assert cli.main(unknown) == 0
    assert capsys.readouterr().out.startswith("I do not know (best guess: ")


def test_the_line_of_own_data_can_be_read(tmp_path):
    line = re.search(r"```json\n(.*?)```", README, flags=re.DOTALL)[1]
    (tmp_path / "train.jsonl").write_text(line, encoding="utf-8")
    [read] = registry.load("jsonl", task="all", split="train", data_dir=tmp_path)
    assert read.answer == (json.loads(line)["answer"],)


def test_every_layer_is_named():
    from dmn_keras import layers

    names = [name for name in layers.__all__ if issubclass_of_layer(getattr(layers, name))]
    assert [name for name in names if f"`{name}`" not in README] == []


def issubclass_of_layer(value):
    return isinstance(value, type) and issubclass(value, keras.layers.Layer)
