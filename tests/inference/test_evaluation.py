import csv
import dataclasses

import pytest

from dmn_keras.datasets import Example
from dmn_keras.inference.evaluation import evaluate_tasks, overall, summary, table, write_errors
from dmn_keras.tasks.question_answering import Answer, QuestionAnswerer
from tests.layers.helpers import randomize
from tests.tasks.test_question_answerer import examples
from tests.training.runs import eagerly, tiny_task, without_tracing

pytestmark = without_tracing


@pytest.mark.parametrize(
    ("given", "expected", "right"),
    [
        ("apple milk", ("apple", "milk"), True),
        ("apple milk", ("Apple, milk",), False),  # one part of three words, the comma among them
        ("milk apple", ("apple", "milk"), False),
        ("milk pear", ("milk",), False),
        ("milk apple", ("milk apple",), True),
        ("<unknown>", ("kiwi",), False),
    ],
)
def test_every_word_in_its_order_counts(given, expected, right):
    qa = QuestionAnswerer()
    answer = Answer(given, 1.0, (), (), (), words=tuple(given.split()))
    example = Example(("milk",), "what", expected)
    assert qa.is_right(example, answer) == right
    assert (qa.mistake(example, answer) is None) == right


def test_tasks_are_answered_together_and_counted_apart(tmp_path):
    with eagerly():
        qa = tiny_task(examples(), fact_encoder="sentence")
        randomize(qa.network)
        tasks = {"1": examples(9), "2": examples(14, most_facts=3), "3": examples(1)}
        rows, errors = evaluate_tasks(qa, tasks)
        assert list(rows) == ["1", "2", "3"]
        for task, questions in tasks.items():
            assert evaluate_tasks(qa, {task: questions})[0] == {task: rows[task]}
        assert evaluate_tasks(qa, {}) == ({}, [])
    wrong = sum(row["error"] / 100 * row["questions"] for row in rows.values())
    assert len(errors) == round(wrong) > 0
    write_errors(errors, tmp_path / "errors.csv")
    with (tmp_path / "errors.csv").open(newline="") as file:
        read = list(csv.DictReader(file))
    assert [row["task"] for row in read] == [error["task"] for error in errors]
    assert all(row["expected"] != row["answer"] for row in read)


def test_unknown_words_are_named(caplog):
    with eagerly():
        qa = tiny_task(examples())
        asked = [*examples(2), Example(("zoe sleeps",), "where is yan", ("park",))]
        evaluate_tasks(qa, {"1": asked[:2]})
        assert not caplog.messages
        evaluate_tasks(qa, {"1": asked}, split="validation")
    unknown = ", ".join(word for word in ("zoe", "sleeps", "where", "is", "yan") if word not in qa.vocabulary)
    count = unknown.count(",") + 1
    assert caplog.messages == [f"warning: {count} words of the validation part were never seen in training: {unknown}"]


@pytest.mark.parametrize(
    ("gates", "recall"),
    [(((0.9, 0.1),), 100.0), (((0.1, 0.9),), 0.0), (((0.1, 0.5), (0.9, 0.1)), 100.0)],
)
def test_gate_recall(gates, recall, monkeypatch):
    question = Example(("milk", "pear"), "apple", ("milk",), (0,))
    qa = QuestionAnswerer()
    qa.adapt([question])
    answer = Answer("milk", 1.0, question.story, gates, ())
    monkeypatch.setattr(QuestionAnswerer, "predict_encoded", lambda *_, **__: [dataclasses.replace(answer)])
    assert evaluate_tasks(qa, {"1": [question]})[0]["1"]["gate_recall"] == recall


def test_the_metrics_of_parts_are_means_over_examples():
    rows = {
        "1": {"error": 5.0, "questions": 10, "accuracy": 95.0},
        "2": {"error": 0.0, "questions": 30, "accuracy": 100.0, "gate_recall": 87.5},
    }
    assert overall(rows) == {"metrics": {"accuracy": 98.75, "gate_recall": 87.5}, "examples": 40}


def test_summary_and_table():
    tasks = {"1": {"error": 5.0, "questions": 10}, "20": {"error": 5.1, "questions": 1000, "gate_recall": 87.65}}
    result = summary(tasks)
    assert result == {"tasks": tasks, "mean_error": 5.05, "failed": 1}
    assert table(result).splitlines() == [
        "task  questions  error %  gate recall %",
        "   1         10      5.0              -",
        "  20       1000      5.1           87.7  failed",
        "mean                5.05                 1 failed",
    ]
