"""An index answers as the story does, and resumes after whatever stopped it."""

import contextlib
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from dmn_keras.long_context import story_index
from dmn_keras.long_context.story_index import StoryIndex, write_index
from dmn_keras.tasks.question_answering.retrieval import StoryRetriever
from tests.long_stories import QUESTION, long_story, task_with_retriever
from tests.training.runs import in_eager_steps, snapshot, without_tracing

pytestmark = [without_tracing, in_eager_steps]
ROOT = pathlib.Path(__file__).parents[2]
QUESTIONS = [QUESTION, "Is the whale at home?"]
FILES = ("story.sqlite", "vectors.bin")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a task, in `run`, of the story and its index, and the task."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "book.txt").write_text("\n".join(long_story()))
    qa = task_with_retriever(folder)
    assert write(StoryRetriever(qa.network, qa.vocabulary, chunk=40), folder / "book.txt", folder / "index") == []
    return folder, qa


@pytest.fixture
def retriever(made):
    return StoryRetriever(made[1].network, made[1].vocabulary, chunk=40)


@pytest.fixture
def book(made, tmp_path):
    return pathlib.Path(shutil.copy(made[0] / "book.txt", tmp_path))


@pytest.fixture
def folder(made, tmp_path):
    """An index of the book."""
    return shutil.copytree(made[0] / "index", tmp_path / "index")


def grow(book, text):
    with book.open("a") as file:
        file.write(text)


def write(retriever, book, folder, **options):
    """Index a book; returns the lines that were reported."""
    lines = []
    write_index(retriever, book, folder, report=lines.append, **options)
    return lines


def execute(folder, statement, *values):
    """Run a statement in the database of an index."""
    with contextlib.closing(sqlite3.connect(folder / "story.sqlite")) as database, database:
        return database.execute(statement, values).fetchall()


def equal_to_a_new_one(retriever, book, folder):
    """Whether an index is the one that is made at once; vectors are to rounding, as others are read beside them."""
    new = folder.with_name("new")
    write(retriever, book, new, overwrite=True)
    vectors = [np.fromfile(path / "vectors.bin", "<f4") for path in (folder, new)]
    facts = [execute(path, "SELECT * FROM facts") for path in (folder, new)]
    same = StoryIndex(folder).contents == StoryIndex(new).contents and facts[0] == facts[1]
    return same and vectors[0].shape == vectors[1].shape and np.allclose(*vectors, atol=1e-5)


def test_an_index_leaves_the_facts_that_the_story_leaves(retriever, folder, monkeypatch):
    index = StoryIndex(folder)
    expected = retriever.retrieve(long_story(), QUESTIONS)
    assert index.retrieve(retriever, QUESTIONS) == expected
    assert index.contents.facts == len(long_story())
    assert index.contents.words == sum(len(sentence.split()) for sentence in long_story())
    monkeypatch.setattr(story_index, "_AT_A_TIME", 7)
    for retrieved, whole in zip(index.retrieve(retriever, QUESTIONS), expected, strict=True):
        assert [fact[:2] for fact in retrieved.facts] == [fact[:2] for fact in whole.facts]


def test_half_precision_rounds(retriever, book, folder, tmp_path):
    write(retriever, book, tmp_path / "half", dtype="float16")
    whole, half = (np.fromfile(path / "vectors.bin", d) for path, d in ((folder, "<f4"), (tmp_path / "half", "<f2")))
    np.testing.assert_allclose(half, whole, rtol=1e-3, atol=1e-4)
    [retrieved] = StoryIndex(tmp_path / "half").retrieve(retriever, [QUESTION])
    [exact] = StoryIndex(folder).retrieve(retriever, [QUESTION])
    assert retrieved.nearest.gate == pytest.approx(exact.nearest.gate, abs=5e-3)


@pytest.mark.parametrize("more", ["", " is in the park.", "\nMary park. Bill home.", ".\n" + "John is home.\n" * 90])
def test_a_story_that_grows(more, retriever, book, folder):
    grow(book, "\nThen John")
    write(retriever, book, folder)
    grow(book, more)
    assert write(retriever, book, folder) == ["Resuming after the first 150 facts, which were read before."]
    assert equal_to_a_new_one(retriever, book, folder)


# Whatever stops it

KILL = """
import os, signal, sys
from dmn_keras.long_context import story_index
from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.tasks.question_answering.retrieval import StoryRetriever

run, book, folder = sys.argv[1:]
calls, fsync = 0, os.fsync

def dies(*arguments):
    global calls
    calls += 1
    if calls == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return fsync(*arguments)

os.fsync = dies
qa = QuestionAnswerer.from_preset(run)
story_index.write_index(StoryRetriever(qa.network, qa.vocabulary, chunk=40), book, folder)
"""


def test_a_kill(retriever, made, book, tmp_path):
    folder = tmp_path / "index"
    command = [sys.executable, "-c", KILL, made[0] / "run", book, folder]
    result = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert result.returncode == -signal.SIGKILL, result.stderr
    with pytest.raises(ValueError, match=r"index holds a part of its story alone: the same .* command resumes\.$"):
        StoryIndex(folder).retrieve(retriever, QUESTIONS)
    assert write(retriever, book, folder) == ["Resuming after the first 39 facts, which were read before."]
    assert equal_to_a_new_one(retriever, book, folder)


@pytest.mark.parametrize(("where", "count"), [("read", 2), ("fsync", 1)])
def test_an_interrupt_while_the_story_grows(where, count, retriever, book, folder, monkeypatch):
    grow(book, " Ahab" + "\nMary park. " * 60)
    owner = retriever if where == "read" else os
    calls, call = iter(range(1, 100)), getattr(owner, where)

    def stops(*arguments):
        if next(calls) == count:
            raise KeyboardInterrupt
        return call(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(owner, where, stops)
        with pytest.raises(KeyboardInterrupt):
            write(retriever, book, folder)
    [line] = write(retriever, book, folder)
    assert line.startswith("Resuming after the first 1")
    assert equal_to_a_new_one(retriever, book, folder)


@pytest.mark.parametrize("limit", [100 * 32 * 4, 5000])  # on the vectors, on the database
def test_a_full_disk(limit, retriever, book, tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(OSError, match=r"index cannot be written: .* What was written stays; the same command"):
            write(retriever, book, tmp_path / "index")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    write(retriever, book, tmp_path / "index")
    assert equal_to_a_new_one(retriever, book, tmp_path / "index")


def test_one_process_writes_at_a_time(retriever, book, folder, monkeypatch):
    read, refused = retriever.read, []

    def meets_another(texts):
        with pytest.raises(BlockingIOError, match=r"index is being written by another process\.") as error:
            write(retriever, book, folder)
        refused.append(error)
        return read(texts)

    with monkeypatch.context() as patch:
        patch.setattr(retriever, "read", meets_another)
        write(retriever, book, folder, overwrite=True)
    assert len(refused) == 4
    assert equal_to_a_new_one(retriever, book, folder)


# Other stories, models, settings, files


@pytest.mark.parametrize("change", [lambda text: text[:-1000], lambda text: "X" + text[1:]])
def test_another_story_or_other_settings(change, retriever, book, folder):
    for name, value in (("dtype", "float16"), ("wrapped", True)):
        with pytest.raises(ValueError, match=rf"was begun with {name}=.*\. Received: {name}=.*Start over"):
            write(retriever, book, folder, **{name: value})
    before = snapshot(folder)
    book.write_text(change(book.read_text()))
    with pytest.raises(ValueError, match=r"first [\d,]+ bytes of .*book.txt are not .* Start over with overwrite"):
        write(retriever, book, folder)
    assert snapshot(folder) == before
    write(retriever, book, folder, overwrite=True)
    assert equal_to_a_new_one(retriever, book, folder)


def test_another_model_or_vocabulary(retriever, book, tmp_path):
    write(retriever, book, tmp_path / "index", run="runs/long")
    index = StoryIndex(tmp_path / "index")
    other = task_with_retriever(tmp_path / "other", seed=1).retriever
    message = "was made with /.*/runs/long, as it was then, whose {} is not this run's"
    with pytest.raises(ValueError, match=message.format("retriever")):
        index.retrieve(other, [QUESTION])
    with pytest.raises(ValueError, match=message.format("retriever")):
        write(other, book, tmp_path / "index")
    retriever.vocabulary = type(retriever.vocabulary)([*retriever.vocabulary.words[3:-1], "whale"])
    with pytest.raises(ValueError, match=message.format("vocabulary")):
        index.retrieve(retriever, [QUESTION])


def test_run_and_story_are_named_for_any_folder(retriever, book, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run, named in ((None, None), (pathlib.Path("runs/a"), str(tmp_path / "runs/a")), ("babi-long", "babi-long")):
        write(retriever, "book.txt", "index", run=run, overwrite=True)
        contents = StoryIndex("index").contents
        assert (contents.run, contents.source) == (named, str(book))
    (tmp_path / "babi-long").mkdir()
    write(retriever, "book.txt", "index", run="babi-long")
    assert StoryIndex("index").contents.run == str(tmp_path / "babi-long")


def test_a_story_that_is_no_text_file_leaves_nothing(retriever, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for source, message in (
        ("-", "story must be a text file on a disk"),
        (tmp_path, "must be a regular file. It is a folder"),
        (tmp_path / "pipe", "must be a regular file. It is a pipe, a socket or a device"),
        ("/dev/null", "must be a regular file. It is a pipe, a socket or a device"),
        (b"", r"book.txt, line \d: expected"),
        (b"Mary park.\n\x00", r"book.txt, line \d: expected"),
        (b"Mary \xff park.", r"book.txt, line \d: expected"),
    ):
        if isinstance(source, bytes):
            (tmp_path / "book.txt").write_bytes(source)
            source = tmp_path / "book.txt"
        with pytest.raises(ValueError, match=message):
            write(retriever, source, tmp_path / "index")
    with pytest.raises(FileNotFoundError, match=r"nothing\.txt does not exist"):
        write(retriever, tmp_path / "nothing.txt", tmp_path / "index")
    with pytest.raises(ValueError, match="dtype must be one of float32, float16"):
        write(retriever, tmp_path / "book.txt", tmp_path / "index", dtype="float64")
    assert not (tmp_path / "index").exists()


# Damage


def assert_damaged(retriever, book, folder, message):
    """Asking and writing name the damage, and the way that the message names works."""
    for use in (lambda: StoryIndex(folder).retrieve(retriever, [QUESTION]), lambda: write(retriever, book, folder)):
        with pytest.raises(ValueError, match=rf"{message}.* Make it again with `dmn-keras index --overwrite`\.$"):
            use()
    write(retriever, book, folder, overwrite=True)
    assert equal_to_a_new_one(retriever, book, folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("vectors.bin", lambda data: data[:-5], r"vectors\.bin is damaged: expected at least [\d,]+ bytes, received"),
        ("vectors.bin", lambda data: b"", r"vectors\.bin is damaged: expected at least [\d,]+ bytes, received 0"),
        ("story.sqlite", lambda data: data[: len(data) // 2], r"story\.sqlite is damaged: "),
        ("story.sqlite", lambda data: b"\xff" * len(data), r"story\.sqlite is damaged: file is not a database"),
        ("story_index.json", lambda data: b"[]", r"story_index\.json is damaged: "),
        ("story_index.json", lambda data: b'{"format": 99, "dmn_keras": "9"}', "a version of dmn_keras that is newer"),
    ],
)
def test_a_damaged_file(name, change, message, retriever, book, folder):
    file = folder / name
    file.write_bytes(change(file.read_bytes()))
    assert_damaged(retriever, book, folder, message)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM facts WHERE position = 149", "it counts 150 facts, and the last one is 148"),
        ("UPDATE contents SET json = '[]'", r".* must be a mapping"),
        ("UPDATE contents SET json = json_set(json, '$.more', 1)", "unexpected keyword argument 'more'"),
        ("UPDATE contents SET json = json_set(json, '$.facts', '150')", 'facts is "150"'),
        ("UPDATE contents SET json = json_set(json, '$.units', 0)", "units must be a positive integer"),
        ("UPDATE contents SET json = json_set(json, '$.resume_byte', -1)", "resume_byte is -1"),
        ("UPDATE contents SET json = json_set(json, '$.resume_facts', 7)", "it counts 150 facts"),
        ("UPDATE contents SET json = json_set(json, '$.dtype', 'int8')", "dtype must be one of"),
    ],
)
def test_a_database_of_something_else(statement, message, retriever, book, folder):
    execute(folder, statement)
    assert_damaged(retriever, book, folder, message)


def test_one_vector_that_is_not_finite(retriever, folder):
    with (folder / "vectors.bin").open("r+b") as file:
        file.write(np.float32(np.inf).tobytes())
    with pytest.raises(ValueError, match=r"vectors\.bin is damaged: it holds numbers that are not finite\. Make it"):
        StoryIndex(folder).retrieve(retriever, [QUESTION])


@pytest.mark.parametrize("value", ["NULL", "x'ff'", "CAST(x'ff' AS TEXT)"])
def test_texts_that_are_none(value, retriever, folder):
    execute(folder, f"UPDATE facts SET text = {value}")
    with pytest.raises(ValueError, match=r"story\.sqlite is damaged: .* Make it again"):
        StoryIndex(folder).retrieve(retriever, [QUESTION])


# Folders of somebody else


@pytest.mark.parametrize("name", [*FILES, "story.sqlite-journal", "story.sqlite-wal", "story_index.json", ".lock"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_written_through_a_link(name, link, overwrite, retriever, book, folder, tmp_path):
    (tmp_path / "victim").write_bytes(b"precious" * 5000)
    (folder / name).unlink(missing_ok=True)
    link(tmp_path / "victim", folder / name)
    grow(book, "\nBill is in the park.")
    if (name, link) == (".lock", os.link):
        write(retriever, book, folder, overwrite=overwrite)
    else:
        with pytest.raises(OSError, match=f"{name}"):
            write(retriever, book, folder, overwrite=overwrite)
    assert (tmp_path / "victim").read_bytes() == b"precious" * 5000


@pytest.mark.parametrize("name", [*FILES, "story_index.json"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(name, retriever, book, folder):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    for use in (lambda: StoryIndex(folder).retrieve(retriever, [QUESTION]), lambda: write(retriever, book, folder)):
        with pytest.raises(ValueError, match=f"{name} must be a regular file"):
            use()


@pytest.mark.parametrize("overwrite", [False, True])
def test_folders_that_hold_no_index(overwrite, retriever, book, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist: expected a folder that `dmn-keras index`"):
        StoryIndex(tmp_path / "nowhere").retrieve(retriever, [QUESTION])
    with pytest.raises(FileNotFoundError, match=r"does not hold an index: expected a folder"):
        StoryIndex(tmp_path).retrieve(retriever, [QUESTION])
    with pytest.raises(NotADirectoryError, match=r"book\.txt must be a folder"):
        write(retriever, book, book)
    (tmp_path / "vectors.bin").write_text("Mine.")
    before = snapshot(tmp_path)
    with pytest.raises(FileExistsError, match=r"vectors\.bin exists and does not belong to an index"):
        write(retriever, book, tmp_path, overwrite=overwrite)
    assert snapshot(tmp_path) == before
