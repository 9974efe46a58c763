"""The real files, where they are."""

import pathlib

import pytest

from dmn_keras.datasets import babi

DATA = pathlib.Path(__file__).parents[2] / "../shared/data/babi"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the bAbI archive is not in ../shared/data/babi")


def load(task, split, config="en"):
    return babi.load(DATA, config=config, task=task, split=split)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "counts"),
    [
        ("en", {"train": 1000, "test": 1000}),
        ("en-10k", {"train": 10_000, "test": 1000}),
    ],
)
def test_every_task_and_split_is_read_in_full(config, counts):
    for task in babi.TASKS:
        for split in babi.splits(config):
            examples = load(task, split, config)
            assert len(examples) == counts[split], (task, split)
            assert all(example.supporting_facts and example.task == task for example in examples)


def test_validation_part_is_cut_from_the_training_questions():
    for task in babi.TASKS:
        train, valid = load(task, "train", "en-valid"), load(task, "valid", "en-valid")
        assert len(train) + len(valid) == 1000
        assert 95 <= len(valid) <= 100, task  # by story, which tasks 17, 18 and 20 have several questions of
        assert len(load(task, "test", "en-valid")) == 1000
