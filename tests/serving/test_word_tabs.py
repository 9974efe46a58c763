"""The page shows classes and tags, and quotes what was typed."""

import re

import pytest

from dmn_keras import TextClassifier, TokenTagger
from dmn_keras.datasets import TextClassificationExample, TokenTaggingExample
from dmn_keras.serving import word_tabs  # noqa: F401, registers
from dmn_keras.serving.demo_tabs import tab_of

SIZES = {"units": 6, "embedding_dim": 4, "gate_units": 4, "min_count": 1}


@pytest.fixture(scope="module")
def classifier():
    task = TextClassifier(**SIZES)
    task.adapt([TextClassificationExample("lovely", "good"), TextClassificationExample("dull", "bad")])
    return tab_of(task)


@pytest.fixture(scope="module")
def tagger():
    task = TokenTagger(**SIZES)
    task.adapt([TokenTaggingExample(("Go", "!"), ("VERB", "PUNCT"))])
    return tab_of(task)


def test_a_class_and_the_words_of_each_pass_are_shown(classifier):
    shown = classifier.show("A <b> film")
    assert "<b>" not in shown
    assert len(re.findall("pass [12]: ", shown)) == 2
    assert shown.count(">film</span>") == 2
    assert "bad 0." in shown
    assert "The model does not know: A, &lt;b&gt;, film" in shown
    assert "does not know" not in classifier.show("lovely")


def test_each_word_is_shown_with_its_tag(tagger):
    shown = tagger.show("Go & rest!")
    assert re.findall('<th scope="row">(.*?)</th>', shown) == ["Go", "&amp;", "rest", "!"]
    assert len(re.findall("<td>(?:VERB|PUNCT)</td>", shown)) == 4
    assert "The model does not know: &amp;, rest" in shown


def test_examples_can_be_shown(classifier, tagger):
    for tab in (classifier, tagger):
        assert all('role="status"' in tab.show(*texts) for texts in tab.examples.values())
        assert 'role="alert"' in tab.show(" ")
