"""What the data sets' `load` functions have in common."""

import functools

import pytest

from dmn_keras.datasets import columns, conllu, easy_vqa, sort_of_clevr, sst, stepgame

FROM_FILES = {
    "sst": sst.load,
    "conllu": conllu.load,
    "easy_vqa": easy_vqa.load,
    "stepgame": stepgame.load,
    **{kind: functools.partial(columns.load, kind=kind) for kind in columns.COLUMNS},
}
ALL = {**FROM_FILES, "sort_of_clevr": sort_of_clevr.load}


@pytest.mark.parametrize("load", ALL.values(), ids=ALL)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "tset"}, "split must be one of train, valid, test. Received: 'tset'. Did you mean 'test'?"),
        ({"num_examples": 0}, "num_examples must be a positive integer or None. Received: num_examples=0."),
        ({"num_examples": 2.5}, "num_examples must be a positive integer or None. Received: num_examples=2.5."),
        ({"config": "upso"}, "config"),
    ],
)
def test_arguments_are_checked_first(load, arguments, message, tmp_path):
    arguments = {"split": "train", "data_dir": tmp_path, **arguments}
    with pytest.raises(ValueError, match="must be") as error:
        load(arguments.pop("split"), **arguments)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("load", [easy_vqa.load, sort_of_clevr.load])
def test_a_seed_is_checked(load, tmp_path):
    with pytest.raises(ValueError, match=r"seed must be a non-negative integer\. Received: seed=-1"):
        load("train", data_dir=tmp_path, seed=-1)


@pytest.mark.parametrize("load", FROM_FILES.values(), ids=FROM_FILES)
def test_a_folder_that_is_missing_or_holds_something_else_is_named(load, tmp_path):
    (tmp_path / "treebanks").mkdir()
    (tmp_path / "treebanks" / "notes.md").write_text("nothing")
    with pytest.raises(FileNotFoundError, match=r"treebank' does not exist. Expected .* Did you mean 'treebanks'\?"):
        load("train", data_dir=tmp_path / "treebank")
    with pytest.raises(FileNotFoundError, match=r"treebanks': expected .* It holds: notes\.md"):
        load("train", data_dir=tmp_path / "treebanks")


@pytest.mark.parametrize("name", [name for name in FROM_FILES if name != "easy_vqa"])
def test_a_folder_must_be_given(name):
    with pytest.raises(ValueError, match=r"data_dir must be (a|the archive) .* Received: data_dir=None"):
        FROM_FILES[name]("train")
