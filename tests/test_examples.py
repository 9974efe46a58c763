"""The examples run."""

import pathlib

import keras
import numpy as np
import pytest

from dmn_keras import datasets
from dmn_keras.datasets import stories
from dmn_keras.tasks.question_answering import QuestionAnsweringPreprocessor
from examples import copy_task, custom_task, dmn_from_layers, sentiment, tagging, tickets, visual_questions
from tests.training.runs import in_eager_steps, without_tracing

TICKETS = pathlib.Path(tickets.__file__).with_suffix("")

pytestmark = without_tracing


def test_a_model_from_the_layers_is_trained_saved_and_loaded(tmp_path, capsys):
    path = tmp_path / "model.keras"
    accuracy = dmn_from_layers.main(["--examples", "200", "--epochs", "2", "--path", str(path)])
    *_, question, answer, measured = capsys.readouterr().out.splitlines()
    assert question.endswith("?")
    assert answer.islower()
    assert measured == f"accuracy on 500 new stories: {accuracy:.3f}"
    preprocessor = QuestionAnsweringPreprocessor()
    preprocessor.adapt(stories.generate("one-supporting-fact", num_examples=200))
    test = stories.generate("one-supporting-fact", split="test", num_examples=500)
    inputs, answers = dmn_from_layers.arrays(preprocessor, test)
    likeliest = keras.models.load_model(path).predict(inputs, verbose=0).argmax(-1)
    np.testing.assert_allclose(np.mean(likeliest == answers), accuracy, atol=1e-6)


def test_a_model_from_the_layers_learns():
    keras.utils.set_random_seed(0)
    examples = stories.generate("one-supporting-fact", num_examples=32, num_facts=2)
    preprocessor = QuestionAnsweringPreprocessor()
    preprocessor.adapt(examples)
    model = dmn_from_layers.build(len(preprocessor.vocabulary), units=20, num_passes=1)
    model.compile(keras.optimizers.Adam(0.02), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    inputs, answers = dmn_from_layers.arrays(preprocessor, examples)
    model.fit(inputs, answers, batch_size=32, epochs=60, verbose=0)
    assert np.mean(model.predict(inputs, verbose=0).argmax(-1) == answers) > 0.9


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel is written by TensorFlow")
@in_eager_steps
def test_a_task_of_ones_own_is_trained_saved_and_exported(tmp_path):
    import tensorflow as tf

    train = stories.generate("yes-no", num_examples=64)
    test = stories.generate("yes-no", split="test", num_examples=8)
    finder = custom_task.FactFinder(units=8, embedding_dim=8, num_passes=2)
    finder.fit(train, validation_data=test, epochs=1, verbose=0)
    assert 0 <= finder.evaluate(test, verbose=0)["accuracy"] <= 1
    found = finder.predict(test)
    assert all(fact in example.story for fact, example in zip(found, test, strict=True))
    finder.save_to_preset(tmp_path / "preset")
    assert custom_task.FactFinder.from_preset(tmp_path / "preset").predict(test) == found
    served = tf.saved_model.load(str(finder.export(tmp_path / "served", questions=test))).signatures["text"]
    texts = {"story": [" ".join(e.story) for e in test], "question": [e.question for e in test]}
    outputs = served(**{name: tf.constant(values) for name, values in texts.items()})
    chosen = outputs["fact"].numpy().argmax(-1)
    assert [facts[i].decode() for facts, i in zip(outputs["facts"].numpy(), chosen, strict=True)] == found


@in_eager_steps
def test_visual_questions_are_learned_and_drawn(tmp_path, capsys):
    sizes = {"image_size": 16, "convolutions": 2, "filters": 4, "units": 4}
    visual_questions.main(tmp_path / "gates.png", num_images=4, epochs=1, **sizes)
    *_, answer = capsys.readouterr().out.splitlines()
    assert answer.split("? ")[1] in {"yes", "no", "square", "circle", *"123456"}
    assert (tmp_path / "gates.png").read_bytes().startswith(b"\x89PNG")


def test_the_support_tickets_are_those_of_their_script(tmp_path):
    tickets.main([str(tmp_path)])
    for split in ("train", "valid", "test"):
        made, kept = (
            datasets.load("jsonl", task="all", split=split, data_dir=folder) for folder in (tmp_path, TICKETS)
        )
        assert made == kept
        for example in made:
            [fact] = example.supporting_facts
            assert example.answer_text in example.story[fact]
            topic = example.question.split("the ")[-1].split()[0]
            assert topic in example.story[fact]


def test_copying_starts_to_be_learned():
    keras.utils.set_random_seed(0)
    (loss, accuracy), (_, longer) = copy_task.main(count=1600)
    assert loss < 0.5  # 0.69 at the start
    assert min(accuracy, longer) > 0.7


@in_eager_steps
def test_sentiment_is_learned_and_drawn(tmp_path):
    trees = "(4 (2 A) (4 (4 lovely) (2 film)))\n(0 (2 A) (0 (0 dull) (2 film)))\n(2 (2 A) (2 film))\n"
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.txt").write_text(trees)
    plot = tmp_path / "gates.png"
    accuracy = sentiment.main(tmp_path, plot=plot, units=4, embedding_dim=4, num_buckets=1)
    assert accuracy in (0, 50, 100)
    assert plot.read_bytes().startswith(b"\x89PNG")


@in_eager_steps
def test_tags_are_learned(tmp_path, capsys):
    rows = [("1", "Go", "VERB"), ("2", "home", "ADV"), ("3", "!", "PUNCT")]
    text = "\n".join("\t".join([number, form, "_", tag, *"______"]) for number, form, tag in rows)
    for name in ("train", "dev", "test"):
        (tmp_path / f"en_x-ud-{name}.conllu").write_text(text + "\n\n")
    accuracy = tagging.main(tmp_path, units=4, embedding_dim=4, character_units=4)
    assert 0 <= accuracy <= 100
    assert "('Go', '" in capsys.readouterr().out
