import pytest

from dmn_keras.text.words import split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        (" \t\n", ""),
        ("It's a lovely, lovely film (isn't it?).", "It 's a lovely , lovely film ( is n't it ? ) ."),
        ("\u201cGreat\u201d \u2014 they\u2019d say", '" Great " \u2014 they \'d say'),
        ("Well-made... or not -- who knows!", "Well-made ... or not -- who knows !"),
        ("Mr. Smith paid 1,000. Twice.", "Mr. Smith paid 1,000 . Twice ."),
        ("It ended. We left.", "It ended . We left ."),
        ("the actors' work", "the actors ' work"),
        ("CAN'T, WON'T", "CA N'T , WO N'T"),
        ("seen at 10:30", "seen at 10:30"),
        ("Привет, мир!", "Привет , мир !"),
    ],
)
def test_words_are_those_of_treebanks(text, words):
    assert split_words(text) == words.split(" " if words else None)


@pytest.mark.parametrize(
    "text", ["It 's a film , is n't it ? -- ... '70s ' ( so ) U.S. Mr. Smith 1,000 .", "n't 's 'em"]
)
def test_separated_words_stay_as_they_are(text):
    assert split_words(text) == text.split()
