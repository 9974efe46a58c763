import pytest

from dmn_keras.datasets import Example
from dmn_keras.text import END_ID, PAD_ID, UNKNOWN_ID, Vocabulary


def test_collects_the_words_of_stories_questions_and_answers():
    example = Example(story=("Mary has the Milk.",), question="What has she?", answer=("the milk", "zebra"))
    vocabulary = Vocabulary.from_examples([example])
    assert vocabulary.words[3:] == ("has", "mary", "milk", "she", "the", "what", "zebra")
    assert len(vocabulary) == 10


def test_the_order_of_the_examples_does_not_matter():
    examples = [Example(story=(f"{a} {b}",), question="who") for a, b in ("xy", "ab", "xb", "qa")]
    assert Vocabulary.from_examples(examples).words == Vocabulary.from_examples(examples[::-1]).words


def test_ids_and_unknown_words():
    vocabulary = Vocabulary(["milk", "apple"])
    assert vocabulary.ids(["apple", "pear", "milk"]) == [4, UNKNOWN_ID, 3]
    assert "milk" in vocabulary
    assert "pear" not in vocabulary
    assert vocabulary.unknown_words(["Kiwi apple pear.", "pear kiwi milk?"]) == ["kiwi", "pear"]


def test_the_special_words_have_the_ids_that_everything_else_counts_on():
    assert (PAD_ID, UNKNOWN_ID, END_ID) == (0, 1, 2)
    assert Vocabulary(["a"]).words == ("<pad>", "<unknown>", "<end>", "a")


def test_text_cannot_say_a_special_word():
    vocabulary = Vocabulary.from_examples([Example(story=("<pad> and <end>",), question="<unknown>")])
    assert vocabulary.words[3:] == ("<", ">", "and", "end", "pad", "unknown")


def test_answers_end_at_the_end_word_and_skip_padding():
    vocabulary = Vocabulary(["milk", "apple"])
    assert vocabulary.answer([4, PAD_ID, 3, END_ID, 4]) == ["apple", "milk"]
    assert vocabulary.answer([3, 4]) == ["milk", "apple"]
    assert vocabulary.answer([END_ID, 3]) == []


@pytest.mark.parametrize(("words", "twice"), [(["a", "b", "a"], "'a'"), (["a", "<end>"], "'<end>'")])
def test_refuses_a_word_twice(words, twice):
    with pytest.raises(ValueError, match=rf"words must be distinct .* Received twice: \[{twice}\]"):
        Vocabulary(words)
