import dataclasses
import json

import numpy as np
import pytest

from dmn_keras.datasets import Example, Source, TextClassificationExample, cut_by_group, train_and_validation


def questions(stories, per_story=3, task="1"):
    return [
        Example((f"fact {s}",), f"question {q}", ("yes",), task=task, story_id=s)
        for s in range(stories)
        for q in range(per_story)
    ]


@pytest.mark.parametrize(("fraction", "held_out"), [(0.1, 2), (0.5, 10), (0.0, 1), (0.9, 18), (1.0, 19)])
def test_the_cut_goes_between_stories(fraction, held_out):
    examples = questions(20)
    train, valid = cut_by_group(examples, fraction, seed=0)
    assert len({e.story_id for e in valid}) == held_out
    assert not {e.story_id for e in train} & {e.story_id for e in valid}
    assert sorted(train + valid, key=examples.index) == examples
    assert train == [e for e in examples if e in train], "in the order given"


def test_the_cut_is_seeded():
    examples = questions(20)
    assert cut_by_group(examples, 0.5, seed=1) == cut_by_group(examples, 0.5, seed=1)
    assert cut_by_group(examples, 0.5, seed=1) != cut_by_group(examples, 0.5, seed=2)


def test_a_phrase_stays_with_its_sentence_and_does_not_validate():
    texts = [TextClassificationExample("a", "b", is_phrase=i % 5 > 0, sentence_id=i // 5) for i in range(50)]
    train, valid = cut_by_group(texts, 0.3, seed=0)
    assert [text.is_phrase for text in valid] == [False] * 3
    assert not {text.sentence_id for text in valid} & {text.sentence_id for text in train}
    assert len(train) == 7 * 5


def write(path, examples):
    with path.open("w") as lines:
        for e in examples:
            record = {"story": e.story, "question": e.question, "task": e.task, "story_id": e.story_id}
            lines.write(json.dumps({**record, **({"answer": e.answer} if e.answer else {})}) + "\n")


def load(folder, **options):
    return train_and_validation(
        Source("jsonl", ("1",), str(folder)), **{"validation_fraction": 0.25, "seed": 0, **options}
    )


@pytest.mark.parametrize(
    ("valid", "counts"),
    [
        ([], (18, 6)),  # cut from the training part
        (questions(2, per_story=1), (24, 2)),
        ([*questions(2), Example(("fact",), "why", task="1", story_id=9)], (24, 6)),  # "why" has no answer
    ],
)
def test_the_validation_part(valid, counts, tmp_path):
    write(tmp_path / "train.jsonl", questions(8))
    if valid:
        write(tmp_path / "valid.jsonl", valid)
    assert tuple(len(part["1"]) for part in load(tmp_path)) == counts


def test_a_validation_part_without_answers_is_told(tmp_path, caplog):
    write(tmp_path / "train.jsonl", questions(8))
    write(tmp_path / "valid.jsonl", [dataclasses.replace(question, answer=()) for question in questions(2)])
    load(tmp_path)
    assert "Task 1: left out 6 of 6 validation examples, without an answer" in caplog.text


def test_a_task_without_training_questions_can_be_left_out(tmp_path):
    write(tmp_path / "train.jsonl", questions(8))
    write(tmp_path / "test.jsonl", [*questions(2), *questions(2, task="2"), *questions(2, task="3")])
    source = Source("jsonl", ("1", "2", "3"), str(tmp_path))
    with pytest.raises(ValueError, match="Task 2, 3 of jsonl has no training examples; leave it out of tasks"):
        train_and_validation(source, validation_fraction=0.25, seed=0)
    assert load(tmp_path)[0]["1"]


def test_too_few_stories(tmp_path):
    write(tmp_path / "train.jsonl", questions(1))
    with pytest.raises(ValueError, match=r"Task 1 of jsonl has too few examples: .* Received: 3 and 0"):
        load(tmp_path)


def test_a_training_question_without_an_answer(tmp_path):
    write(tmp_path / "train.jsonl", [*questions(2), Example(("fact",), "why", task="1", story_id=9)])
    with pytest.raises(ValueError, match=r"train\.jsonl, line 7 has no answer\. Training needs"):
        load(tmp_path)


@pytest.mark.parametrize("tasks", [["12", "1"], np.array([12, 1]), (task for task in ("12", "1"))])
def test_tasks_are_any_sequence_of_names(tasks):
    assert Source("jsonl", tasks).tasks == ("12", "1")


def test_a_text_is_one_task():
    assert Source("jsonl", "12").tasks == ("12",)
