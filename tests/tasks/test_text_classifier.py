"""Text classification: what it learns from, its answers, its presets."""

import dataclasses

import keras
import numpy as np
import pytest

from dmn_keras import TextClassifier
from dmn_keras.datasets import TextClassificationExample
from dmn_keras.tasks.batching import EpochSequence
from dmn_keras.tasks.text_classification import TextClassificationPreprocessor

GOOD, BAD = ("lovely", "bright", "warm"), ("dull", "grey", "cold")
TRAIN = [
    TextClassificationExample(f"A {word} film , {end} .", label)
    for words, label in ((GOOD, "good"), (BAD, "bad"))
    for word in words
    for end in ("they said", "we saw it twice", "from 1999")
]
SMALL = {"units": 8, "embedding_dim": 8, "gate_units": 8, "min_count": 1, "dropout": 0.0, "batch_size": 6}


def classifier(examples=TRAIN, **settings):
    keras.utils.set_random_seed(0)
    task = TextClassifier(**{**SMALL, **settings})
    task.adapt(examples)
    return task


def texts(answers):
    return [(answer.label, answer.words) for answer in answers]


@pytest.fixture(scope="module")
def trained():
    task = classifier(learning_rate=0.03)
    task.fit(TRAIN, epochs=12, verbose=0)
    return task


@pytest.mark.slow
def test_it_learns_and_shows_which_words_decided(trained):
    [good, bad] = trained.predict([{"text": "They saw a warm film."}, {"text": "It's grey, we said."}])
    assert (good.label, bad.label) == ("good", "bad")
    assert good.words == ("They", "saw", "a", "warm", "film", ".")
    assert np.shape(good.gates) == (2, 6)
    np.testing.assert_allclose(np.sum(good.gates, axis=1), 1, atol=1e-5)
    assert list(good.probabilities) == ["bad", "good"]
    assert good.probability == max(good.probabilities.values())
    assert sum(good.probabilities.values()) == pytest.approx(1, abs=1e-6)
    assert bad.unknown_words == ("'s",)
    assert trained.score(TRAIN, trained.predict(TRAIN)) == {"accuracy": 100.0}
    assert trained.evaluate(TRAIN, verbose=0)["accuracy"] == 1.0


def test_an_answer_depends_neither_on_its_batch_nor_on_padding(trained):
    long = TextClassificationExample("dull " * 40)
    together = trained.predict([TRAIN[0], long, TRAIN[4]])
    for example, answer in zip([TRAIN[0], long, TRAIN[4]], together, strict=True):
        [alone] = trained.predict([example], batch_size=1)
        np.testing.assert_allclose(alone.gates, answer.gates, atol=1e-6)
        assert alone.probability == pytest.approx(answer.probability, abs=1e-6)


def test_a_text_of_one_word_and_one_of_thousands(trained):
    one, many = trained.predict([{"text": "lovely"}, {"text": "dull grey " * 1000}])
    assert (one.label, np.shape(one.gates)) == ("good", (2, 1))
    assert (many.label, len(many.words)) == ("bad", 2000)


@pytest.mark.parametrize("text", ["", "   ", None, [5]])
def test_a_text_without_words_is_refused_by_its_record(trained, text):
    with pytest.raises(ValueError, match="record 2: text must be a string that is not empty"):
        trained.predict([{"text": "lovely"}, {"text": text}])


def test_an_example_without_words_is_refused_too(trained):
    with pytest.raises(ValueError, match="record 1: text must hold at least one word"):
        trained.predict([TextClassificationExample(" ")])


def test_a_label_that_training_lacks_counts_as_wrong(trained, caplog):
    strange = TextClassificationExample("A warm film .", "puzzling")
    logs = trained.evaluate([TRAIN[0], strange], verbose=0)
    assert "1 labels are none of the training data and count as wrong: puzzling" in caplog.text
    assert logs["accuracy"] == pytest.approx(0.5)
    assert np.isfinite(logs["loss"])
    answers = trained.predict([TRAIN[0], strange])
    assert trained.score([TRAIN[0], strange], answers) == {"accuracy": 50.0}
    assert trained.mistake(TRAIN[0], answers[0]) is None
    assert trained.mistake(strange, answers[1])["expected"] == "puzzling"
    assert "good (probability" in trained.explain(strange, answers[1])
    assert trained.explain(strange, answers[1]).endswith("; right: puzzling")
    assert "right" not in trained.explain(TextClassificationExample("A warm film ."), answers[1])


def test_a_single_class_is_warned_of(caplog):
    classifier([example for example in TRAIN if example.label == "good"])
    assert caplog.messages == ["all training examples have the label 'good': the model can give no other"]
    caplog.clear()
    classifier()
    assert not caplog.messages


def test_words_that_training_never_saw_are_counted(trained, caplog):
    trained.evaluate([TRAIN[0], TextClassificationExample("Zebra zebra film", TRAIN[0].label)], verbose=0)
    assert caplog.messages == ["warning: 1 words of the examples to evaluate were never seen in training: zebra"]


def test_training_needs_labels():
    with pytest.raises(ValueError, match="record 2: training needs a label"):
        classifier([TRAIN[0], TextClassificationExample("A film .")])


@pytest.mark.slow
def test_a_preset_answers_the_same(trained, tmp_path):
    trained.save_to_preset(tmp_path / "preset")
    trained.save(tmp_path / "task.keras")
    for loaded in (TextClassifier.from_preset(tmp_path / "preset"), keras.saving.load_model(tmp_path / "task.keras")):
        for ours, theirs in zip(trained.predict(TRAIN), loaded.predict(TRAIN), strict=True):
            assert texts([ours]) == texts([theirs])
            np.testing.assert_allclose(ours.gates, theirs.gates, atol=1e-6)
    with pytest.raises(ValueError, match=r"Save it to a file that ends in .keras"):
        trained.save(tmp_path / "task.h5")


@pytest.mark.slow
def test_a_task_that_was_not_trained_is_saved_too(tmp_path):
    task = classifier()
    task.save(tmp_path / "task.keras")
    loaded = keras.saving.load_model(tmp_path / "task.keras")
    for ours, theirs in zip(task.predict(TRAIN[:3]), loaded.predict(TRAIN[:3]), strict=True):
        np.testing.assert_allclose(ours.gates, theirs.gates, atol=1e-6)


def test_classes_of_other_data_are_not_trained(trained):
    with pytest.raises(ValueError, match="the model has no class for odd, strange: it was made for other data"):
        trained.fit([*TRAIN, *(TextClassificationExample("A film .", label) for label in ("strange", "odd"))])


@pytest.mark.parametrize("fraction", [0.0, 0.2])
def test_an_epoch_without_examples_is_refused(fraction):
    phrases = [TextClassificationExample("A film", label, is_phrase=True) for label in ("good", "bad")]
    task = classifier(phrases, phrase_fraction=fraction)
    with pytest.raises(ValueError, match="an epoch draws none of the 2 training examples"):
        task.fit(phrases, verbose=0)
    assert len(task.predict(phrases)) == 2


def test_an_epoch_draws_some_of_the_phrases():
    phrases = [TextClassificationExample(f"{word} film", "good", is_phrase=True) for word in GOOD * 20]
    task = classifier([*TRAIN, *phrases], phrase_fraction=0.25)
    batches = task.batches([*TRAIN, *phrases])
    epoch = [0]
    sequence = EpochSequence(batches, seed=1, epoch=lambda: epoch[0])
    drawn = []
    for epoch[0] in range(8):
        sequence.on_epoch_begin()
        assert len(sequence) == len(batches)
        drawn.append({int(i) for planned in sequence.draw() for i in planned.members})
    sentences = set(range(len(TRAIN)))
    assert all(abs(len(of_epoch) - len(TRAIN) - 15) <= 6 for of_epoch in drawn)
    assert sum(len(sentences & of_epoch) for of_epoch in drawn) > 0.8 * 8 * len(TRAIN)  # the last batch may be cut off
    assert len(set.union(*drawn) - sentences) > 40
    assert sorted(i for planned in batches.plan() for i in planned.members) == list(range(len(TRAIN) + 60))


def test_weights_of_examples_scale_their_loss():
    task = classifier()
    heavy = [TextClassificationExample(TRAIN[0].text, "good", weight=3.0)]
    single, triple = (task.evaluate(examples, verbose=0)["loss"] for examples in (TRAIN[:1], heavy))
    assert triple == pytest.approx(3 * single, rel=1e-5)
    for weight in (-1.0, float("nan"), "3"):
        with pytest.raises(ValueError, match="record 1: weight must be a number of at least 0"):
            task.evaluate([dataclasses.replace(heavy[0], weight=weight)])


def test_words_that_only_the_vectors_have_are_known(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("film 1 2\nsuperb 3 4\nawful 5 6\n")
    task = classifier(word_vectors=str(path), num_pretrained_words=2, min_count=4)
    preprocessor = task.preprocessor
    assert "superb" in preprocessor.vocabulary
    assert "awful" not in preprocessor.vocabulary
    [superb, film, lovely] = preprocessor.vocabulary.ids(["superb", "film", "lovely"])
    assert superb >= len(preprocessor.vocabulary) - 1 > film
    assert film < preprocessor.num_learned <= lovely
    np.testing.assert_array_equal(preprocessor.vectors[[superb, film, lovely]], [[3, 4], [1, 2], [0, 0]])
    table = keras.ops.convert_to_numpy(task.network.get_layer("pretrained_vectors").embeddings)
    np.testing.assert_array_equal(table, preprocessor.vectors)
    task.save_to_preset(tmp_path / "preset")
    path.unlink()  # a preset needs the file no more
    loaded = TextClassifier.from_preset(tmp_path / "preset")
    found = keras.ops.convert_to_numpy(loaded.network.get_layer("pretrained_vectors").embeddings)
    np.testing.assert_array_equal(found, table)


def test_vectors_of_other_words_are_refused(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("zzz 1 2\nyyy 3 4\n")
    with pytest.raises(ValueError, match=r"vectors.txt holds none of the \d+ words of the training data"):
        classifier(word_vectors=str(path))


def test_the_preprocessor_round_trips():
    preprocessor = TextClassificationPreprocessor(phrase_fraction=0.25, reads_characters=True, min_count=1)
    preprocessor.adapt(TRAIN)
    again = TextClassificationPreprocessor.from_config(preprocessor.get_config())
    assert again.get_config() == preprocessor.get_config()
    assert again.encode(TRAIN) == preprocessor.encode(TRAIN)
