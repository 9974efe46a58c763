"""The tokenizer in the graph is the Python tokenizer."""

import random

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported by TensorFlow alone", allow_module_level=True)

import tensorflow as tf

from dmn_keras.serving.text_ops import TextOps, character_tables
from dmn_keras.text import END_ID, Vocabulary, lower, split_sentences, tokenize

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
    """A compiled function from texts to their sentences, split or not."""
    ops = TextOps(VOCABULARY)
    compiled = {
        split: tf.function(lambda texts, s=split: ops.sentences(texts, split=s), [tf.TensorSpec([None], tf.string)])
        for split in (True, False)
    }
    return lambda texts, split=True: compiled[split](tf.constant([text.encode() for text in texts], tf.string))


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
    return [[*VOCABULARY.ids(tokenize(fact)), END_ID] for fact in facts], facts


def as_lists(ids):
    """Ragged ids as nested lists; their own `to_list` takes a millisecond a text."""
    texts = ids.to_tensor(0).numpy().tolist()
    sentences = ([[i for i in sentence if i] for sentence in text] for text in texts)
    return [[sentence for sentence in text if sentence] for text in sentences]


def assert_same(read, texts):
    found = read(texts)
    ids, facts = as_lists(found.ids), found.texts.to_tensor("").numpy().tolist()
    questions = as_lists(read(texts, split=False).ids)
    for i, text in enumerate(texts):
        said = [fact.decode() for fact in facts[i] if fact]
        assert (ids[i], said) == expected(text), repr(text)
        assert questions[i] == [[*VOCABULARY.ids(tokenize(text)), END_ID]], repr(text)


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
    assert read([]).ids.to_list() == []
    assert read([], split=False).ids.to_list() == []


@pytest.mark.parametrize("data", [b"\xff\xfeMary", b"Mary \xc3", b"\x80" * 50, b"a\xed\xa0\x80b"])
def test_bytes_that_are_no_utf_8_are_read_as_unknown_characters(data):
    found = TextOps(VOCABULARY).sentences(tf.constant([data, b"Mary went."]))
    assert found.ids.to_list()[1] == [[3, 5, END_ID]]
    assert found.ids.to_list()[0]


def test_a_long_text(read):
    assert_same(read, ["Mary went to the X. " * 50_000, "John"])


def test_lower_case_is_one_character_for_one():
    assert all(len(lower(chr(code))) == 1 for code in range(0x110000))
    kinds, lowered = character_tables()
    assert len(kinds) == len(lowered) < 0x110000
