import json
import subprocess
import sys

import pytest

from dmn_keras import __version__
from dmn_keras.utils.files import TEMPORARY_PREFIX
from dmn_keras.utils.folder import LOCK, Folder
from tests.training.runs import snapshot


class Shelf(Folder):
    kind = "a shelf"
    writer = "make-shelf"
    record_name = "shelf.json"
    format = 3
    entries = ("shelf.json", "books", "*.txt")
    remedy = "Build it anew."


@pytest.fixture
def shelf(tmp_path):
    shelf = Shelf(tmp_path / "shelf")
    shelf.write_record(width=80)
    return shelf


def test_a_record_is_read_as_it_was_written(shelf):
    assert shelf.exists()
    assert shelf.read_record("width") == {"width": 80}
    assert json.loads(shelf.record.read_text()) == {"format": 3, "dmn_keras": __version__, "width": 80}


@pytest.mark.parametrize(("name", "what"), [("", "does not hold a shelf"), ("nowhere", "does not exist")])
def test_a_folder_without_a_record(name, what, tmp_path):
    shelf = Shelf(tmp_path / name)
    assert not shelf.exists()
    with pytest.raises(FileNotFoundError, match=rf"{what}: expected a folder that `make-shelf` wrote \(shelf\.json\)"):
        shelf.read_record()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"format": 4, "dmn_keras": "9.9"}', r"version of dmn_keras that is newer: 9\.9, format 4.*reads format 3"),
        ('{"format": 2, "dmn_keras": "0.1"}', r"version of dmn_keras that is older: 0\.1, format 2"),
        ('{"width": 80}', r"shelf\.json is damaged: format must be a whole number. Received: None. Build it anew\."),
        ('{"format": 3}', r"shelf\.json is damaged: it lacks 'width'"),
        ("[]", r"shelf\.json is damaged: it holds no object"),
        ("{", r"shelf\.json is damaged: Expecting property name.*Build it anew\."),
    ],
)
def test_a_damaged_record(content, message, shelf):
    shelf.record.write_text(content)
    with pytest.raises(ValueError, match=message):
        shelf.read_record("width")


@pytest.mark.parametrize("version", ["99.3rc1", "99rc1", "99.3.0.dev1", "99.3.0"])
def test_what_a_newer_version_wrote_is_not_called_damaged(version, shelf):
    shelf.record.write_text(json.dumps({"format": 3, "dmn_keras": version}))
    assert f"version of dmn_keras that is newer: {version}." in str(shelf.damaged("it has a new setting"))


@pytest.mark.parametrize("version", [__version__, "0.1rc1", "rc1", None])
def test_damage_of_this_version_or_an_older_one(version, shelf):
    shelf.record.write_text(json.dumps({"format": 3, "dmn_keras": version}))
    assert "is damaged: it has a hole" in str(shelf.damaged("it has a hole"))


def test_one_process_writes_at_a_time(shelf):
    # Without this package, which would import Keras.
    program = "import filelock, sys\nwith filelock.FileLock(sys.argv[1]): print('locked', flush=True); input()"
    command = [sys.executable, "-c", program, shelf.path / LOCK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(BlockingIOError, match="is being written by another process"), shelf.lock():
            pass
        other.kill()
    (shelf.path / f"{TEMPORARY_PREFIX}killed").mkdir()
    with shelf.lock():
        assert sorted(path.name for path in shelf.path.iterdir()) == [".lock", "shelf.json"], "leftovers are removed"


def test_what_something_else_wrote_is_refused_and_never_removed(tmp_path):
    shelf = Shelf(tmp_path)
    (tmp_path / "other.md").write_text("mine")
    shelf.refuse_foreign()
    (tmp_path / "a.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"a\.txt exists and does not belong to a shelf: shelf\.json is missing"):
        shelf.refuse_foreign()
    shelf.write_record()
    (tmp_path / "books").mkdir()
    (tmp_path / "books/b").write_text("ours")
    shelf.refuse_foreign()
    shelf.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["other.md"]
    with pytest.raises(NotADirectoryError, match=r"other\.md must be a folder"):
        Shelf(tmp_path / "other.md").refuse_foreign()


@pytest.mark.parametrize("name", ["books", "a.txt", "shelf.json"])
def test_symbolic_links_are_not_written_through(name, shelf, tmp_path):
    target = tmp_path / "elsewhere"
    target.mkdir()
    (shelf.path / name).unlink(missing_ok=True)
    (shelf.path / name).symlink_to(target)
    before = snapshot(target)
    with pytest.raises(FileExistsError, match="is a symbolic link"):
        shelf.refuse_foreign()
    shelf.remove()
    assert snapshot(target) == before
    (shelf.path / name).symlink_to(tmp_path / "dangling")
    with pytest.raises(FileExistsError, match="is a symbolic link"):
        shelf.refuse_foreign()
