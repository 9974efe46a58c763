import dataclasses
import functools
import json
import pathlib

import keras
import numpy as np
import pytest

import dmn_keras
from dmn_keras import cli
from dmn_keras.tasks.batching import Batches
from dmn_keras.tasks.visual_question_answering import VisualQuestionAnswerer, VisualQuestionAnsweringPreprocessor
from tests.images import encode, questions, randomized
from tests.training.runs import in_eager_steps, without_tracing

pytestmark = [without_tracing, in_eager_steps]
SETTINGS = {
    "image_size": 8,
    "convolutions": 2,
    "filters": 4,
    "units": 6,
    "embedding_dim": 4,
    "batch_size": 3,
    "num_buckets": 1,
}


@functools.cache
def task(**settings):
    """Return a task that no test changes."""
    made = VisualQuestionAnswerer(**{**SETTINGS, **settings})
    made.adapt(questions())
    randomized(made.network)
    return made


def summary(answers):
    return [(answer.answer, round(answer.probability, 4)) for answer in answers]


def test_answers_of_questions_with_and_without_company_are_the_same():
    vqa, asked = task(), questions()
    together = vqa.predict(asked)
    assert summary(together) == summary(vqa.ask(e.image, e.question) for e in asked)
    assert len(set(summary(together))) > 2
    answer = together[0]
    assert answer.question == "What color is it?"
    assert answer.answer not in dict(answer.others)
    assert 1 >= answer.probability >= answer.others[0][1] >= answer.others[1][1]
    gates = np.array(answer.gates)
    assert gates.shape == (2, 2, 2)
    np.testing.assert_allclose(gates.sum(axis=(1, 2)), 1, atol=1e-5)
    assert answer.to_dict()["gates"] == answer.gates


def test_images_in_every_form_give_the_same_answer(tmp_path):
    vqa, example = task(), questions()[0]
    path = tmp_path / "image.png"
    path.write_bytes(encode(example.image))
    opaque = np.concatenate([example.image, np.full((12, 10, 1), 255, np.uint8)], axis=2)
    forms = [example.image, encode(example.image), path, str(path), opaque, encode(opaque)]
    expected = summary([vqa.ask(example.image, example.question)])
    for image in forms:
        assert summary([vqa.ask(image, example.question)]) == expected
    assert summary(vqa.predict({"image": forms, "question": [example.question] * len(forms)})) == expected * len(forms)


@pytest.mark.parametrize(
    ("record", "error", "message"),
    [
        ({"image": "missing.png"}, FileNotFoundError, "question 1: image must be .*missing.png.*, which is no file"),
        ({"image": None}, TypeError, "question 1: image must be an array, .* Received: NoneType"),
        ({"image": np.zeros((2, 2, 3))}, ValueError, "question 1: image must be a uint8 array"),
        ({"question": "?!"}, ValueError, "record 1: question must hold at least one word"),
        ({"question": 3}, ValueError, "record 1: question must be a string"),
        ({"answer": []}, ValueError, "record 1: answer must be a string"),
        ({"image_id": -1}, ValueError, "record 1: image_id must be a whole number from 0"),
        ({"image": ...}, ValueError, "record 1: the key 'image' is missing"),
        ({"question": ...}, ValueError, "record 1: the key 'question' is missing"),
    ],
)
def test_malformed_records_are_refused(record, error, message):
    record = {"image": np.zeros((2, 2, 3), np.uint8), "question": "Is it red?", **record}
    with pytest.raises(error, match=message):
        task().predict([{name: value for name, value in record.items() if value is not ...}])


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data is for TensorFlow")
@pytest.mark.parametrize("encoded", [False, True])
def test_a_tf_dataset_of_dicts_is_raw_examples(encoded):
    import tensorflow as tf

    vqa, asked = task(), questions(2)
    images = [encode(e.image) if encoded else e.image for e in asked]
    dataset = tf.data.Dataset.from_tensor_slices({"image": images, "question": [e.question for e in asked]})
    for data in (dataset, dataset.batch(3)):
        assert summary(vqa.predict(data)) == summary(vqa.predict(asked))


def test_questions_about_an_image_share_a_row():
    vqa, asked = task(questions_per_row=3), [*questions(2), *questions(1, seed=5)[:1] * 4]
    batches = vqa.batches(asked)
    inputs, targets, _ = batches.batch(batches.plan()[0])
    assert inputs["image"].shape == (3, 8, 8, 3)
    assert inputs["image"].dtype == np.uint8
    assert inputs["question"].shape == (3, 3, 5)
    ids = {answer: number for number, answer in enumerate(vqa.preprocessor.answers)}
    first, second = ([ids[e.answer] for e in asked[i : i + 2]] for i in (0, 2))
    assert targets["answer"].tolist() == [[*first, -1], [*second, -1], [ids[asked[-1].answer]] * 3]
    assert len(batches.plan()) == 2
    assert sum((targets["answer"] >= 0).sum() for _, targets, _ in map(batches.batch, batches.plan())) == len(asked)


def test_loss_and_accuracy_do_not_depend_on_rows():
    asked = questions(5)
    expected = task().evaluate(asked, verbose=0)
    assert 0 < expected["accuracy"] < 1
    vqa = task(questions_per_row=1)
    alone = vqa.evaluate(asked, verbose=0)
    np.testing.assert_allclose(alone["accuracy"], expected["accuracy"], atol=1e-6)
    right = [answer.answer == e.answer for answer, e in zip(vqa.predict(asked), asked, strict=True)]
    np.testing.assert_allclose(alone["accuracy"], np.mean(right), atol=1e-6)
    likelihoods = [dict([(a.answer, a.probability), *a.others]) for a in vqa.predict(asked)]
    losses = [-np.log(row[e.answer]) for row, e in zip(likelihoods, asked, strict=True) if e.answer in row]
    if len(losses) == len(asked):
        np.testing.assert_allclose(alone["loss"], np.mean(losses), atol=1e-4)


def test_an_image_is_held_once():
    preprocessor = VisualQuestionAnsweringPreprocessor(image_size=8)
    asked = questions(2)
    many = [example for example in asked for _ in range(50)]
    preprocessor.adapt(asked)
    encoded = preprocessor.encode(many)
    assert len({id(e.image) for e in encoded}) == 2
    batches = Batches(preprocessor.features(encoded), batch_size=200, num_buckets=1)
    [planned] = batches.plan()
    assert batches._arrays(0)["image"][0].shape == (3, 8, 8, 3)  # and the padding
    images = batches.batch(planned)[0]["image"]
    np.testing.assert_array_equal(images, preprocessor(many)["image"])


def test_a_single_answer_is_warned_of(caplog):
    preprocessor = VisualQuestionAnsweringPreprocessor(image_size=8)
    preprocessor.adapt([{"image": np.zeros((8, 8, 3), np.uint8), "question": "Is it red?", "answer": "no"}])
    assert caplog.messages == ["all training examples have the answer 'no': the model can give no other"]


def test_an_unseen_answer_counts_as_wrong_and_teaches_nothing(caplog):
    vqa = task()
    [seen, *_] = asked = questions(1)
    unseen = [{"image": seen.image, "question": seen.question, "answer": "purple"}]
    assert vqa.evaluate(unseen, verbose=0)["loss"] == 0
    examples = vqa.preprocessor.read(unseen)
    assert vqa.score(examples, vqa.predict(examples)) == {"accuracy": 0.0}
    assert "1 answers are none of the training data and count as wrong: purple" in caplog.text
    right = vqa.evaluate(asked, verbose=0)["accuracy"] * len(asked)
    assert vqa.evaluate([*asked, *examples], verbose=0)["accuracy"] == pytest.approx(right / (len(asked) + 1))


def test_each_kind_of_question_is_scored():
    vqa, asked = task(), questions()
    answers = vqa.predict(asked)
    right = np.array([a.answer == e.answer for a, e in zip(answers, asked, strict=True)])
    expected = {"accuracy": right.mean(), "color": right[::2].mean(), "presence": right[1::2].mean()}
    assert vqa.score(asked, answers) == {name: pytest.approx(100 * value) for name, value in expected.items()}
    mistakes = [vqa.mistake(e, a) for e, a in zip(asked, answers, strict=True)]
    assert [mistake is None for mistake in mistakes] == right.tolist()
    example, answer = next((e, a) for e, a, mistake in zip(asked, answers, mistakes, strict=True) if mistake)
    mistake = vqa.mistake(dataclasses.replace(example, image="images/7.png"), answer)
    assert mistake["expected"] != mistake["answer"]
    assert mistake["image"] == "images/7.png"


def test_an_explanation_shows_the_gates_of_each_pass():
    vqa, example = task(num_passes=3), questions()[0]
    answer = vqa.ask(example.image, example.question)
    lines = vqa.explain(example, answer).splitlines()
    assert lines[0] == "Question: What color is it?"
    assert f"right: {example.answer}" in lines[1]
    assert [line for line in lines if line.startswith("pass")] == ["pass 1", "pass 2", "pass 3"]
    assert [int(cell) for cell in lines[4].split()] == [round(100 * gate) for gate in answer.gates[0][0]]


def test_unknown_words_are_named():
    assert task().ask(questions()[0].image, "Is the zebra red?").unknown_words == ("the", "zebra")


@pytest.mark.slow
def test_a_preset_gives_the_same_answers(tmp_path):
    vqa, asked = task(num_passes=3), questions()
    vqa.fit(asked, verbose=0)
    vqa.save_to_preset(tmp_path / "preset")
    vqa.save(tmp_path / "task.keras")
    for loaded in (
        dmn_keras.VisualQuestionAnswerer.from_preset(tmp_path / "preset"),
        keras.saving.load_model(tmp_path / "task.keras"),
    ):
        assert summary(loaded.predict(asked)) == summary(vqa.predict(asked))
        assert loaded.preprocessor.get_config() == vqa.preprocessor.get_config()


@pytest.mark.slow
def test_it_learns():
    keras.utils.set_random_seed(0)
    vqa = VisualQuestionAnswerer(**{**SETTINGS, "batch_size": 8, "learning_rate": 0.02, "num_passes": 1})
    losses = vqa.fit(questions(8), validation_data=questions(2, seed=1), epochs=4, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.slow
def test_the_commands_train_evaluate_and_predict(tmp_path, capsys):
    (tmp_path / "data/images").mkdir(parents=True)
    for split, num_images in (("train", 8), ("test", 4)):
        lines = []
        for example in questions(num_images, seed=num_images):
            place = f"images/{split}{example.image_id}.png"
            (tmp_path / "data" / place).write_bytes(encode(example.image))
            lines.append(json.dumps({"image": place, "question": example.question, "answer": example.answer}))
        (tmp_path / f"data/{split}.jsonl").write_text("\n".join(lines))
    run, metrics, asked = (str(tmp_path / name) for name in ("run", "metrics.json", "asked.jsonl"))
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    source = ["--dataset", "visual_question_answering", "--data-dir", str(tmp_path / "data")]
    assert cli.main(["train", *source, "--output", run, "--epochs", "1", *settings]) == 0
    assert cli.main(["evaluate", run, *source, "--json", metrics]) == 0
    content = json.loads(pathlib.Path(metrics).read_text())
    assert content["examples"] == 8
    assert 0 <= content["metrics"]["accuracy"] <= 100
    question = {"image": str(tmp_path / "data/images/test0.png"), "question": "Is it red?"}
    pathlib.Path(asked).write_text(json.dumps(question))
    capsys.readouterr()
    assert cli.main(["predict", run, "--input", asked]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["answer"] == VisualQuestionAnswerer.from_preset(run).ask(**question).answer
    missing = "\n".join(map(json.dumps, [question, {**question, "image": "missing.png"}]))
    pathlib.Path(asked).write_text(missing)
    assert cli.main(["predict", run, "--input", asked]) == 2
    assert "asked.jsonl, line 2: question 1: image must be" in capsys.readouterr().err
    (tmp_path / "data/images/train0.png").write_bytes(b"no image")
    other = tmp_path / "other"
    assert cli.main(["train", *source, "--output", str(other), "--epochs", "1", *settings]) == 2
    assert "train0.png' must be a PNG or JPEG file" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == [".lock"], "a corrected call finds the folder free"


def test_no_answers_to_learn_from_are_refused():
    record = {"image": np.zeros((2, 2), np.uint8), "question": "Is it red?"}
    with pytest.raises(ValueError, match=r"at least one example with an answer. Received 1 examples, none with one"):
        VisualQuestionAnswerer().adapt([record])


def test_a_model_of_another_family_is_refused():
    for preprocessor in (None, task().preprocessor):
        with pytest.raises(ValueError, match=r"model.family must be 'visual_dmn' .* Received: model.family='memn2n'"):
            VisualQuestionAnswerer(preprocessor=preprocessor, **{"model.family": "memn2n"}).build()
