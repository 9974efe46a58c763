import json
import os

import pytest

from dmn_keras.utils.files import atomic, read_json, write_json
from tests.training.runs import snapshot


def test_a_file_stays_as_it_was_if_writing_fails(tmp_path):
    file = tmp_path / "file.json"
    write_json(file, {"a": 1})
    before = snapshot(tmp_path)

    def fail(error):
        with atomic(file) as path:
            path.write_text("half")
            raise error

    for error in (OSError("disk full"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            fail(error)
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(file, {"a": object()})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(file, {"a": float("nan")})
    assert snapshot(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"], "no temporary folder stays"


def test_a_file_is_replaced_as_a_whole_in_a_folder_that_is_created(tmp_path):
    file = tmp_path / "new/folder/file.json"
    write_json(file, {"a": 1})
    write_json(file, {"b": "ö"})
    assert read_json(file) == {"b": "ö"}
    assert json.loads(file.read_text(encoding="utf-8")) == {"b": "ö"}


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b""], ids=["cut", "no UTF-8", "deep", "empty"])
def test_damaged_json_names_the_file(content, tmp_path):
    (tmp_path / "file.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"file\.json is damaged: "):
        read_json(tmp_path / "file.json")


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, what in ((tmp_path / "pipe", "a pipe"), (tmp_path, "a folder"), ("/dev/zero", "a pipe, a socket or a")):
        with pytest.raises(ValueError, match=f"must be a regular file. It is {what}"):
            read_json(path)
    with pytest.raises(FileNotFoundError, match="nothing does not exist"):
        read_json(tmp_path / "nothing")
