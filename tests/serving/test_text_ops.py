"""The tokenizer in the graph is the Python tokenizer."""

import random

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported by TensorFlow alone", allow_module_level=True)

import tensorflow as tf

from dmn_keras.datasets import Example
from dmn_keras.serving.text_ops import TextOps, characters
from dmn_keras.text import END_ID, MAX_WORDS, Encoder, Vocabulary, lower, split_sentences, tokenize

VOCABULARY = Vocabulary(
    ["mary", "john", "went", "to", "the", "don't", "a", "\u03c3", "i", "é", "n", "x-ray", "don\u2019t", "日"]
)
PIECES = [
    *"Mary john's went-to Don\u2019t Σ İ x-ray",
    *" .?!\n\t'-\u2019_ \r\x0b\x1c\x85\u2028\u00a0\u3000\x00\ufeff",
    "日",
    "٣",
]


@pytest.fixture(scope="module")
def read():
    """A compiled function from texts to what is read of them as stories and as questions."""
    texts = tf.TensorSpec([None], tf.string)
    compiled = tf.function(TextOps(VOCABULARY).read, [texts, texts])
    return lambda stories, questions: compiled(*(tf.constant(x, tf.string) for x in (stories, questions)))


def random_text(rng):
    text = []
    for _ in range(rng.randrange(60)):
        kind = rng.random()
        if kind < 0.6:
            text.append(rng.choice(PIECES))
        elif kind < 0.7:
            text.append(rng.choice(["Mary", "don't", "x-ray", ". "]))
        else:
            text.append(chr(rng.randrange(0x3000 if kind < 0.85 else 0x110000)))
    return "".join(character for character in text if not "\ud800" <= character <= "\udfff")


def expected(text):
    facts = [sentence for sentence in split_sentences(text) if tokenize(sentence)]
    return [ids(fact) for fact in facts], facts


def ids(text):
    return [*VOCABULARY.ids(tokenize(text))[:MAX_WORDS], END_ID]


def sentences(read, i):
    """Ids and texts of the facts of story `i`, without the padding, which stands behind all."""
    ids = [[word for word in fact if word] for fact in read.story[i].numpy().tolist()]
    facts = [fact.decode() for fact in read.facts[i].numpy().tolist()]
    num_facts = sum(map(bool, facts))
    assert not any(facts[num_facts:])
    assert not any(ids[num_facts:])
    for fact, padded in zip(ids, read.story[i].numpy().tolist(), strict=True):
        assert padded[: len(fact)] == fact
    return ids[:num_facts], facts[:num_facts]


def assert_same(read, texts):
    encoded = [text.encode() for text in texts]
    found = read(encoded, encoded[::-1])
    found = found._replace(question=found.question[::-1])
    for i, text in enumerate(texts):
        assert sentences(found, i) == expected(text), repr(text[:1000])
        asked = ids(text)
        padding = [0] * (found.question.shape[1] - len(asked))
        assert found.question[i].numpy().tolist() == asked + padding, repr(text[:1000])


def test_10_000_random_strings(read):
    rng = random.Random(0)
    for _ in range(20):
        assert_same(read, [random_text(rng) for _ in range(500)])


def test_every_character_between_letters_and_between_spaces(read):
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000 and code % 7 == 0]
    for start in range(0, len(codes), 40_000):
        some = codes[start : start + 40_000]
        assert_same(read, [f"a{chr(code)}b {chr(code)} c" for code in some])


@pytest.mark.parametrize(
    "texts",
    [
        [""],
        ["", "Mary.", ""],
        ["...", "? !", "\n\n", " \t"],
        ["Mary went. John?went! To the.\n\nA"],
        ["Mary went.John", "a.b. c", "3.5 is", "Mr. . . John"],
        ["don't 'tis it's' x-ray - -a a- a--b a'-b"],
        ["a\nb \n c.\n d . e", "a \x1c\n b.\x0bc\x85d"],
        ["ΟΔΟΣ Σ İstanbul ǅ ß ẞ"],
        ["\x00", "a\x00b. \x00"],
        ["Mary"] * 1000,
    ],
)
def test_strings_that_are_easily_mistaken(texts, read):
    assert_same(read, texts)


def test_no_text_at_all(read):
    found = read([], [])
    assert found.story.shape[0] == found.question.shape[0] == found.facts.shape[0] == 0


def test_a_place_for_each_text_and_no_fact_where_there_is_none(read):
    found = read(["", "?!"], ["", "..."])
    assert found.story.numpy().tolist() == [[[0]], [[0]]]
    assert found.question.numpy().tolist() == [[END_ID], [END_ID]]
    assert found.facts.shape == (2, 0)


def test_of_a_long_story_the_last_facts_are_read():
    found = TextOps(VOCABULARY, max_facts=2).read(
        tf.constant(["Mary. John. ! Went.\nA x-ray", "John.", ""]), tf.constant(["Mary John\nA", "", "I"])
    )
    mary, john, went, a, i, x_ray = VOCABULARY.ids(["mary", "john", "went", "a", "i", "x-ray"])
    assert found.facts.numpy().tolist() == [[b"Went.", b"A x-ray"], [b"John.", b""], [b"", b""]]
    assert found.story.numpy().tolist()[0] == [[went, END_ID, 0], [a, x_ray, END_ID]]
    assert found.story.numpy().tolist()[1:] == [[[john, END_ID, 0], [0, 0, 0]], [[0, 0, 0], [0, 0, 0]]]
    assert found.question.numpy().tolist() == [[mary, john, a, END_ID], [END_ID, 0, 0, 0], [i, END_ID, 0, 0]]


def test_of_a_long_sentence_the_first_words_are_read(read):
    text = "Mary went to the X. " + "John " * 300 + "to. A"
    found = read([text.encode()], [text.encode()])
    assert found.story.shape == (1, 3, MAX_WORDS + 1)
    assert found.question.shape == (1, MAX_WORDS + 1)
    encoded = Encoder(VOCABULARY)(Example(tuple(split_sentences(text)), text))
    assert sentences(found, 0)[0] == [list(ids) for ids in encoded.story]
    assert found.question[0].numpy().tolist() == list(encoded.question)


@pytest.mark.parametrize("data", [b"\xff\xfeMary", b"Mary \xc3", b"\x80" * 50, b"a\xed\xa0\x80b"])
def test_bytes_that_are_no_utf_8_are_read_as_unknown_characters(data, read):
    found = read([data, b"Mary went."], [data, b"Mary went."])
    assert sentences(found, 1)[0] == [[3, 5, END_ID]]
    assert sentences(found, 0)[0]
    assert END_ID in found.question[0].numpy()


def test_a_long_text(read):
    assert_same(read, ["Mary went to the X. " * 50_000, "John"])


def test_lower_case_is_one_character_for_one():
    assert all(len(lower(chr(code))) == 1 for code in range(0x110000))
    assert len(characters().begins) < 5_000, "the tables are kept in every exported file"
