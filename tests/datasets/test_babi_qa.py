"""The TFDS builder, on invented files and on the real ones."""

import dataclasses
import hashlib
import io
import pathlib
import shutil
import tempfile

import pytest

pytest.importorskip("tensorflow", reason="TensorFlow is not installed")
tfds = pytest.importorskip("tensorflow_datasets", reason="TensorFlow Datasets is not installed")

from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError  # noqa: E402

from dmn_keras.datasets import babi  # noqa: E402 -- after the check that TensorFlow is there
from dmn_keras.datasets.babi import babi_qa  # noqa: E402

DUMMY = pathlib.Path(__file__).parent / "dummy_data" / "babi"


class _DummyData(tfds.testing.DatasetBuilderTestCase):
    """The library's own test of a builder, on every config: the invented files stand in each folder."""

    DATASET_CLASS = babi_qa.BabiQa
    SOURCE = "en"

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.EXAMPLE_DIR)
        for config in cls.BUILDER_CONFIG_NAMES_TO_TEST:
            shutil.copytree(DUMMY / "tasks_1-20_v1-2" / cls.SOURCE, pathlib.Path(cls.EXAMPLE_DIR) / config)
        super().setUpClass()


class BabiQaTest(_DummyData):
    BUILDER_CONFIG_NAMES_TO_TEST = [name for name in babi.CONFIGS if "valid" not in name]  # noqa: RUF012
    SPLITS = {"train": 4, "test": 2}  # noqa: RUF012


class BabiQaValidTest(_DummyData):
    BUILDER_CONFIG_NAMES_TO_TEST = ["en-valid", "en-valid-10k"]  # noqa: RUF012
    SOURCE = "en-valid"
    SPLITS = {"train": 2, "valid": 1, "test": 1}  # noqa: RUF012


del _DummyData  # or pytest would collect it


def prepare(tmp_path, manual_dir, config="en"):
    builder = babi_qa.BabiQa(data_dir=tmp_path / "tfds", config=config)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=manual_dir))
    return builder


def as_examples(builder, split, task):
    """Return the prepared examples of a task as (story, question, answer, supporting facts)."""
    records = tfds.as_numpy(builder.as_dataset(split=split))
    return [
        (
            tuple(sentence.decode() for sentence in record["story"]),
            record["question"].decode(),
            tuple(part.decode() for part in record["answer"]),
            tuple(record["supporting_facts"].tolist()),
        )
        for record in records
        if record["task"] == int(task)
    ]


def expected_examples(data_dir, split, task):
    examples = babi.load(data_dir, config="en", task=task, split=split)
    return [(example.story, example.question, example.answer, example.supporting_facts) for example in examples]


def test_reads_the_manual_folder_in_order(tmp_path):
    builder = prepare(tmp_path, DUMMY)
    for task in ("1", "8"):
        assert as_examples(builder, "train", task) == expected_examples(DUMMY, "train", task)


def test_downloads_without_a_manual_folder(tmp_path, monkeypatch):
    asked = []
    serve(monkeypatch, b"")
    monkeypatch.setattr(tfds.download.DownloadManager, "download", lambda _, url: asked.append(url) or DUMMY)
    other = tmp_path / "tfds" / "downloads" / "manual" / "another_dataset"  # TFDS's own folder, shared
    other.mkdir(parents=True)
    builder = babi_qa.BabiQa(data_dir=tmp_path / "tfds", config="en")
    builder.download_and_prepare()
    assert asked == ["https://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz"]
    assert builder.info.splits["train"].num_examples == 4


def test_manual_folder_without_a_split(tmp_path):
    folder = tmp_path / "en"
    shutil.copytree(DUMMY / "tasks_1-20_v1-2" / "en", folder)
    for path in folder.glob("*_test.txt"):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"config 'en' has no file of split 'test'"):
        prepare(tmp_path, folder)


def serve(monkeypatch, content, status_code=200):
    """Let every request be answered with `content`."""

    def get(*_, **__):
        response = babi_qa.requests.Response()
        response.url, response.status_code, response.raw = babi_qa.URL, status_code, io.BytesIO(content)
        return response

    monkeypatch.setattr(babi_qa.requests.Session, "get", get)
    monkeypatch.setattr(babi_qa.requests, "head", get)


def test_download_is_checked_and_kept(tmp_path, monkeypatch):
    serve(monkeypatch, b"another file")
    with pytest.raises(NonMatchingChecksumError, match=r"has wrong checksum"):
        babi_qa.download(tmp_path)

    archive = b"the archive"
    info = dataclasses.replace(
        babi_qa.BabiQa.url_infos[babi_qa.URL], size=len(archive), checksum=hashlib.sha256(archive).hexdigest()
    )
    monkeypatch.setattr(babi_qa.BabiQa, "url_infos", {babi_qa.URL: info})
    serve(monkeypatch, archive)
    path = babi_qa.download(tmp_path)
    assert path.read_bytes() == archive
    monkeypatch.setattr(babi_qa.requests, "head", lambda *_, **__: pytest.fail("asked the network again"))
    monkeypatch.setattr(babi_qa.requests.Session, "get", lambda *_, **__: pytest.fail("downloaded again"))
    assert babi_qa.download(tmp_path) == path


def test_refused_download(tmp_path, monkeypatch):
    serve(monkeypatch, b"", status_code=403)
    with pytest.raises(ConnectionError, match=r"cannot be downloaded from .* 403"):
        babi_qa.download(tmp_path)


def test_without_a_network_a_local_copy_is_asked_for_at_once(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise babi_qa.requests.ConnectionError("no route")

    monkeypatch.setattr(babi_qa.requests, "head", refuse)
    monkeypatch.setattr(babi_qa.requests.Session, "get", lambda *_, **__: pytest.fail("tried to download"))
    message = r"cannot be downloaded from https://www.thespermwhale.com.*: no route.*data_dir.*manual_dir=FOLDER"
    for call in (babi_qa.download, lambda folder: tfds.load("babi_qa/en", data_dir=folder)):
        with pytest.raises(ConnectionError, match=message):
            call(tmp_path)
