import gc
import threading
import weakref

import numpy as np
import pytest

from dmn_keras.datasets import Example
from dmn_keras.text import Encoder, Vocabulary
from dmn_keras.training import answers, evaluation
from dmn_keras.training.answers import RawAnswer, answer_questions
from dmn_keras.tasks.config import RunConfig
from dmn_keras.datasets import Source
from dmn_keras.inference.evaluation import evaluate_tasks, summary, table
from dmn_keras.training.fit import build, make_recipe
from tests.layers.helpers import randomize
from tests.training.runs import eagerly, without_tracing

pytestmark = without_tracing
PEOPLE, PLACES = ["mary", "john", "bill"], ["park", "office", "home"]


@pytest.fixture(autouse=True)
def _eager():
    with eagerly():
        yield


def examples(count=23, several=False, most_facts=9):
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        story = tuple(
            f"{rng.choice(PEOPLE)} is in the {rng.choice(PLACES)}" for _ in range(rng.integers(1, most_facts))
        )
        answer = tuple(rng.choice(PLACES, rng.integers(1, 4))) if several else (str(rng.choice(PLACES)),)
        made.append(Example(story, f"where is {rng.choice(PEOPLE)}", answer, (0,), task="1"))
    return made


def model_and_recipe(several=False, **settings):
    config = Config(**{"units": 6, "num_passes": 2, "fact_encoder": "sentence", **settings})
    recipe = make_recipe(Source("jsonl", ("1",)), config, examples(several=several))
    return randomize(build(recipe)), recipe


def encode(recipe, questions):
    encoder = Encoder(Vocabulary(recipe.vocabulary), fact_level=recipe.config.fact_level)
    return [encoder(question) for question in questions]


@pytest.mark.parametrize("several", [False, True])
def test_answers_do_not_depend_on_the_batch(several):
    model, recipe = model_and_recipe(several)
    encoded = encode(recipe, examples(several=several))
    whole = answer_questions(model, recipe, encoded, batch_size=100)
    assert len(whole) == len(encoded)
    for batch_size in (1, 7):
        for one, other in zip(whole, answer_questions(model, recipe, encoded, batch_size=batch_size), strict=True):
            assert one.ids == other.ids
            assert one.probability == pytest.approx(other.probability, rel=1e-4)
            np.testing.assert_allclose(one.gates, other.gates, atol=1e-5)
    backwards = answer_questions(model, recipe, encoded[::-1], batch_size=7)[::-1]
    assert [answer.ids for answer in backwards] == [answer.ids for answer in whole]


@pytest.mark.parametrize(("settings", "several"), [({"gate": "softmax"}, False), ({"learned_stop": True}, True)])
def test_an_empty_story_or_question_gives_a_finite_answer(settings, several):
    model, recipe = model_and_recipe(several, **settings)
    asked = [Example((), "where is mary"), Example(("mary is in the park",), ""), Example((), "")]
    for answer in answer_questions(model, recipe, encode(recipe, asked)):
        assert np.isfinite(answer.probability)
        assert np.isfinite(answer.gates).all()


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
@pytest.mark.parametrize(
    ("stop", "passes"), [([0.1, 0.9, 0.9], 2), ([0.9, 0.1, 0.1], 1), ([0.1, 0.1, 0.9], 3), ([0.1, 0.1, 0.1], 3)]
)
def test_passes_after_the_stop_are_left_out(stop, passes, gate):
    raw = raw_answer(stop, gate)
    np.testing.assert_array_equal(raw.gates, GATES[:passes, :2])
    assert raw.probability == pytest.approx(np.exp(-0.5))


@pytest.mark.parametrize(("gate", "passes"), [("softmax", 2), ("sigmoid", 3)])
def test_a_stop_above_all_facts_but_unlikely_counts_with_softmax_alone(gate, passes):
    assert len(raw_answer([0.1, 0.45, 0.6], gate).gates) == passes


GATES = np.float32([[0.5, 0.2, 0.0], [0.3, 0.4, 0.0], [0.3, 0.2, 0.0]])


def raw_answer(stop, gate):
    outputs = {
        "words": np.array([[4]]),
        "log_probability": np.array([-0.5]),
        "top_words": np.array([[[4]]]),
        "top_log_probabilities": np.array([[-0.5]]),
        "gates": GATES[None],
        "stop": np.float32([stop]),
    }
    return answers._raw_answer(outputs, 0, num_facts=2, gate=gate)


def says(*sentences, gates=((1.0, 0.0),)):
    """Stand in for `answer_questions`: ids of the words said, and the gates of every question."""
    vocabulary = Vocabulary(["apple", "milk", "pear"])
    ids = [tuple(vocabulary.ids(words.split())) for words in sentences]
    return vocabulary, lambda *args, **options: [RawAnswer(i, 1.0, np.array(gates)) for i in ids]


def evaluate(monkeypatch, said, right, facts=(), **options):
    vocabulary, answerer = says(*said, **options)
    monkeypatch.setattr(evaluation, "answer_questions", answerer)
    recipe = make_recipe(Source("jsonl", ("1",)), Config(), [Example(("milk",), "pear", ("apple",))])
    questions = [Example(("milk", "pear"), "apple", answer, facts) for answer in right]
    return evaluate_tasks(None, vocabulary, recipe, {"1": questions})["1"]


def test_every_word_in_its_order_counts(monkeypatch):
    right = [("apple", "milk"), ("Apple, milk",), ("apple", "milk"), ("milk",), ("milk",), ("milk apple",)]
    said = ["apple milk", "apple milk", "milk apple", "milk pear", "pear", "milk apple"]
    # "Apple, milk" is one part of three words, the comma among them.
    assert evaluate(monkeypatch, said, right) == {"error": pytest.approx(100 * 4 / 6, abs=1e-3), "questions": 6}


def test_tasks_are_answered_together_and_counted_apart():
    model, recipe = model_and_recipe()
    vocabulary = Vocabulary(recipe.vocabulary)
    tasks = {"1": examples(9), "2": examples(14, most_facts=3), "3": examples(1)}
    together = evaluate_tasks(model, vocabulary, recipe, tasks)
    assert list(together) == ["1", "2", "3"]
    for task, questions in tasks.items():
        assert evaluate_tasks(model, vocabulary, recipe, {task: questions}) == {task: together[task]}
    assert evaluate_tasks(model, vocabulary, recipe, {}) == {}


def test_an_unknown_word_is_never_said_right(monkeypatch):
    assert evaluate(monkeypatch, ["<unknown>"], [("kiwi",)])["error"] == 100.0


@pytest.mark.parametrize(
    ("gates", "recall"),
    [(((0.9, 0.1),), 100.0), (((0.1, 0.9),), 0.0), (((0.1, 0.5), (0.9, 0.1)), 100.0)],
)
def test_gate_recall(gates, recall, monkeypatch):
    assert evaluate(monkeypatch, ["milk"], [("milk",)], facts=(0,), gates=gates)["gate_recall"] == recall


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


def spied(monkeypatch):
    """Count the calls of answering models, by the shapes of their inputs, and how many run at the same time."""
    calls, running = [], []

    def answering_model(model, **options):
        made = build_answering_model(model, **options)
        predict = made.predict_on_batch

        def predict_on_batch(inputs):
            running.append(1)
            calls.append(({name: x.shape for name, x in inputs.items()}, len(running)))
            outputs = predict(inputs)
            running.pop()
            return outputs

        made.predict_on_batch = predict_on_batch
        return made

    build_answering_model = answers.answering_model
    monkeypatch.setattr(answers, "answering_model", answering_model)
    return calls


def test_first_answers_of_many_threads_wait_for_one(monkeypatch):
    calls = spied(monkeypatch)
    model, recipe = model_and_recipe()
    encoded = encode(recipe, examples(1))
    threads = [threading.Thread(target=answer_questions, args=(model, recipe, encoded)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 6
    assert calls[0][1] == 1
    assert calls[1][1] == 1, "while the first is computed the others wait"


def test_questions_asked_alone_share_shapes_and_keep_their_answers(monkeypatch):
    model, recipe = model_and_recipe()
    encoded = encode(recipe, examples(most_facts=9))
    together = answer_questions(model, recipe, encoded)
    calls = spied(monkeypatch)
    answers._ANSWERERS.clear()
    for question, expected in zip(encoded, together, strict=True):
        [answer] = answer_questions(model, recipe, [question])
        assert answer.ids == expected.ids
        assert answer.probability == pytest.approx(expected.probability, rel=1e-4)
        np.testing.assert_allclose(answer.gates, expected.gates, atol=1e-5)
    assert len({len(question.story) for question in encoded}) > 4
    assert len({tuple(shapes.values()) for shapes, _ in calls}) == 1


def test_a_model_that_has_answered_is_freed():
    model, recipe = model_and_recipe()
    answer_questions(model, recipe, encode(recipe, examples(2)))
    model = weakref.ref(model)
    gc.collect()
    assert model() is None
