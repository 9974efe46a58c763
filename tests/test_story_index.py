"""An index answers as the story does, and goes on after whatever stopped it."""

import errno
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

from dmn_keras import story_index
from dmn_keras.asking import Answerer
from dmn_keras.narrowing import Narrowing
from dmn_keras.story_index import StoryIndex, write_index
from tests.long_stories import QUESTION, long_story, narrowing_answerer
from tests.training.runs import eagerly, snapshot, without_tracing

pytestmark = without_tracing
ROOT = pathlib.Path(__file__).parents[1]
QUESTIONS = [QUESTION, "Is the whale at home?"]
FILES = ("vectors.bin", "sentences.bin", "ends.bin")


@pytest.fixture(autouse=True)
def _eager():
    with eagerly():
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    narrowing_answerer(folder)
    return folder / "run"


@pytest.fixture
def narrowing(run):
    answerer = Answerer(run)
    return Narrowing(answerer.model, answerer.vocabulary, chunk=40)


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("\n".join(long_story()))
    return path


def grow(book, text):
    with book.open("a") as file:
        file.write(text)


def write(narrowing, book, folder, **options):
    """Index a book; returns what was said."""
    said = []
    write_index(narrowing, book, folder, say=said.append, **options)
    return said


def equal_to_a_new_one(narrowing, book, folder):
    """Whether an index is the one that is made at once; vectors are to rounding, as others are read beside them."""
    new = folder.with_name("new")
    write(narrowing, book, new, overwrite=True)
    vectors = [np.fromfile(path / "vectors.bin", "<f4") for path in (folder, new)]
    others = ("sentences.bin", "ends.bin", "index.json")
    same = [(folder / name).read_bytes() == (new / name).read_bytes() for name in others]
    return all(same) and vectors[0].shape == vectors[1].shape and np.allclose(*vectors, atol=1e-5)


def test_an_index_leaves_the_facts_that_the_story_leaves(narrowing, book, tmp_path):
    assert write(narrowing, book, tmp_path / "index") == []
    index = StoryIndex(tmp_path / "index")
    assert index.narrow(narrowing, QUESTIONS) == narrowing.narrow(long_story(), QUESTIONS)
    assert index.contents.facts == len(long_story())
    assert index.contents.words == sum(len(sentence.split()) for sentence in long_story())


def test_facts_of_several_readings_are_one_story(narrowing, book, tmp_path, monkeypatch):
    write(narrowing, book, tmp_path / "index")
    index = StoryIndex(tmp_path / "index")
    expected = index.narrow(narrowing, QUESTIONS)
    monkeypatch.setattr(story_index, "_AT_A_TIME", 7)
    for narrowed, whole in zip(index.narrow(narrowing, QUESTIONS), expected, strict=True):
        assert [fact[:2] for fact in narrowed.facts] == [fact[:2] for fact in whole.facts]


def test_half_precision_rounds(narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index")
    write(narrowing, book, tmp_path / "half", dtype="float16")
    sizes = [(tmp_path / name / "vectors.bin").stat().st_size for name in ("index", "half")]
    assert sizes[0] == 2 * sizes[1]
    whole, half = (np.fromfile(tmp_path / n / "vectors.bin", d) for n, d in (("index", "<f4"), ("half", "<f2")))
    np.testing.assert_allclose(half, whole, rtol=1e-3, atol=1e-4)
    [narrowed] = StoryIndex(tmp_path / "half").narrow(narrowing, [QUESTION])
    [exact] = StoryIndex(tmp_path / "index").narrow(narrowing, [QUESTION])
    assert narrowed.nearest.gate == pytest.approx(exact.nearest.gate, abs=5e-3)


@pytest.mark.parametrize("more", [" is in the park.", "\nMary park. Bill home.", ".\n" + "John is home.\n" * 90])
def test_a_story_that_goes_on(more, narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index")
    grow(book, "\nThen John")
    write(narrowing, book, tmp_path / "index")
    grow(book, more)
    [said] = write(narrowing, book, tmp_path / "index")
    assert said == f"150 facts were read before; the story has grown by {len(more):,} bytes."
    assert equal_to_a_new_one(narrowing, book, tmp_path / "index")


def test_a_story_that_has_not_grown(narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index")
    before = snapshot(tmp_path / "index")
    [said] = write(narrowing, book, tmp_path / "index")
    assert said == "150 facts were read before, and the story has not grown."
    assert snapshot(tmp_path / "index") == before


KILL = """
import os, pathlib, signal, sys
from dmn_keras import story_index
from dmn_keras.asking import Answerer
from dmn_keras.narrowing import Narrowing

run, book, folder, where, count = sys.argv[1:]
calls, write = 0, getattr(story_index, where)

def dies(path, *arguments):
    global calls
    calls += 1
    if calls == int(count):
        if where == "_write_at":  # half of what was to be written is there
            arguments = arguments[0], arguments[1][: len(arguments[1]) // 2]
            write(path, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, *arguments)

setattr(story_index, where, dies)
answerer = Answerer(run)
story_index.write_index(Narrowing(answerer.model, answerer.vocabulary, chunk=40), book, folder)
"""


@pytest.mark.parametrize(("where", "count", "kept"), [("_write_at", 6, 39), ("write_json", 4, 79)])
def test_a_kill_on_the_way(where, count, kept, narrowing, run, book, tmp_path):
    folder = tmp_path / "index"
    arguments = [str(run), str(book), str(folder), where, str(count)]
    result = subprocess.run([sys.executable, "-c", KILL, *arguments], cwd=ROOT, check=False, capture_output=True)
    assert result.returncode == -signal.SIGKILL, result.stderr
    with pytest.raises(ValueError, match=rf"holds the first {kept + 1} facts of .*book.txt alone: its story was not"):
        StoryIndex(folder)
    [said] = write(narrowing, book, folder)
    assert said == f"Going on behind the first {kept} facts, which were read before."
    assert equal_to_a_new_one(narrowing, book, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "index.json"])


@pytest.mark.parametrize("count", range(1, 5))
def test_whatever_stops_it_while_the_story_grows(count, narrowing, book, tmp_path, monkeypatch):
    folder = tmp_path / "index"
    write(narrowing, book, folder)
    grow(book, " Ahab" + "\nMary park. " * 60)
    calls = iter(range(1, 100))

    def stops(path, place, data):
        if next(calls) == count:
            true(path, place, data[: len(data) // 2])
            raise KeyboardInterrupt
        true(path, place, data)

    with monkeypatch.context() as patch:
        true = story_index._write_at
        patch.setattr(story_index, "_write_at", stops)
        with pytest.raises(KeyboardInterrupt):
            write(narrowing, book, folder)
    [said] = write(narrowing, book, folder)
    assert said.startswith("Going on behind the first 1")
    assert equal_to_a_new_one(narrowing, book, folder)


def test_a_full_disk(narrowing, book, tmp_path):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 * 32 * 4, limit[1]))
    try:
        with pytest.raises(OSError, match=r"index cannot be written: .* The 80 facts that are counted stay; the same"):
            write(narrowing, book, tmp_path / "index")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert write(narrowing, book, tmp_path / "index") == ["Going on behind the first 79 facts, which were read before."]
    assert equal_to_a_new_one(narrowing, book, tmp_path / "index")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_what_to_do_about_a_full_disk(number, narrowing, book, tmp_path, monkeypatch):
    def fails(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(story_index, "_write_at", fails)
    with pytest.raises(OSError, match=r"index cannot be written: .* The 0 facts that are counted stay; ") as error:
        write(narrowing, book, tmp_path / "index")
    advice = " Free space, or use dtype float16 (with overwrite)."
    assert str(error.value).endswith(advice) == (number != errno.EIO)


def test_run_and_story_are_named_for_any_folder(narrowing, book, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run, named in (
        (None, None),
        ("runs/long", str(tmp_path / "runs/long")),
        (pathlib.Path("runs"), str(tmp_path / "runs")),
        ("babi-long", "babi-long"),
        ("babi-joint", "babi-joint"),
    ):
        write(narrowing, "book.txt", "index", run=run, overwrite=True)
        contents = StoryIndex("index").contents
        assert (contents.run, contents.source) == (named, str(book))
    (tmp_path / "babi-long").mkdir()
    write(narrowing, "book.txt", "index", run="babi-long")
    assert StoryIndex("index").contents.run == str(tmp_path / "babi-long")


def test_a_story_that_is_no_file_on_a_disk(narrowing, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for source in ("-", tmp_path, tmp_path / "pipe"):
        with pytest.raises(ValueError, match=rf"^--story {source}: an index needs a text file on a disk\.$"):
            write(narrowing, source, tmp_path / "index")
    with pytest.raises(FileNotFoundError, match=r"--story .*nothing\.txt does not exist: an index needs a text file"):
        write(narrowing, tmp_path / "nothing.txt", tmp_path / "index")
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:-100], r"has [\d,]+ bytes, and had [\d,]+ when .* it is another story. Start over with"),
        (lambda text: "X" + text[1:], r"The first [\d,]+ bytes of .*book.txt are not those that .* Start over with"),
    ],
)
def test_another_story(change, message, narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index")
    before = snapshot(tmp_path / "index")
    book.write_text(change(book.read_text()))
    with pytest.raises(ValueError, match=message):
        write(narrowing, book, tmp_path / "index")
    assert snapshot(tmp_path / "index") == before
    write(narrowing, book, tmp_path / "index", overwrite=True)
    assert equal_to_a_new_one(narrowing, book, tmp_path / "index")


@pytest.mark.parametrize(("options", "name"), [({"dtype": "float16"}, "dtype"), ({"wrapped": True}, "wrapped")])
def test_other_settings(options, name, narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index")
    with pytest.raises(ValueError, match=rf"was begun with {name}=.*\. Received: {name}=.*Start over"):
        write(narrowing, book, tmp_path / "index", **options)


def test_another_model_or_vocabulary(narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index", run="runs/long")
    index = StoryIndex(tmp_path / "index")
    other = narrowing_answerer(tmp_path / "other", seed=1).narrowing
    message = "was made with /.*/runs/long, as it was then, whose {} is not this run's"
    with pytest.raises(ValueError, match=message.format("first pass")):
        index.narrow(other, [QUESTION])
    with pytest.raises(ValueError, match=message.format("first pass")):
        write(other, book, tmp_path / "index")
    narrowing.vocabulary = type(narrowing.vocabulary)([*narrowing.vocabulary.words[3:-1], "whale"])
    with pytest.raises(ValueError, match=message.format("vocabulary")):
        index.narrow(narrowing, [QUESTION])


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_cut_off(name, narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index")
    file = tmp_path / "index" / name
    file.write_bytes(file.read_bytes()[:-5])
    for use in (StoryIndex, lambda folder: write(narrowing, book, folder)):
        with pytest.raises(ValueError, match=rf"{name} is damaged: expected [a-z\d, ]+ bytes. Received [\d,]+"):
            use(tmp_path / "index")
    file.unlink()
    with pytest.raises(ValueError, match=rf"{name} is damaged: .* Received 0\."):
        StoryIndex(tmp_path / "index")


@pytest.mark.parametrize(
    ("name", "garbage"),
    [("vectors.bin", b"\xff"), ("sentences.bin", b"\xff"), ("ends.bin", b"\x80"), ("ends.bin", b"\x01")],
)
def test_a_file_of_garbage(name, garbage, narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index")
    file = tmp_path / "index" / name
    file.write_bytes(garbage * file.stat().st_size)
    with pytest.raises(ValueError, match=r"is damaged.* Make it again with `dmn-keras index --overwrite`\.$"):
        StoryIndex(tmp_path / "index").narrow(narrowing, [QUESTION])
    write(narrowing, book, tmp_path / "index", overwrite=True)
    assert equal_to_a_new_one(narrowing, book, tmp_path / "index")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (70, 3, r"ends\.bin is damaged: a text ends before it begins\. Make"),
        (0, -1, r"ends\.bin is damaged: a text ends before it begins\. Make"),
        (64, 1 << 40, r"ends\.bin is damaged: a text ends before it begins\. Make"),
        (-1, 1 << 40, r"sentences\.bin is damaged: expected 1,099,511,627,776 bytes\. Received [\d,]+\. Make"),
        (-1, None, r"sentences\.bin is damaged: expected [\d,]+ bytes\. Received [\d,]+\. Make"),
    ],
)
def test_a_wrong_end(place, value, message, narrowing, book, tmp_path, monkeypatch):
    monkeypatch.setattr(story_index, "_AT_A_TIME", 64)
    write(narrowing, book, tmp_path / "index")
    file = tmp_path / "index/ends.bin"
    ends = np.fromfile(file, "<i8")
    ends[place] = ends[place - 1] if value is None else value
    ends.tofile(file)
    for use in (StoryIndex, lambda folder: write(narrowing, book, folder)):
        with pytest.raises(ValueError, match=message):
            use(tmp_path / "index")


def test_one_vector_that_is_not_finite(narrowing, book, tmp_path, monkeypatch):
    monkeypatch.setattr(story_index, "_AT_A_TIME", 64)
    write(narrowing, book, tmp_path / "index")
    file = tmp_path / "index/vectors.bin"
    vectors = np.fromfile(file, "<f4")
    vectors[-1] = np.inf
    vectors.tofile(file)
    with pytest.raises(ValueError, match=r"vectors\.bin is damaged: it holds numbers that are not finite\. Make it"):
        StoryIndex(tmp_path / "index").narrow(narrowing, [QUESTION])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is damaged: it holds no JSON"),
        ("[" * 100_000, "is damaged: it holds no JSON"),
        ("[]", "is damaged: it holds no object"),
        ("{}", "is damaged: it lacks format"),
        ('{"format": 99, "dmn_keras": "9"}', "was written in format 99 by dmn_keras 9; this is .* reads format 1"),
        ('{"format": 1, "dmn_keras": "9", "goes_on": {}}', "is damaged: it lacks fields, or has others than run, w.*"),
    ],
)
def test_a_description_of_something_else(content, message, narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index")
    (tmp_path / "index/index.json").write_text(content)
    for use in (StoryIndex, lambda folder: write(narrowing, book, folder)):
        with pytest.raises(ValueError, match=rf"{message}\. Make it again with `dmn-keras index --overwrite`\.$"):
            use(tmp_path / "index")
    write(narrowing, book, tmp_path / "index", overwrite=True)
    assert equal_to_a_new_one(narrowing, book, tmp_path / "index")


def test_a_description_of_wrong_fields(narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index")
    file = tmp_path / "index/index.json"
    content = json.loads(file.read_text())
    place = content["goes_on"]
    for change, message in (
        ({"facts": "150"}, 'facts is "150"'),
        ({"facts": -1}, "facts is -1"),
        ({"facts": True}, "facts is true"),
        ({"facts": 7}, "it counts 7 facts and goes on behind 149"),
        ({"units": 1.5}, "units is 1.5"),
        ({"units": 0}, "its vectors are 0 times float32"),
        ({"dtype": "int8"}, "its vectors are 32 times int8"),
        ({"run": 3}, "run is 3"),
        ({"complete": 1}, "complete is 1"),
        ({"source_size": None}, "source_size is null"),
        ({"goes_on": 5}, "goes_on is 5"),
        ({"goes_on": {**place, "byte": "5"}}, 'byte is "5"'),
        ({"goes_on": {}}, "it lacks fields, or has others than facts, words, byte, checksum"),
        ({"more": 5}, "it lacks fields, or has others than run, weights, .*"),
    ):
        file.write_text(json.dumps({**content, **change}))
        for use in (StoryIndex, lambda folder: write(narrowing, book, folder)):
            with pytest.raises(ValueError, match=rf"index\.json is damaged: {message}\. Make it again with"):
                use(tmp_path / "index")


def test_folders_that_hold_no_index(narrowing, book, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist: expected a folder that `dmn-keras index`"):
        StoryIndex(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"holds no index: expected a folder"):
        StoryIndex(tmp_path)
    with pytest.raises(FileExistsError, match="holds other files and no index: choose another one"):
        write(narrowing, book, tmp_path, overwrite=True)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.json").write_text('{"site": 1}')
    with pytest.raises(FileNotFoundError, match=r"site holds no index: expected a folder"):
        StoryIndex(tmp_path / "site")
    for _ in range(2):
        before = snapshot(tmp_path / "site")
        for overwrite in (False, True):
            with pytest.raises(FileExistsError, match="holds other files and no index: choose another one"):
                write(narrowing, book, tmp_path / "site", overwrite=overwrite)
        assert snapshot(tmp_path / "site") == before
        (tmp_path / "site/page.html").write_text("A page.")
    with pytest.raises(NotADirectoryError, match=r"book\.txt is a file; expected a folder"):
        write(narrowing, book, book)


@pytest.mark.parametrize("content", [b"", b"Mary park.\n\x00", b"Mary \xff park."])
def test_a_story_that_is_none_leaves_nothing(content, narrowing, tmp_path):
    (tmp_path / "book.txt").write_bytes(content)
    with pytest.raises(ValueError, match=r"book.txt, line \d: expected"):
        write(narrowing, tmp_path / "book.txt", tmp_path / "index")
    with pytest.raises(FileNotFoundError):
        write(narrowing, tmp_path / "nothing.txt", tmp_path / "index")
    with pytest.raises(ValueError, match="dtype must be one of float32, float16"):
        write(narrowing, tmp_path / "book.txt", tmp_path / "index", dtype="float64")
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_files_beside_an_index(overwrite, narrowing, book, tmp_path):
    write(narrowing, book, tmp_path / "index")
    (tmp_path / "index/notes.txt").write_text("Mine.")
    before = snapshot(tmp_path / "index")
    with pytest.raises(FileExistsError, match=r"holds other files beside the index \(notes\.txt\): move them, or"):
        write(narrowing, book, tmp_path / "index", overwrite=overwrite)
    assert snapshot(tmp_path / "index") == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_one_process_writes_at_a_time(overwrite, narrowing, book, tmp_path, monkeypatch):
    folder = tmp_path / "deep/index"
    true, refused = story_index._write_at, []

    def meets_another(path, place, data):
        assert (folder / "index.lock").exists()
        with pytest.raises(BlockingIOError, match=r"--output .*index is being written by another process\.") as error:
            write(narrowing, book, folder, overwrite=overwrite)
        refused.append(error)
        true(path, place, data)

    with monkeypatch.context() as patch:
        patch.setattr(story_index, "_write_at", meets_another)
        write(narrowing, book, folder)
    assert len(refused) == 12
    assert equal_to_a_new_one(narrowing, book, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "index.json"])


def test_a_lock_of_a_process_that_is_gone(narrowing, book, tmp_path):
    (tmp_path / "index").mkdir()
    (tmp_path / "index/index.lock").touch()
    write(narrowing, book, tmp_path / "index")
    assert equal_to_a_new_one(narrowing, book, tmp_path / "index")


def test_a_lock_that_its_owner_removes(tmp_path):
    first, second = (story_index._Folder(tmp_path / "index") for _ in range(2))
    with first.locked():
        file = second.lock.open("ab")
    with file, pytest.raises(BlockingIOError):
        second._take(file)


def test_without_locks(narrowing, book, tmp_path, monkeypatch):
    monkeypatch.setattr(story_index, "fcntl", None)
    write(narrowing, book, tmp_path / "index")
    assert equal_to_a_new_one(narrowing, book, tmp_path / "index")
