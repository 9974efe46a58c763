import io
import logging
import pathlib
import tarfile

import pytest

from dmn_keras import datasets
from dmn_keras.datasets import Example, stepgame
from dmn_keras.utils import archives

DATA = pathlib.Path(__file__).parents[2] / "../shared/data/stepgame"
real_files = pytest.mark.skipif(not DATA.is_dir(), reason="the StepGame archive is not in ../shared/data/stepgame")
STORY = (
    "1 {a} is left of {b}.\n2 {c} is above {a}.\n3 What is the relation of the agent {c} to the agent {b}?\t{d}\t1\n"
)


def text(names):
    answers = ("upper-left", "lower-right", "overlap")
    stories = zip(names.split(), answers, strict=False)
    return "".join(STORY.format(a=a, b=b, c=c, d=d) for (a, b, c), d in stories)


FILES = {
    "clean/qa1_train.txt": text("ABC DEF GHI"),
    "clean/qa2_train.txt": text("KLM NOP"),
    "clean/qa2_valid.txt": text("QRS"),
    "noise/qa2_test.txt": text("TUV"),
    "noise/qa10_test.txt": text("WXY AZB"),
    "clean/qa2_test.txt": text("CDF"),
    "clean/notes.txt": "not a story",
}


def pack(path, files=FILES):
    with tarfile.open(path, "w:xz" if path.suffix == ".xz" else "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"stepgame/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    return path


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "unpacked" / "stepgame" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "unpacked"


def names(examples):
    return [(e.task, e.story[0][0]) for e in examples]


def test_the_papers_protocol_is_the_default(folder):
    assert names(stepgame.load("train", data_dir=folder)) == [("1", c) for c in "ADG"] + [("2", c) for c in "KN"]
    assert names(stepgame.load("valid", data_dir=folder)) == [("2", "Q")]
    assert names(stepgame.load("test", data_dir=folder)) == [("2", "T"), ("10", "W"), ("10", "A")]
    assert stepgame.load("train", data_dir=folder)[1] == Example(
        story=("D is left of E.", "F is above D."),
        question="What is the relation of the agent F to the agent E?",
        answer=("lower-right",),
        task="1",
        story_id=1,
    )


@pytest.mark.parametrize(
    ("config", "split", "expected"),
    [
        ("clean", "test", ["2C"]),
        ("noise", "test", ["2T", "10W", "10A"]),
        ("k=10", "test", ["10W", "10A"]),
        ("clean,k=1", "train", ["1A", "1D", "1G"]),
        (" k = 2 - 9 , noise ", "test", ["2T"]),
        ("noise", "valid", []),
        ("k=3-9", "test", []),
    ],
)
def test_config_chooses_files(folder, config, split, expected):
    found = names(stepgame.load(split, config=config, data_dir=folder))
    assert [task + name for task, name in found] == expected


def test_num_examples_are_the_first_of_each_k(folder):
    assert names(stepgame.load("train", data_dir=folder, num_examples=1)) == [("1", "A"), ("2", "K")]


@pytest.mark.parametrize("name", ["stepgame.tar.xz", "any.tar.gz"])
def test_archives_give_what_folders_give(folder, tmp_path, name):
    expected = stepgame.load("test", data_dir=folder)
    assert stepgame.load("test", data_dir=folder / "stepgame") == expected
    archive = pack(tmp_path / name)
    assert stepgame.load("test", data_dir=archive) == expected
    (folder / "stepgame").rename(tmp_path / "elsewhere")
    archive.rename(folder / name)
    assert stepgame.load("test", data_dir=folder) == expected
    assert list(folder.iterdir()) == [folder / name]


def test_supporting_facts_are_ignored_with_one_warning(folder, caplog):
    stepgame._warn_of_supporting_facts.cache_clear()
    with caplog.at_level(logging.WARNING):
        examples = stepgame.load("train", data_dir=folder) + stepgame.load("test", data_dir=folder)
    assert all(example.supporting_facts == () for example in examples)
    assert [record.getMessage() for record in caplog.records] == [
        "StepGame's files name the same supporting fact for every question: it is ignored."
    ]


def test_files_without_supporting_facts_need_no_warning(folder, caplog):
    stepgame._warn_of_supporting_facts.cache_clear()
    path = folder / "stepgame/noise/qa2_test.txt"
    path.write_text(path.read_text().replace("\t1\n", "\n"))
    assert stepgame.load("test", config="k=2", data_dir=folder)
    assert not caplog.records


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ("nose", ValueError, "config must be one of clean, noise, k=1, .*'nose'.* Did you mean 'noise'"),
        ("k=5-1", ValueError, "config: k must be a number from 1 to 10 or a range .* Received: 'k=5-1'"),
        ("k=1,k=2", ValueError, "config: each part may be given once. Received: 'k=1,k=2'"),
        ("clean,noise", ValueError, "config: each part may be given once. Received: 'clean,noise'"),
        ("k=11", ValueError, "config: k must be a number from 1 to 10 .* Received: 'k=11'"),
        (
            "noise",
            FileNotFoundError,
            r"has no noise/qa1_train.txt; it has training files of k: none\. Expected the archive stepgame\.tar\.xz, "
            "or a folder that holds it or the folders clean and noise",
        ),
    ],
)
def test_errors(folder, config, error, message):
    with pytest.raises(error, match=message):
        stepgame.load("train", config=config, data_dir=folder)


def test_a_damaged_archive_is_named(tmp_path):
    archive = pack(tmp_path / "stepgame.tar.xz")
    archive.write_bytes(archive.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"cannot be read as an archive: .* It may be incomplete"):
        stepgame.load("train", data_dir=archive)


def test_an_archive_that_expands_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_BYTES", 500)
    with pytest.raises(ValueError, match="cannot be read as an archive: it expands to more than 500 bytes"):
        stepgame.load("train", data_dir=pack(tmp_path / "stepgame.tar.xz"))


def test_a_malformed_file_is_named(folder):
    (folder / "stepgame/clean/qa1_train.txt").write_text("1 A is left of B.\n3 Where?\tleft\t1\n")
    with pytest.raises(ValueError, match=r"qa1_train.txt, line 2: line id out of sequence"):
        stepgame.load("train", data_dir=folder)


@real_files
def test_the_real_files():
    train = stepgame.load("train", data_dir=DATA, num_examples=100)
    test = stepgame.load("test", data_dir=DATA)
    assert {e.task for e in train} == set("12345")
    assert {e.task for e in test} == set(stepgame.TASKS)
    assert len(test) == 20_000
    assert {e.answer_text for e in test} == {
        *("left", "right", "above", "below", "upper-left", "upper-right", "lower-left", "lower-right", "overlap")
    }
    assert all(len(e.story) == int(e.task) for e in train)
    assert all(len(e.story) > int(e.task) for e in test)


def test_a_config_chooses_among_the_tasks(folder):
    def load(task, config):
        return names(datasets.load("stepgame", task=task, split="test", config=config, data_dir=folder))

    assert load("10", None) == load("10", "k = 10") == load("10", "k=3-10") == [("10", "W"), ("10", "A")]
    assert load("2", "k=10") == load("2", "k = 10") == []
    with pytest.raises(ValueError, match="config: k must be a number from 1 to 10"):
        load("2", "k=11")
