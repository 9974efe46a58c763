import unicodedata

import numpy as np
import pytest

from dmn_keras.text import lower, tokenize


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mary went to the kitchen.", ["Mary", "went", "to", "the", "kitchen"]),
        ("Where is Mary? \t", ["Where", "is", "Mary"]),
        ("no!?.", ["no"]),
        (
            "Mr. Smith, who isn't in the well-lit room",
            ["Mr", ".", "Smith", ",", "who", "isn't", "in", "the", "well-lit", "room"],
        ),
        ("Зал 3 ist größer", ["Зал", "3", "ist", "größer"]),
        ("a<pad>b", ["a", "<", "pad", ">", "b"]),
        ("", []),
        ("  ?! ", []),
        ("राम दिल्ली गया।", ["राम", "दिल्ली", "गया"]),
        ("மழை পড়ে ไป שָׁלוֹם كَتَبَ؟", ["மழை", "পড়ে", "ไป", "שָׁלוֹם", "كَتَبَ"]),
        ("می\u200cروم …", ["می\u200cروم"]),
        ("don\u2019t don\u02bct o\u2018clock", ["don't", "don't", "o'clock"]),
        ("co\u00adop\u00a0well\u2011lit\u200f a\u200bb", ["coop", "well-lit", "a", "b"]),
        ("x=\u0338y -\u0301a \u0301", ["x", "\u2260", "y", "-\u0301", "a", "\u0301"]),
    ],
)
def test_tokenize(text, words):
    assert tokenize(text) == [unicodedata.normalize("NFC", word) for word in words]


@pytest.mark.parametrize(
    "text", ["José", "Zürich", "Tiếng Việt", "Ångström", "한국어", "ΟΔΟΣ Σ", "İstanbul", "J\u030c"]
)
def test_the_forms_of_unicode_are_one(text):
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert tokenize(composed) == tokenize(decomposed) == composed.split()
    assert lower(composed) == lower(decomposed) == lower(lower(decomposed))
    assert unicodedata.is_normalized("NFC", lower(decomposed))


def test_words_do_not_depend_on_case_or_form():
    rng = np.random.default_rng(0)
    letters = np.array([*"aB '-.éÉ한ΣßİǅŐ≠क", "\u0301", "\u0323", "\u094d", "\u00ad", "\u200d", "\u2019"])
    for _ in range(2_000):
        text = "".join(rng.choice(letters, size=rng.integers(1, 12)))
        words = tokenize(text)
        assert tokenize(unicodedata.normalize("NFD", text)) == words
        assert tokenize(text, lowercase=True) == [lower(word) for word in words]
