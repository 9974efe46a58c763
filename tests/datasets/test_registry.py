"""Datasets and tasks by name."""

import json
import pathlib
import subprocess
import sys

import pytest

from dmn_keras import datasets
from dmn_keras.datasets import babi, registry, stories

DUMMY = pathlib.Path(__file__).parent / "dummy_data" / "babi"
NAMES = tuple(map(str, range(1, 21)))


@pytest.fixture(name="own")
def own_data(tmp_path):
    def record(question, task):
        return json.dumps({"story": ["Greta ran."], "question": question, "answer": "Greta", "task": task})

    (tmp_path / "train.jsonl").write_text(f"{record('Who ran?', 'b')}\n{record('Who sat?', 'a')}\n")
    (tmp_path / "test.jsonl").write_text(f"{record('Who slept?', 'a')}\n{record('Who fell?', 'c')}\n")
    return tmp_path


@pytest.fixture(autouse=True)
def _nothing_downloaded_before():
    registry.babi_archive.cache_clear()
    yield
    registry.babi_archive.cache_clear()


def load(dataset, task="1", split="train", **options):
    return datasets.load(dataset, task=task, split=split, **options)


def test_import_needs_the_standard_library_alone():
    # The package above imports Keras, so that the names are loaded without it.
    code = (
        "import sys, types; package = types.ModuleType('dmn_keras'); package.__path__ = ['dmn_keras'];"
        "sys.modules['dmn_keras'] = package; before = set(sys.modules); import dmn_keras.datasets;"
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    root = pathlib.Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "['dmn_keras']"


def test_task_names(own, tmp_path):
    assert datasets.task_names("babi") == NAMES
    assert datasets.task_names("stories") == tuple(stories.TASKS)
    assert datasets.task_names("jsonl", own) == ("b", "a", "c")
    (tmp_path / "plain.jsonl").write_text('{"story": ["A."], "question": "Who?"}\n')
    assert datasets.task_names("jsonl", tmp_path / "plain.jsonl") == ("all",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", ("1",)),
        ("1-3,7", ("1", "2", "3", "7")),
        (" 7 , 1-3, 2", ("7", "1", "2", "3")),
        ("20-20", ("20",)),
        ("all", NAMES),
        ("3,all", ("3", *(name for name in NAMES if name != "3"))),
    ],
)
def test_parse_tasks(text, expected):
    assert datasets.parse_tasks(text, NAMES) == expected
    assert datasets.parse_tasks("yes-no,1-2", ("one", "yes-no", "1-2")) == ("yes-no", "1-2")


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        ("", NAMES, "tasks must be a number from 1 to 20. Received: ''"),
        ("1,,2", NAMES, "tasks must be a number from 1 to 20. Received: ''"),
        ("0-3", NAMES, "tasks must be a number from 1 to 20. Received: '0'. It is an end of the range '0-3'"),
        ("19-21", NAMES, "Received: '21'. It is an end of the range '19-21'"),
        ("3-1", NAMES, "a range must run upwards, e.g. '1-3'. Received: '3-1'"),
        ("countin", ("counting", "lists"), "tasks must be one of counting, lists. .* Did you mean 'counting'"),
    ],
)
def test_parse_tasks_refuses(text, names, message):
    with pytest.raises(ValueError, match=message):
        datasets.parse_tasks(text, names)


def test_load_babi():
    examples = load("babi", data_dir=DUMMY, config="en")
    assert examples == babi.load(DUMMY, config="en", task="1", split="train")
    assert load("babi", task=1, data_dir=DUMMY, config="en", num_examples=2) == examples[:2]


def test_babi_validation_part():
    assert load("babi", split="valid", data_dir=DUMMY, config="en") == []
    assert len(load("babi", split="valid", data_dir=DUMMY, config="en-valid")) == 1
    with pytest.raises(FileNotFoundError, match=r"Received: 'en-10k'"):  # the default
        load("babi", data_dir=DUMMY)


def test_babi_without_data_dir_is_downloaded(monkeypatch):
    babi_qa = pytest.importorskip("dmn_keras.datasets.babi.babi_qa")
    monkeypatch.setattr(babi_qa, "download", lambda: DUMMY)
    assert load("babi", config="en") == load("babi", config="en", data_dir=DUMMY)


def test_babi_without_tensorflow_datasets(monkeypatch):
    monkeypatch.delitem(sys.modules, "dmn_keras.datasets.babi.babi_qa", raising=False)
    monkeypatch.delattr(babi, "babi_qa", raising=False)
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r"Downloading bAbI needs tensorflow_datasets: .* pass data_dir"):
        load("babi")


def test_load_stories():
    task = next(iter(stories.TASKS))
    examples = load("stories", task=task, num_examples=5, seed=3)
    assert examples == stories.generate(task, split="train", num_examples=5, seed=3)
    assert examples != load("stories", task=task, num_examples=5, seed=4)
    assert len(load("stories", task=task, split="valid")) == registry.STORIES_NUM_EXAMPLES["valid"]


def test_sizes_of_stories():
    task = next(iter(stories.TASKS))
    (example,) = load("stories", task=task, num_examples=1, config="num_facts=200, num_people=9")
    assert len(example.story) == 200
    examples = load("stories", task=task, num_examples=20, config="num_facts=10-12")
    assert {len(example.story) for example in examples} <= {10, 11, 12}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("num_fact=3", "config: size must be one of num_facts, .* Did you mean 'num_facts'"),
        ("", "config: size must be one of num_facts"),
        ("num_facts=many", "config: num_facts must be a number or a range such as 10-50. Received: 'num_facts=many'"),
        ("num_people=2-3", "config: num_people must be a number. Received: 'num_people=2-3'"),
    ],
)
def test_sizes_of_stories_refused(config, message):
    with pytest.raises(ValueError, match=message):
        load("stories", task=next(iter(stories.TASKS)), config=config)


def test_load_own_data(own):
    assert [example.question for example in load("jsonl", "a", data_dir=own)] == ["Who sat?"]
    assert [example.question for example in load("jsonl", "a", "test", data_dir=own)] == ["Who slept?"]
    assert load("jsonl", "a", "valid", data_dir=own) == []


def test_own_data_is_read_once_until_it_changes(own, monkeypatch):
    read, load_file = [], registry.jsonl.load
    monkeypatch.setattr(registry.jsonl, "load", lambda path: (read.append(path.name), *load_file(path))[1:])
    for task in ("a", "b", "c"):
        for split in ("train", "test"):
            load("jsonl", task, split, data_dir=own)
    assert sorted(read) == ["test.jsonl", "train.jsonl"]
    file = own / "train.jsonl"
    file.write_text(file.read_text().replace("Who sat?", "Who sang?"))
    assert [example.question for example in load("jsonl", "a", data_dir=own)] == ["Who sang?"]


def test_one_file_of_own_data_is_the_training_part(own):
    path = own / "train.jsonl"
    assert [example.question for example in load("jsonl", "b", data_dir=path)] == ["Who ran?"]
    assert load("jsonl", "b", "test", data_dir=path) == []


@pytest.mark.parametrize(
    "call", [lambda **kw: load("jsonl", "all", **kw), lambda **kw: datasets.task_names("jsonl", **kw)]
)
def test_own_data_that_is_not_there(call, tmp_path):
    with pytest.raises(ValueError, match=r"data_dir must be a folder with train.jsonl, .* Received: data_dir=None"):
        call()
    with pytest.raises(FileNotFoundError, match=r"nothing' does not exist. Expected a folder with train.jsonl, "):
        call(data_dir=tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match=r"expected a folder with train.jsonl, .* It holds: nothing"):
        call(data_dir=tmp_path)
    (tmp_path / "trian.jsonl").write_text("")
    with pytest.raises(FileNotFoundError, match=r"It holds: trian.jsonl"):
        call(data_dir=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"dataset": "bAbI"},
            "dataset must be one of babi, babi_long, stories, .*Received: 'bAbI'. Did you mean 'babi'",
        ),
        ({"split": "tset"}, "split must be one of train, valid, test. Received: 'tset'. Did you mean 'test'"),
        ({"task": "0"}, "task must be a number from 1 to 20. Received: '0'"),
        ({"config": "e"}, "config must be one of en, "),
        ({"num_examples": 0}, "num_examples must be a positive integer or None. Received: num_examples=0"),
        ({"seed": -1}, "seed must be a non-negative integer. Received: seed=-1"),
        ({"seed": "a"}, "seed must be a non-negative integer. Received: seed='a'"),
        ({"dataset": "stories", "task": "one"}, "task must be one of "),
        ({"dataset": "jsonl", "config": "en"}, r"config must be None or rename=\.\.\. for dataset 'jsonl'"),
    ],
)
def test_unknown_names(arguments, message):
    with pytest.raises(ValueError, match=message):
        load(**{"dataset": "babi", "data_dir": DUMMY, **arguments})


def test_any_question_answering_can_be_renamed(own, tmp_path):
    assert "Greta" not in str(load("jsonl", "a", data_dir=own, config=f"rename={names_file(tmp_path)}"))
    with pytest.raises(ValueError, match="rename=new changes nothing: the train part of stories"):
        load("stories", "one-supporting-fact", num_examples=3, config="num_facts=4,rename=new")
    with pytest.raises(ValueError, match=r"config: rename must be swap, new or a JSON file of names\. Received: 'x'"):
        load("jsonl", "a", data_dir=own, config="rename=x")
    with pytest.raises(ValueError, match="rename may be given once"):
        load("jsonl", "a", data_dir=own, config="rename=swap,rename=new")


def names_file(folder):
    path = folder / "names.json"
    path.write_text('{"Greta": "Zoe"}')
    return path
