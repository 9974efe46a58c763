"""Token tagging: what it learns from, its answers, and that padding never changes one."""

import keras
import numpy as np
import pytest

from dmn_keras import TokenTagger
from dmn_keras.datasets import TokenTaggingExample
from dmn_keras.tasks.token_tagging import TokenTaggingPreprocessor
from dmn_keras.tasks.token_tagging.answer import tagging_text

NOUNS, VERBS = ("boat", "tree", "walk"), ("sees", "paints", "lifts")
TRAIN = [
    TokenTaggingExample(("The", noun, verb, "a", other, "."), ("DET", "NOUN", "VERB", "DET", "NOUN", "PUNCT"))
    for noun in NOUNS
    for verb in VERBS
    for other in NOUNS
] + [TokenTaggingExample(("Go", "!"), ("VERB", "PUNCT")), TokenTaggingExample(("I", "walk"), ("PRON", "VERB"))]
SMALL = {
    "units": 12,
    "embedding_dim": 8,
    "gate_units": 8,
    "character_units": 8,
    "dropout": 0.0,
    "batch_size": 8,
    "min_count": 1,
}


def tagger(**settings):
    keras.utils.set_random_seed(0)
    task = TokenTagger(**{**SMALL, **settings})
    task.adapt(TRAIN)
    return task


@pytest.fixture(scope="module")
def trained():
    task = tagger(learning_rate=0.03)
    task.fit(TRAIN, epochs=8, verbose=0)
    return task


@pytest.mark.slow
def test_it_learns_from_context_and_spelling(trained):
    answers = trained.predict(TRAIN)
    assert trained.score(TRAIN, answers)["accuracy"] > 97
    [answer] = trained.predict([{"tokens": ["The", "walk", "faints", "a", "boat", "."]}])
    assert answer.tags[:3] == ("DET", "NOUN", "VERB")
    assert answer.unknown_words == ("faints",)
    assert [sum(of_word.values()) for of_word in answer.probabilities] == pytest.approx([1.0] * 6, abs=1e-5)
    assert tuple(max(of_word, key=of_word.get) for of_word in answer.probabilities) == answer.tags
    assert tagging_text(answer).startswith("The/DET walk/NOUN")


@pytest.mark.slow
def test_each_word_has_gates_for_the_words_around_it(trained):
    [answer] = trained.predict(TRAIN[:1])
    assert [np.shape(of_word) for of_word in answer.gates] == [(2, 3), (2, 4), (2, 5), (2, 5), (2, 4), (2, 3)]
    for of_word in answer.gates:
        np.testing.assert_allclose(np.sum(of_word, axis=1), 1, atol=1e-5)


def test_neither_padding_nor_other_sentences_change_a_tag(trained):
    long = TokenTaggingExample(("boat",) * 70)
    [together, _, last] = trained.predict([TRAIN[-1], long, TRAIN[0]])
    for example, answer in ((TRAIN[-1], together), (TRAIN[0], last)):
        [alone] = trained.predict([example], batch_size=1)
        assert alone.tags == answer.tags
        for ours, theirs in zip(alone.gates, answer.gates, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
    inputs = trained.preprocessor(TRAIN[:1])
    padded = {name: np.pad(x, [(0, 0), (0, 9), *[(0, 4)] * (x.ndim - 2)]) for name, x in inputs.items()}
    plain, wide = (keras.ops.convert_to_numpy(trained.network(x)["tags"]) for x in (inputs, padded))
    np.testing.assert_allclose(wide[:, :6], plain, atol=1e-5)


def test_a_sentence_of_one_word_and_one_of_thousands(trained):
    one, many = trained.predict([{"tokens": ["Go"]}, {"tokens": ["tree"] * 2000}])
    assert (len(one.tags), np.shape(one.gates)) == (1, (1, 2, 1))
    assert len(many.tags) == 2000


@pytest.mark.parametrize("tokens", [[], None, "Go", ["Go", " "], ["Go", None]])
def test_malformed_tokens_are_refused_by_their_record(trained, tokens):
    with pytest.raises(ValueError, match=r"record 1: tokens"):
        trained.predict([{"tokens": tokens}])


def test_a_tag_that_training_lacks_counts_as_wrong(trained):
    strange = TokenTaggingExample(("Go", "!"), ("X", "PUNCT"))
    logs = trained.evaluate([strange], verbose=0)
    assert logs["accuracy"] == pytest.approx(0.5)
    assert np.isfinite(logs["loss"])
    [answer] = trained.predict([strange])
    assert trained.score([strange], [answer]) == {"accuracy": 50.0}
    assert trained.mistake(strange, answer)["wrong"] == "Go: VERB for X"


def test_the_context_is_as_wide_as_the_setting():
    task = tagger(context_size=1, num_layers=0, character_units=None)
    inputs = task.preprocessor(TRAIN[:1])
    assert list(inputs) == ["words"]
    before = keras.ops.convert_to_numpy(task.network(inputs)["tags"])[0]
    inputs["words"][0, 2] = inputs["words"][0, 1]  # the third word
    changed = np.abs(keras.ops.convert_to_numpy(task.network(inputs)["tags"])[0] - before).max(axis=-1) > 1e-6
    assert changed.tolist() == [False, True, True, True, False, False]


@pytest.mark.slow
def test_a_preset_answers_the_same(trained, tmp_path):
    trained.save_to_preset(tmp_path / "preset")
    trained.save(tmp_path / "task.keras")
    for loaded in (TokenTagger.from_preset(tmp_path / "preset"), keras.saving.load_model(tmp_path / "task.keras")):
        assert [a.tags for a in loaded.predict(TRAIN)] == [a.tags for a in trained.predict(TRAIN)]


def test_both_ends_of_a_long_word_are_read():
    preprocessor = TokenTaggingPreprocessor(reads_characters=True)
    preprocessor.adapt(TRAIN)
    long, other = "b" + "o" * 40 + "ats", "b" + "o" * 40 + "ath"
    (first, second), characters = preprocessor.word_ids([long, other])
    assert first == second == 1
    assert len(characters[0]) == 16
    assert characters[0][:8] == characters[1][:8]
    assert characters[0] != characters[1]
