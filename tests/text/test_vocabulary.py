# ruff: noqa: RUF001
import pytest

from dmn_keras.datasets import Example
from dmn_keras.text import END_ID, PAD_ID, UNKNOWN_ID, Vocabulary


def test_collects_the_words_of_stories_questions_and_answers():
    example = Example(story=("Mary has the Milk.",), question="What has she?", answer=("the milk", "zebra"))
    vocabulary = Vocabulary.from_examples([example])
    assert vocabulary.words[3:] == ("has", "mary", "milk", "she", "the", "what", "zebra")
    assert len(vocabulary) == 10


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


def test_words_are_found_in_every_case_and_form():
    vocabulary = Vocabulary(["café", "don\u2019t", "σ"])
    assert vocabulary.encode("Cafe\u0301 DON'T don’t Σ?") == [3, 4, 4, 5]
    assert vocabulary.ids(["CAFÉ", "Don't"]) == [3, 4]
    assert vocabulary.unknown_words(["CAFE\u0301 Zoe\u0308 ZOË"]) == ["zoë"]


ANSWERS = ["Rome", "$5.00", "3:45 pm", "1,200 km", "C++", "U.S.", "New York, U.S.", "New York", "rome"]


def written(*answers):
    examples = [Example(story=("new york",), question="where", answer=(answer,)) for answer in answers]
    return Vocabulary.from_examples(examples)


@pytest.mark.parametrize("answer", ANSWERS[:-1])
def test_answers_come_back_as_the_data_writes_them(answer):
    vocabulary = written(*ANSWERS, "Rome")
    assert vocabulary.answer_text([*vocabulary.encode(answer), END_ID, PAD_ID, 5]) == answer


@pytest.mark.parametrize(
    "answer", ["$1,200", "$3.45", "5:00 pm", "200 km", "New York, Rome", "Rome, U.S", "C+", "where"]
)
def test_other_answers_are_put_together_in_the_same_way(answer):
    vocabulary = written(*ANSWERS, "Rome")
    assert vocabulary.answer_text(vocabulary.encode(answer.lower())) == answer


def test_the_commonest_way_of_writing_wins():
    assert written("US", "us", "us").answers == ("us", "US")
    assert written("US", "us", "us").answer_text([4]) == "us"
    assert written("US", "us", "US").answer_text([4]) == "US"


@pytest.mark.parametrize(("words", "twice"), [(["a", "b", "a"], "'a'"), (["a", "<end>"], "'<end>'")])
def test_refuses_a_word_twice(words, twice):
    with pytest.raises(ValueError, match=rf"words must be distinct .* Received twice: \[{twice}\]"):
        Vocabulary(words)
