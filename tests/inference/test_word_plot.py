import pathlib

import pytest

from dmn_keras.inference.word_plot import plot_word_gates
from dmn_keras.tasks.text_classification import Classification
from dmn_keras.tasks.token_tagging import Tagging

SENTENCE = "a film that no one will forget $x$ , not even in ten thousand years"
WORDS = tuple(SENTENCE.split())
TEXT = Classification("good", 0.9, {"good": 0.9, "bad": 0.1}, WORDS, (tuple(i / 100 for i in range(len(WORDS))),) * 2)
GATES = tuple(((0.5,) * width,) for width in (2, 3, 2))
TAGS = Tagging(("DET", "NOUN", "PUNCT"), ({}, {}, {}), ("a", "film", "."), GATES)


def svg(answer, path, **options):
    plot_word_gates(answer, path, **options)
    return pathlib.Path(path).read_text()


def test_every_word_is_drawn_in_every_pass(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("matplotlib").rcParams, "svg.fonttype", "none")
    drawn = svg(TEXT, tmp_path / "text.svg")
    assert drawn.count(">forget<") == drawn.count(">$x$<") == 2
    assert "good (0.90)" in drawn
    assert ">pass 2<" in drawn


@pytest.mark.parametrize(("word", "shown"), [(0, {"[a]", "film"}), (1, {"a", "[film]", "."}), (2, {"film", "[.]"})])
def test_the_context_of_a_tagged_word_is_drawn(tmp_path, monkeypatch, word, shown):
    monkeypatch.setitem(__import__("matplotlib").rcParams, "svg.fonttype", "none")
    drawn = svg(TAGS, tmp_path / "tags.svg", word=word)
    assert {text for text in ("a", "[a]", "film", "[film]", ".", "[.]") if f">{text}<" in drawn} == shown
    assert f"{TAGS.words[word]}: {TAGS.tags[word]}" in drawn


@pytest.mark.parametrize("word", [None, -1, 3])
def test_a_tagging_needs_one_of_its_words(tmp_path, word):
    with pytest.raises(ValueError, match="word must be the number of one of 3 words"):
        plot_word_gates(TAGS, tmp_path / "tags.svg", word=word)
