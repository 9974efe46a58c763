import pytest

from dmn_keras.text import split_sentences, tokenize


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Mary went to the kitchen.", ["mary", "went", "to", "the", "kitchen"]),
        ("Where is Mary? \t", ["where", "is", "mary"]),
        ("no!?.", ["no"]),
        (
            "Mr. Smith, who isn't in the well-lit room",
            ["mr", ".", "smith", ",", "who", "isn't", "in", "the", "well-lit", "room"],
        ),
        ("Зал 3 ist größer", ["зал", "3", "ist", "größer"]),
        ("a<pad>b", ["a", "<", "pad", ">", "b"]),
        ("", []),
        ("  ?! ", []),
    ],
)
def test_tokenize(text, words):
    assert tokenize(text) == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Mary went home. John stayed.\nWhy?", ["Mary went home.", "John stayed.", "Why?"]),
        ("one line\r\n\n  another line  \n", ["one line", "another line"]),
        ("3.5 apples cost 2.10 here. Really?!  Yes", ["3.5 apples cost 2.10 here.", "Really?!", "Yes"]),
        (" \n \n", []),
    ],
)
def test_split_sentences(text, sentences):
    assert split_sentences(text) == sentences
