import dataclasses

import numpy as np
import pytest

from dmn_keras import datasets
from dmn_keras.datasets import Example, babi_long, records

EXAMPLES = [
    Example(("Mary met Zoë.", "Zoë left."), "Who left?", ("Zoë",), (1,), "names", 3),
    Example(("It rained.",), "Why?", (), (), "causes", 4),
    Example(("A b.", "C d.", "E f."), "What?", ("a", "b c"), (2, 0), "names", 5),
    Example(("A b.", "C d.", "E f."), "Who?", ("a",), (2,), "hidden", 6, own_facts=(0, 2)),
    Example(("A b.",), "Who?", ("a",), (), "hidden", 7, own_facts=()),
]
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:tensorflow_datasets"),
]


@pytest.fixture(scope="module", params=records.FORMATS)
def written(request, tmp_path_factory):
    pytest.importorskip("tensorflow")
    if request.param == "array_record":
        pytest.importorskip("array_record")
    folder = tmp_path_factory.mktemp("records")
    parts = {"train": lambda: iter(EXAMPLES), "valid": [], "test": EXAMPLES[:2]}
    records.write(parts, folder, file_format=request.param, shards=2)
    return folder


def test_what_was_written_is_read(written):
    assert list(records.read(written, "train")) == EXAMPLES
    assert list(records.read(written, "train", start=1, stop=2)) == EXAMPLES[1:2]
    assert list(records.read(written, "valid")) == []
    assert len(list((written / records.NAME / records.VERSION).glob("*-train.*-of-00002"))) == 2


def test_records_are_a_dataset(written):
    assert datasets.task_names("records", written) == ("names", "causes", "hidden")
    assert [datasets.has_split("records", split=split, data_dir=written) for split in datasets.SPLITS] == [
        True,
        False,
        True,
    ]
    loaded = datasets.load("records", task="names", split="train", data_dir=written)
    assert loaded == [EXAMPLES[0], EXAMPLES[2]]
    assert datasets.load("records", task="names", split="train", data_dir=written, num_examples=1) == EXAMPLES[:1]


def test_records_from_before_own_facts_are_read(tmp_path):
    tfds = pytest.importorskip("tensorflow_datasets")
    text, texts = tfds.features.Text(), tfds.features.Sequence(tfds.features.Text())
    old = {"story": texts, "question": text, "answer": texts, "task": text, "story_id": np.int64}
    old["supporting_facts"] = tfds.features.Sequence(np.int32)

    class StoryQuestions(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version(records.VERSION)

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(old))

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            fields = dataclasses.asdict(EXAMPLES[0])
            yield 0, {name: list(value) if isinstance(value := fields[name], tuple) else value for name in old}

    StoryQuestions(data_dir=str(tmp_path), file_format="tfrecord").download_and_prepare()
    assert list(records.read(tmp_path, "train")) == EXAMPLES[:1]


def test_records_are_never_replaced(written):
    with pytest.raises(FileExistsError, match=r"holds records already\. Choose another --output"):
        records.write({"train": EXAMPLES}, written)


def test_a_long_story_is_written_whole(tmp_path):
    pytest.importorskip("tensorflow")
    hidden = babi_long.hide(EXAMPLES[0], babi_long.Neighbours(0), 200, 0)
    records.write({"train": [hidden]}, tmp_path, file_format="tfrecord")
    assert list(records.read(tmp_path, "train")) == [dataclasses.replace(hidden, story=tuple(hidden.story))]


def test_the_command_writes_what_training_reads(tmp_path, capsys):
    pytest.importorskip("tensorflow")
    (tmp_path / "train.jsonl").write_text('{"story": ["Anna ran."], "question": "Who ran?", "answer": "Anna"}\n')
    output = tmp_path / "records"
    arguments = ["--dataset", "jsonl", "--data-dir", str(tmp_path), "--output", str(output), "--format", "tfrecord"]
    records.main(arguments)
    assert "The records are in" in capsys.readouterr().out
    [example] = datasets.load("records", task="all", split="train", data_dir=output)
    assert example.answer == ("Anna",)
    with pytest.raises(SystemExit):
        records.main(arguments)
    assert "holds records already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"file_format": "riegeli"}, "--format must be one of array_record, tfrecord"),
        ({"shards": 0}, "--shards must be at least 1"),
        ({"shards": 9}, "--shards must be at most the questions of a split, 5 of train: 9"),
        ({"parts": {"train": []}}, "There is no question to write"),
    ],
)
def test_mistakes_of_the_writer(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        records.write(**{"parts": {"train": EXAMPLES}, "folder": tmp_path / "new", **change})
    assert not (tmp_path / "new").exists()


def test_a_folder_without_records(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no records"):
        datasets.task_names("records", tmp_path)
    with pytest.raises(ValueError, match=r"data_dir \(--data-dir\) is required for records"):
        datasets.task_names("records")
