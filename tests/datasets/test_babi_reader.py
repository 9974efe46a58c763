"""Finding the files, packed or not, and what is said when they are not there."""

import gzip
import io
import os
import pathlib
import shutil
import tarfile

import pytest

from dmn_keras.datasets import babi
from dmn_keras.utils import archives

DUMMY = pathlib.Path(__file__).parent / "dummy_data" / "babi"
UNPACKED = DUMMY / "tasks_1-20_v1-2"


def pack(path, *folders):
    with tarfile.open(path, "w:gz") as archive:
        for folder in folders or (UNPACKED,):
            archive.add(folder, arcname=folder.name)
    return path


@pytest.fixture(name="archive")
def packed_dummy(tmp_path):
    return pack(tmp_path / "tasks_1-20_v1-2.tar.gz")


@pytest.fixture(name="direct")
def files_directly_inside(tmp_path):
    return shutil.copytree(UNPACKED / "en", tmp_path / "my tasks")


def questions(data_dir, config="en", task="1", split="train"):
    return [example.question for example in babi.load(data_dir, config=config, task=task, split=split)]


def test_reads_unpacked_folders(direct):
    for data_dir, config in (
        (DUMMY, "en"),
        (UNPACKED, "en"),
        (UNPACKED / "en", "en"),
        (str(UNPACKED), "en"),
        (direct, "hn"),
    ):
        assert questions(data_dir, config) == ["Where is Greta?", "Where is Greta?", "Where is Olaf?"]
        assert questions(data_dir, config, task=8, split="test") == ["What is Greta holding?"]


@pytest.mark.parametrize("by_folder", [True, False])
@pytest.mark.parametrize(("config", "split"), [("en", "train"), ("en-valid", "valid")])
def test_archive_and_folder_give_the_same(archive, by_folder, config, split):
    data_dir = archive.parent if by_folder else archive
    unpacked = babi.load(UNPACKED, config=config, task="1", split=split)
    assert babi.load(data_dir, config=config, task="1", split=split) == unpacked


def test_changed_archive_of_any_name_is_read_again_and_nothing_is_unpacked(tmp_path):
    archive = pack(tmp_path / "mine.tgz", UNPACKED / "en")
    assert len(questions(tmp_path)) == 3
    assert list(tmp_path.iterdir()) == [archive]
    folder = tmp_path / "en"
    folder.mkdir()
    (folder / "qa1_train.txt").write_text("1 Olaf ran.\n2 Who ran?\tOlaf\t1\n")
    pack(archive, folder)
    assert questions(archive) == ["Who ran?"]


def test_config_missing_in_folder_is_read_from_the_archive_beside_it(archive):
    shutil.copytree(UNPACKED / "en-valid", archive.parent / "en-valid")
    assert len(questions(archive.parent, config="en")) == 3


def test_hidden_and_other_files_are_left_aside(direct):
    (direct / "._qa1_single-supporting-fact_train.txt").write_bytes(b"\x00\xff")
    (direct / "qa21_more_train.txt").write_text("anything")
    assert len(questions(direct)) == 3
    assert babi.available_tasks(direct, config="en", split="train") == ("1", "8")


def test_available_tasks_of_a_split():
    assert babi.available_tasks(UNPACKED, config="en-valid", split="valid") == ("1",)
    with pytest.raises(ValueError, match=r"split must be one of train, test. Received: 'valid'"):
        babi.available_tasks(UNPACKED, config="en", split="valid")


def test_splits_of_configs():
    assert {config: babi.splits(config) for config in babi.CONFIGS} == {
        **dict.fromkeys(babi.CONFIGS, ("train", "test")),
        "en-valid": ("train", "valid", "test"),
        "en-valid-10k": ("train", "valid", "test"),
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"task": "2"}, r"no file of task 2, .* 'qa2_train.txt'. Files found: qa1_.*, qa8_"),
        ({"task": "21"}, "task must be a number from 1 to 20. Received: '21'"),
        ({"split": "tets"}, "split must be one of train, test. Received: 'tets'. Did you mean 'test'"),
        ({"split": "valid"}, r"split must be one of train, test. Received: 'valid'. \(bAbI config 'en'\)"),
        ({"config": "en-vald"}, "config must be one of .* Did you mean 'en-valid'"),
    ],
)
def test_unknown_name(changed, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        babi.load(UNPACKED, **{"config": "en", "task": "1", "split": "train", **changed})


def test_missing_folder(tmp_path):
    (tmp_path / "babi").mkdir()
    with pytest.raises(FileNotFoundError, match=r"babl' does not exist. Expected the .* Did you mean 'babi'"):
        questions(tmp_path / "babl")
    with pytest.raises(FileNotFoundError, match=r"does not exist. Expected the archive"):
        questions(tmp_path / "nowhere" / "babi")


def test_folder_or_archive_without_babi(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected the archive .* It holds: nothing"):
        questions(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "notes.txt").write_text("1 Greta ran.\n" * 100)
    with pytest.raises(FileNotFoundError, match=r"expected the archive .* It holds: notes.txt, photos"):
        questions(tmp_path)
    with pytest.raises(ValueError, match=r"cannot be read as an archive"):
        questions(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"is an archive without bAbI files"):
        questions(pack(tmp_path / "notes.tar.gz", tmp_path / "notes.txt"))


def test_config_that_is_not_there(archive):
    expected = "config must be one of en, en-valid. Received: 'en-10k'."
    for data_dir in (archive, archive.parent, UNPACKED, DUMMY):
        with pytest.raises(FileNotFoundError, match=expected):
            questions(data_dir, config="en-10k")
    with pytest.raises(FileNotFoundError, match=r"config must be one of en. Received: 'en-10k'"):
        questions(UNPACKED / "en", config="en-10k")  # would give its numbers the wrong name


def test_several_archives(tmp_path):
    for name in ("a.tar.gz", "b.tar.gz"):
        pack(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"or one archive. Received: a.tar.gz, b.tar.gz"):
        questions(tmp_path)


def entry(name, data=b"", **fields):
    """An entry of an archive and its bytes."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def pack_entries(path, *entries):
    with tarfile.open(path, "w:gz") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return path


STORY = b"1 Olaf ran.\n2 Who ran?\tOlaf\t1\n"
NAME = "en/qa1_train.txt"
PLAIN = entry(NAME, STORY)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([entry("../../en/qa1_train.txt", STORY)], r"its entry '\.\./\.\./en/qa1_train\.txt' is no plain file"),
        ([entry("/en/qa1_train.txt", STORY)], "its entry '/en/qa1_train.txt' is no plain file"),
        ([entry(NAME, type=tarfile.SYMTYPE, linkname="/etc/passwd")], "is no plain file inside of it"),
        ([PLAIN, entry("en/qa2_train.txt", type=tarfile.LNKTYPE, linkname=NAME)], "is no plain file inside of it"),
        ([entry(NAME, type=tarfile.CHRTYPE)], "is no plain file inside of it"),
        ([entry(NAME, type=tarfile.FIFOTYPE)], "is no plain file inside of it"),
        ([entry("a/" * 60 + NAME, STORY), *[entry(str(i)) for i in range(10_000)]], "more than 10,000 entries"),
        ([PLAIN, entry("zeros", bytes(20_000_000))], "it expands to more than 16,777,216 bytes"),
        ([entry(NAME, bytes(20_000_000))], "it expands to more than 16,777,216 bytes"),
    ],
)
def test_archives_that_are_refused(entries, message, tmp_path):
    with pytest.raises(ValueError, match=rf"mine\.tgz' cannot be read as an archive: .*{message}"):
        questions(pack_entries(tmp_path / "mine.tgz", *entries))


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
@pytest.mark.parametrize("name", [NAME, "other"])
def test_sizes_that_an_archive_declares_are_not_believed(name, kind, tmp_path):
    path = tmp_path / "mine.tar"
    path.write_bytes(entry(name, size=1 << 40, type=kind)[0].tobuf())
    with pytest.raises(ValueError, match=r"mine\.tar' cannot be read as an archive"):
        questions(path)


def test_an_entry_of_many_bytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 10)
    with pytest.raises(ValueError, match=f"its entry '{NAME}' has more than 10 bytes"):
        questions(pack_entries(tmp_path / "mine.tgz", PLAIN))


def test_an_archive_is_packed_by_gzip_or_not(tmp_path):
    packed = pack_entries(tmp_path / "mine.tgz", PLAIN)
    (tmp_path / "mine.tar").write_bytes(gzip.decompress(packed.read_bytes()))
    assert questions(packed) == questions(tmp_path / "mine.tar") == ["Who ran?"]


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.tar.gz")
    with pytest.raises(ValueError, match=r"pipe\.tar\.gz must be a regular file"):
        questions(tmp_path / "pipe.tar.gz")


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_damaged_archive(archive, kept):
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ValueError, match=r"cannot be read as an archive: .* It may be incomplete"):
        questions(archive)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"fact_train.txt: expected at least one question, found none"),
        ("1 Greta ran.\n3 Olaf ran.\n", r"fact_train.txt, line 2: line id out of sequence"),
    ],
)
def test_malformed_file_is_named(text, message, direct):
    (direct / "qa1_single-supporting-fact_train.txt").write_text(text)
    folder = direct.rename(direct.with_name("en"))
    for data_dir in (folder, pack(direct.parent / "mine.tar.gz", folder)):
        with pytest.raises(ValueError, match=message):
            questions(data_dir)


def test_two_files_of_one_task(direct):
    shutil.copy(direct / "qa8_lists-sets_train.txt", direct / "qa8_train.txt")
    with pytest.raises(ValueError, match=r"one file a task and split. Received: qa8_lists-sets_train.txt, qa8_train"):
        questions(direct)
