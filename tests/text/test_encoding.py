import numpy as np
import pytest

from dmn_keras.datasets import Example
from dmn_keras.text import END_ID, MAX_WORDS, UNKNOWN_ID, Encoder, Vocabulary, pad_ids, pad_sentences

VOCABULARY = Vocabulary(["a", "b", "c", "d", "e"])
A, B, C, D, E = range(3, 8)
EXAMPLE = Example(
    story=("A b.", "C.", "D e f.", "A."), question="B c?", answer=("e", "A b"), supporting_facts=(2, 0, 3)
)


def test_sentences_and_questions_end_with_the_end_word():
    encoded = Encoder(VOCABULARY)(EXAMPLE)
    assert encoded.story == ((A, B, END_ID), (C, END_ID), (D, E, UNKNOWN_ID, END_ID), (A, END_ID))
    assert encoded.question == (B, C, END_ID)
    assert encoded.answer == (E, A, B)
    assert encoded.supporting_facts == (2, 0, 3)


@pytest.mark.parametrize(
    ("max_facts", "left", "facts"),
    [(9, 4, (2, 0, 3)), (4, 4, (2, 0, 3)), (3, 3, (1, 2)), (2, 2, (0, 1)), (1, 1, (0,))],
)
def test_the_oldest_facts_are_cut_off(max_facts, left, facts):
    encoded = Encoder(VOCABULARY, max_facts=max_facts)(EXAMPLE)
    assert encoded.story == Encoder(VOCABULARY)(EXAMPLE).story[-left:]
    assert encoded.supporting_facts == facts


def test_facts_of_words_are_one_sentence():
    encoded = Encoder(VOCABULARY, fact_level="word", max_facts=2)(EXAMPLE)
    assert encoded.story == ((D, E, UNKNOWN_ID, END_ID, A, END_ID),)
    assert encoded.supporting_facts == ()


def test_a_long_sentence_is_cut_and_named_once(caplog):
    text = "a b " * 200
    encoder = Encoder(VOCABULARY)
    assert encoder.sentence(text) == (*[A, B] * (MAX_WORDS // 2), END_ID)
    Encoder(VOCABULARY).sentence(text)
    assert caplog.messages == [f"The first 256 of the 400 words are read of a sentence: {text[:60]}..."]
    assert len(Encoder(VOCABULARY, fact_level="word").sentence(text)) == 401


def test_pad_sentences():
    padded = pad_sentences([((1, 2), (3,)), ()], num_facts=3, num_words=2)
    np.testing.assert_array_equal(padded, [[[1, 2], [3, 0], [0, 0]], [[0, 0]] * 3])
    assert padded.dtype == np.int32


def test_pad_sentences_cuts_stories_but_no_sentence():
    np.testing.assert_array_equal(pad_sentences([((1,), (2,), (3,))], num_facts=2, num_words=1), [[[1], [2]]])
    with pytest.raises(ValueError, match=r"num_words must be at least the longest sentence's, 2\. Received: 1"):
        pad_sentences([((1,), (2, 3))], num_facts=2, num_words=1)
    assert pad_sentences([], num_facts=2, num_words=3).shape == (0, 2, 3)
    assert pad_sentences([()], num_facts=0, num_words=3).shape == (1, 0, 3)


def test_pad_ids():
    padded = pad_ids([(5, 6), (), (7,)], 3)
    np.testing.assert_array_equal(padded, [[5, 6, 0], [0, 0, 0], [7, 0, 0]])
    assert padded.dtype == np.int32
