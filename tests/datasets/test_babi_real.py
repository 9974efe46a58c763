"""The real files, where they are."""

import pathlib

import pytest

from dmn_keras.datasets import Example, babi

DATA = pathlib.Path(__file__).parents[2] / "../shared/data/babi"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the bAbI archive is not in ../shared/data/babi")


def load(task, split, config="en"):
    return babi.load(DATA, config=config, task=task, split=split)


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


def test_answers_of_several_parts_are_in_tasks_8_and_19_only():
    parts = {
        task: {len(example.answer) for split in ("train", "test") for example in load(task, split)}
        for task in babi.TASKS
    }
    assert parts == {**{task: {1} for task in babi.TASKS}, "8": {1, 2, 3}, "19": {2}}


def test_most_facts_of_a_question():
    most = {task: max(len(example.story) for example in load(task, "test")) for task in ("1", "2", "3")}
    assert most == {"1": 10, "2": 88, "3": 228}


def test_stories_are_numbered():
    examples = load("1", "train")
    assert [example.story_id for example in examples] == [index // 5 for index in range(1000)]


def test_unsorted_supporting_facts_keep_their_order():
    facts = [example.supporting_facts for example in load("3", "train")]
    assert sum(list(ids) != sorted(ids) for ids in facts) > 0


def test_first_example_of_task_1():
    assert load("1", "train")[0] == Example(
        story=("Mary moved to the bathroom.", "John went to the hallway."),
        question="Where is Mary?",
        answer=("bathroom",),
        supporting_facts=(0,),
        task="1",
        story_id=0,
    )


def test_second_example_of_task_8():
    example = load("8", "train")[1]
    assert example.question == "What is Mary carrying?"
    assert example.answer == ("nothing",)
    assert example.story[-1] == "Mary dropped the football."
    assert example.supporting_facts == (2, 5)  # line ids 3 and 7, and line 5 is a question


def test_path_of_task_19():
    example = load("19", "train")[0]
    assert len(example.story) == 5
    assert example.question.startswith("How do you go from the ")
    assert len(example.answer) == 2
    assert set(example.answer) <= {"n", "s", "e", "w"}
