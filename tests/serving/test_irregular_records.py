"""The exported graph, read as the client reads it, index, page and calibration against `predict`: irregular records."""

import html
import random

import keras
import pytest

from dmn_keras.inference.calibration import calibrate
from dmn_keras.long_context.story_index import StoryIndex, write_index
from dmn_keras.serving.client import answers_from_outputs
from dmn_keras.serving.demo_tabs import tab_of
from dmn_keras.serving.served import ServedModel
from dmn_keras.tasks.preset import PresetFolder
from dmn_keras.tasks.question_answering import Calibration, answer_text
from dmn_keras.text import join_sentences
from tests.layers.helpers import numpy, randomize
from tests.tasks.answers import assert_same_answer
from tests.tasks.test_question_answerer import PLACES, irregular
from tests.training.runs import eagerly, tiny_task, without_tracing

pytestmark = [
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a graph of TensorFlow"),
    without_tracing,
]


def made(records, **settings):
    task = tiny_task([*records[:50], {"story": "Mary is here.", "question": "Who?", "answer": PLACES[0]}], **settings)
    randomize(task.network)
    task.calibration = Calibration(1.5, -0.5)
    return task


def test_graph_and_client_give_the_answers_of_predict_to_1000_records():
    rng = random.Random(4)
    records = [irregular(rng) for _ in range(1000)]
    task = made(records, num_passes=2, max_facts=6)
    serve = ServedModel(task).endpoints["serving_default"]
    answers = task.predict(records, batch_size=250, beam_width=3)
    for start in range(0, len(records), 250):
        part = records[start : start + 250]
        stories, questions = [join_sentences(record["story"]) for record in part], [r["question"] for r in part]
        outputs = numpy(
            serve(story=keras.ops.convert_to_tensor(stories), question=keras.ops.convert_to_tensor(questions))
        )
        for answer, expected in zip(answers_from_outputs(outputs, len(part)), answers[start:], strict=False):
            assert_same_answer(answer, expected)


def test_an_index_gives_the_answers_of_ask_to_irregular_stories(tmp_path):
    rng = random.Random(5)
    records = [irregular(rng) for _ in range(60)]
    with eagerly():
        task = made(records, num_passes=2, max_retrieved_facts=3)
        for number, record in enumerate(records[:12]):
            text = tmp_path / f"{number}.txt"
            text.write_text("\n".join(record["story"]), encoding="utf-8")
            folder = tmp_path / f"{number}.index"
            write_index(task.retriever, text, folder)
            answer = task.ask_index(StoryIndex(folder), record["question"])
            assert_same_answer(answer, task.ask(text, record["question"]))


def test_page_and_calibration_give_the_answers_of_predict_to_irregular_records(tmp_path):
    rng = random.Random(6)
    records = [irregular(rng) for _ in range(120)]
    with eagerly():
        task = made(records, num_passes=2, max_facts=6)
        answers = task.predict(records, beam_width=3)
        page = tab_of(task)
        for record, answer in list(zip(records, answers, strict=True))[:20]:
            story, question = join_sentences(record["story"]), record["question"]
            shown = page.show(story, question)
            assert f'<p class="answer">{html.escape(answer_text(answer))}</p>' in shown
            for gate in (gate for gates in answer.gates for gate in gates):
                assert f">{gate:.2f}</td>" in shown
        task.save_to_preset(tmp_path / "saved")
        for record, answer in zip(records[::3], answers[::3], strict=True):
            if answer.answer.isalnum():  # some right answers, without which nothing can be calibrated
                record["answer"] = answer.answer
        examples = {"all": task.preprocessor.read(records)}
        content = calibrate(PresetFolder(tmp_path / "saved"), examples, examples, examples)
    right = sum(task.is_right(*pair) for pair in zip(examples["all"], answers, strict=True))
    assert 0 < right < len(records)
    assert content["test"]["whole"]["questions"] == len(records)
    assert content["test"]["whole"]["right"] == pytest.approx(100 * right / len(records), abs=1e-3)
