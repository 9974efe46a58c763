import io
import json
import pathlib
import tarfile

import numpy as np
import pytest
from PIL import Image

from dmn_keras.datasets import easy_vqa

SHARED = pathlib.Path(__file__).parents[2] / "../shared/data/easy_vqa"
NUM_IMAGES = 20


def png(value):
    file = io.BytesIO()
    Image.fromarray(np.full((2, 2, 3), value, np.uint8)).save(file, "PNG")
    return file.getvalue()


def write(folder, part, num_images=NUM_IMAGES):
    """Write two questions about each image."""
    images = folder / part / "images"
    images.mkdir(parents=True)
    questions = []
    for i in range(num_images):
        (images / f"{i}.png").write_bytes(png(i))
        questions += [["what shape is there?", "circle", i], [f"is there a {part} shape?", "no", i]]
    (folder / part / "questions.json").write_text(json.dumps(questions))
    return folder


def summary(examples):
    return [(example.image, example.question, example.answer, example.image_id) for example in examples]


def test_the_order_of_the_questions_is_kept(tmp_path):
    write(tmp_path, "test", 2)
    assert summary(easy_vqa.load("test", data_dir=tmp_path, num_examples=3)) == [
        (png(0), "what shape is there?", "circle", 0),
        (png(0), "is there a test shape?", "no", 0),
        (png(1), "what shape is there?", "circle", 1),
    ]


def test_validation_is_cut_by_image_and_seed(tmp_path):
    write(tmp_path, "train")
    ids = {}
    for seed in (0, 1):
        train, valid = (easy_vqa.load(split, data_dir=tmp_path, seed=seed) for split in ("train", "valid"))
        ids[seed] = {example.image_id for example in valid}
        assert len(valid) == 4
        assert len(ids[seed]) == 2
        assert {example.image_id for example in train} == set(range(NUM_IMAGES)) - ids[seed]
    assert ids[0] != ids[1]
    assert easy_vqa.load("test", data_dir=tmp_path) == []


def pack(folder, path, parts):
    with tarfile.open(path, "w:gz") as archive:
        for part in parts:
            archive.add(folder / part, arcname=f"easy/data/{part}")
    return path


def test_a_folder_its_parent_an_archive_and_the_package_are_the_same_data(tmp_path, monkeypatch):
    package = tmp_path / "easy_vqa"
    data = write(write(package / "data", "train"), "test")
    (package / "__init__.py").write_text("raise AssertionError('not to be imported')")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "packed").mkdir()
    archive = pack(data, tmp_path / "packed" / "data.tar.gz", ("train", "test"))
    for split in ("train", "valid", "test"):
        expected = summary(easy_vqa.load(split, data_dir=data))
        assert expected
        for data_dir in (package, archive.parent, archive, None):
            assert summary(easy_vqa.load(split, data_dir=data_dir)) == expected, data_dir


def test_without_package_and_folder_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(easy_vqa, "PACKAGE", "easy-vqa-that-is-not-there")
    with pytest.raises(ImportError, match=r"pip install 'dmn_keras\[easy-vqa\]', or pass data_dir"):
        easy_vqa.load("train")


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        ("[", "is damaged"),
        ("[]", "expected a list of questions"),
        ('{"a": 1}', "expected a list of questions"),
        ('[["a", "b", 0], ["a", "b"]]', r"question 2: expected \[question, answer, number of the image\]"),
        ('[["a", "b", true]]', "question 1: expected"),
        ('[["a", "b", "0"]]', "question 1: expected"),
        ('[["a", " ", 0]]', "question 1: question and answer must not be empty"),
        ('[["a", "b", 99]]', r"question 1: the image images/99\.png is missing"),
    ],
)
def test_malformed_questions_are_named(questions, message, tmp_path):
    write(tmp_path, "train", 1)
    (tmp_path / "train" / "questions.json").write_text(questions)
    with pytest.raises(ValueError, match=rf"{tmp_path}, train/questions\.json.*{message}"):
        easy_vqa.load("train", data_dir=tmp_path)


def test_a_missing_training_part_and_a_damaged_archive_are_named(tmp_path):
    write(tmp_path, "test", 1)
    with pytest.raises(FileNotFoundError, match=r"train/questions\.json is missing"):
        easy_vqa.load("train", data_dir=tmp_path)
    archive = pack(tmp_path, tmp_path / "data.tar.gz", ("test",))
    archive.write_bytes(archive.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read as an archive"):
        easy_vqa.load("test", data_dir=archive)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the data are not in ../shared/data/easy_vqa")
def test_the_released_data_have_the_published_numbers():
    train, valid, test = (easy_vqa.load(split, data_dir=SHARED) for split in ("train", "valid", "test"))
    assert len(train) + len(valid) == 38_575
    assert len(test) == 9673
    assert len({example.image_id for example in train}) == 3600
    assert len({example.image_id for example in valid}) == 400
    assert len({example.image_id for example in test}) == 1000
    assert sum(example.answer in ("yes", "no") for example in train + valid) == 28_407
    assert sum(example.answer in ("yes", "no") for example in test) == 7136
    assert len({example.answer for example in train}) == 13
