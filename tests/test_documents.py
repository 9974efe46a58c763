"""README and documentation are true: their code runs, their commands and extras exist, their links lead somewhere."""

import ast
import contextlib
import itertools
import json
import re
import shlex
import tomllib

import keras
import numpy as np
import pytest

from dmn_keras import QuestionAnswerer, cli
from dmn_keras.datasets import registry, sequences
from dmn_keras.models import MODEL_FAMILIES
from dmn_keras.tasks.config import NAMED_SETTINGS, PRESETS
from tests.documents import ROOT, blocks, pages, shell_commands
from tests.training.runs import TINY, eagerly, without_tracing, write_stories

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = sorted({command for page in pages() for command in shell_commands(page)})

PRINTED = {
    "README.md": ["kitchen 0.94", "((", "['garden', 'office']", "1.0", "Rome"],
    "docs/training.md": ["wrong answers, in percent: ", "Clara went to the kitchen. [", "(32, 50) (32, 3, 6)"],
    "docs/gpu.md": ["{", "{"],
    "docs/recurrent_memories.md": ["length ", "     2  ", "     3  "],
}
"""How the lines begin that the Python blocks of a page print, in their order; other lines may stand between them."""

SMALLER = {
    "docs/training.md": {"units=32, epochs=5": "units=4, epochs=1", "units=40": "units=4"},
    "docs/recurrent_memories.md": {
        "num_examples=1600": "num_examples=16",
        'config="copy"': 'config="copy,length=2"',
        "epochs=20)": "epochs=1)",
        "epochs=100)": "epochs=1)",
        "length=40": "length=3",
        "num_examples=100": "num_examples=4",
        "growing_lengths(3, 40))": "growing_lengths(3, 4), num_examples=32)",
        "units=128": "units=4",
        "(20, 40, 120)": "(2, 3)",
    },
}
"""What the test writes in place of the sizes of a page, so that its training takes seconds."""

ONLY_PARSED = r"--data-dir DIR|--server|^dmn-keras (demo|reproduce|train(?! --dataset jsonl --data-dir FOLDER))"
"""Commands that need a data set from elsewhere, a server or minutes; the others are run."""

TRAINS = r"^dmn-keras train(?!-| --dataset jsonl --data-dir FOLDER|.*--(strategy|devices))"
"""Commands that train on one device: run up to the first batch, unless the test of all commands runs them."""

COMMANDS_PRINT = {
    "README.md": ["Model and metrics are in runs/mine.", "task  questions", "pass 1: ", "The SavedModel is in "],
    "docs/asking.md": ["garden (confidence 0.", "I do not know (best guess: "],
    "docs/long_stories.md": ["garden (confidence 0.", "4 facts of 18 words", "garden (confidence 0."],
    "docs/own_data.md": ["Model and metrics are in runs/mine.", '{"answer": "', "pass 1: ", "1 epochs in "],
    "docs/quickstart.md": ["garden (confidence 0."],
    "docs/recurrent_memories.md": [' "examples": 1000'],
    "docs/serving.md": ["The SavedModel is in saved_models/babi-joint/1"],
}
"""How the lines begin that the commands of a page print, in their order."""

SETTINGS = {**NAMED_SETTINGS["_plain"], **TINY}
TINY_RUN = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
"""What is added to a command that trains anew, so that it takes seconds."""


def python_blocks():
    """Return the Python blocks by page, each block on the first page that has it."""
    first = {code: page for page in reversed(pages()) for code in blocks(page, "python")}
    return {page: [code for code in blocks(page, "python") if first[code] == page] for page in pages()}


def test_the_readme_is_short_and_begins_with_what_a_newcomer_needs():
    assert len(README.splitlines()) <= 200
    first_screen = README[: README.index("## ")]
    assert "unknown word" in first_screen
    assert first_screen.count("![") == 1
    titles = re.findall(r"^## (.*)", README, flags=re.MULTILINE)
    assert titles == ["Installation", "Quickstart", "Models", "Results", "Documentation", "Licence"]


def test_the_two_commands_that_set_everything_up():
    assert "pip install . && dmn-keras train\n" in README
    assert 'pip install ".[test]" && pytest\n' in README


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("dmn-keras ")])
def test_commands_are_understood(command):
    options = cli.build_parser().parse_args(shlex.split(command)[1:])
    assert callable(options.run)


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("pip install ")])
def test_extras_exist(command):
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert {name for group in re.findall(r"\[(.*?)\]", command) for name in group.split(",")} <= set(extras)


def test_every_other_command_is_of_a_program_that_is_named_here():
    programs = {shlex.split(command)[0] for command in COMMANDS}
    assert programs <= {"dmn-keras", "pip", "python", "pytest", "docker", "echo", "export"}


def test_every_page_with_python_is_run():
    assert {page for page, codes in python_blocks().items() if codes} == set(PRINTED)


@without_tracing
@pytest.mark.parametrize("page", PRINTED)
def test_python_blocks_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "STORIES_NUM_EXAMPLES", {"train": 40, "valid": 8, "test": 8})
    keras.utils.set_random_seed(0)
    names = {}
    if page == "docs/gpu.md":  # about a model and examples of the reader's own
        QuestionAnswerer.from_preset("babi-joint").save_to_preset("runs/mine")
        names["examples"] = [{"story": "Mary went to the kitchen.", "question": "Where is Mary?", "answer": "kitchen"}]
    code = "\n".join(python_blocks()[page])
    for size, smaller in SMALLER.get(page, {}).items():
        assert size in code
        code = code.replace(size, smaller)
    with eagerly() if page in SMALLER else contextlib.nullcontext():
        exec(compile(code, page, "exec"), names)
    printed = iter(capsys.readouterr().out.splitlines())
    for beginning in PRINTED[page]:
        assert any(line.startswith(beginning) for line in printed), beginning


CARDS = sorted(path.parent.name for path in (ROOT / "saved_models").glob("*/README.md"))


@pytest.mark.parametrize("name", CARDS)
def test_the_code_of_a_card_runs(name, tmp_path, monkeypatch):
    """The last line of some names its value in a comment."""
    text = (ROOT / f"saved_models/{name}/README.md").read_text(encoding="utf-8")
    [code] = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    keras.utils.save_img("image.png", np.zeros((64, 64, 3)), scale=False)
    (tmp_path / "BOOK.txt").write_text("Mary got the milk. Mary went to the kitchen.", encoding="utf-8")
    *lines, last = code.replace("num_examples=100", "num_examples=2").strip().splitlines()
    names = {}
    with eagerly():
        exec(compile("\n".join(lines), name, "exec"), names)
        value = eval(last, names)
    _, _, expected = last.partition("  # ")
    if expected:
        assert value == ast.literal_eval(expected)


def commands_to_run(page):
    """Return the arguments of each command of a page that is run."""
    found = [command for command in shell_commands(page) if command.startswith("dmn-keras ")]
    return [shlex.split(command)[1:] for command in found if not re.search(ONLY_PARSED, command)]


def test_every_page_with_commands_is_run():
    assert {page for page in pages() if commands_to_run(page)} == set(COMMANDS_PRINT)


@pytest.mark.slow
@without_tracing
@pytest.mark.parametrize("page", COMMANDS_PRINT)
def test_commands_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_stories(tmp_path / "FOLDER")
    question = {"story": ["Mary park."], "question": "Where is Mary?"}
    (tmp_path / "questions.jsonl").write_text(json.dumps(question), encoding="utf-8")
    [story] = re.findall(r'echo "(.*)" > story.txt', "".join(blocks("docs/asking.md", "bash")))
    for name in ("story.txt", "BOOK.txt"):
        (tmp_path / name).write_text(story, encoding="utf-8")
    for arguments in commands_to_run(page):
        if arguments[0] == "train":
            arguments += ["--epochs", "1"] if "--from" in arguments else TINY_RUN
        with eagerly() if arguments[0] == "train" else contextlib.nullcontext():
            assert cli.main(arguments) == 0, arguments
    printed = iter(capsys.readouterr().out.splitlines())
    for beginning in COMMANDS_PRINT[page]:
        assert any(line.startswith(beginning) for line in printed), beginning
    if any("attention.png" in arguments for arguments in commands_to_run(page)):
        assert (tmp_path / "attention.png").stat().st_size > 10_000


class FirstBatchError(Exception):
    """A training has come to its first batch."""


@pytest.fixture(scope="module", name="data")
def folder_with_data(tmp_path_factory):
    """A few examples of each data set that the pages read from `DIR`."""
    folder = tmp_path_factory.mktemp("data")
    for config in ("en", "en-10k"):
        (folder / config).mkdir()
        for task, split in itertools.product(range(1, 21), ("train", "test")):
            lines = "1 Mary went to the park.\n2 Where is Mary? \tpark\t1\n" * 20
            (folder / config / f"qa{task}_some-name_{split}.txt").write_text(lines)
    _, lines = blocks("docs/own_data.md", "json")
    for name, line in zip(("texts", "tags", "images"), lines.splitlines(), strict=True):
        (folder / name).mkdir()
        others = line.replace("7.png", "8.png")
        (folder / name / "train.jsonl").write_text(f"{line}\n{others}\n" * 4, encoding="utf-8")
    (folder / "images" / "images").mkdir()
    for number in (7, 8):
        keras.utils.save_img(folder / "images" / "images" / f"{number}.png", np.zeros((8, 8, 3)))
    rest = "\t_" * 6
    for name, trees in (("train", "(3 (2 A) (4 film))\n(1 (0 Not) (2 bad))"), ("dev", "(3 film)"), ("test", "(1 Not)")):
        (folder / f"{name}.txt").write_text(trees)
        (folder / f"xx_some-ud-{name}.conllu").write_text(f"1\tShe\t_\tPRON{rest}\n2\tgoes\t_\tVERB{rest}\n\n" * 8)
    return folder


@pytest.mark.parametrize("command", [command for command in COMMANDS if re.match(TRAINS, command)])
def test_training_begins(command, data, tmp_path, monkeypatch):
    """The data is read, and the model is built and compiled."""

    def fit(*args, **kwargs):
        raise FirstBatchError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "STORIES_NUM_EXAMPLES", {"train": 40, "valid": 8, "test": 8})
    monkeypatch.setattr(sequences, "NUM_EXAMPLES", {"train": 40, "valid": 8, "test": 8})
    monkeypatch.setattr(keras.Model, "fit", fit)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "BOOKS").mkdir()
    (tmp_path / "BOOKS/book.txt").write_text("A whale swam in the sea. " * 100)
    arguments = [word.replace("FOLDER", "BOOKS").replace("DIR", str(data)) for word in shlex.split(command)[1:]]
    with pytest.raises(FirstBatchError):
        cli.main(arguments)


def test_the_line_of_own_data_can_be_read(tmp_path):
    line, _ = blocks("docs/own_data.md", "json")
    (tmp_path / "train.jsonl").write_text(line, encoding="utf-8")
    [read] = registry.load("jsonl", task="all", split="train", data_dir=tmp_path)
    assert read.answer == (json.loads(line)["answer"],)


def test_every_layer_is_named():
    from dmn_keras import layers

    text = pages()["docs/models/index.md"].read_text(encoding="utf-8")
    names = [name for name in layers.__all__ if issubclass_of_layer(getattr(layers, name))]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_preset_and_every_family_is_named():
    text = pages()["docs/presets.md"].read_text(encoding="utf-8")
    assert [name for name in (*PRESETS, *MODEL_FAMILIES) if f"`{name}`" not in text] == []


def issubclass_of_layer(value):
    return isinstance(value, type) and issubclass(value, keras.layers.Layer)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#]+)", pages()[page].read_text(encoding="utf-8"))
    assert [link for link in links if not link.startswith("https://") and not (ROOT / link).exists()] == []
