# ruff: noqa: RUF001
"""The tokenizer in the graph is the Python tokenizer."""

import random

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported by TensorFlow alone", allow_module_level=True)

import tensorflow as tf

from dmn_keras.datasets import Example
from dmn_keras.serving.text_ops import TextOps, characters
from dmn_keras.tasks.question_answering import QuestionAnsweringPreprocessor
from dmn_keras.text import END_ID, MAX_WORDS, Vocabulary, join_sentences, sentence_ids, split_sentences, tokenize
from dmn_keras.text.tokenizer import normalize

VOCABULARY = Vocabulary(
    ["mary", "john", "went", "to", "the", "don't", "a", "\u03c3", "i", "é", "n", "x-ray", "don\u2019t", "日", "각", "ệ"]
)
PIECES = [
    *"Mary john's went-to Don\u2019t Σ İ x-ray",
    *" .?!\n\t'-\u2019_ \r\x0b\x1c\x85\u2028\u00a0\u3000\x00\ufeff",
    *"日٣各각\u1100\u1161\u11a8éệe\u0301\u0302\u0323\u0315क\u094d\u0937\u200d\u00ad\u200b\u2011=\u0338\u212b",
    *'।。．！؟…"”)」(“3',
    *("Mr.", "e.g.", "U.S.", "a.m.", "No.", "J.", "É.", " He ", " the", "...", ". ", '." ', "etc. "),
]


@pytest.fixture(scope="module")
def read():
    """A compiled function from texts to what is read of them as stories and as questions, in arrays."""
    texts = tf.TensorSpec([None], tf.string)
    compiled = tf.function(TextOps(VOCABULARY).read, [texts, texts])

    def read(*stories_and_questions):
        found = compiled(*(tf.constant(texts, tf.string) for texts in stories_and_questions))
        return found._make(tensor.numpy() for tensor in found)

    return read


def random_text(rng):
    text = []
    for _ in range(rng.randrange(60)):
        kind = rng.random()
        if kind < 0.6:
            text.append(rng.choice(PIECES))
        elif kind < 0.7:
            text.append(rng.choice(["Mary", "don't", "x-ray", ". ", "Dr. ", "U.S. "]))
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
    padded = read.story[i].tolist()
    ids = [[word for word in fact if word] for fact in padded]
    facts = [fact.decode() for fact in read.facts[i].tolist()]
    num_facts = sum(map(bool, facts))
    assert not any(facts[num_facts:])
    assert not any(ids[num_facts:])
    assert all(row[: len(fact)] == fact for fact, row in zip(ids, padded, strict=True))
    return ids[:num_facts], facts[:num_facts]


def assert_same(read, texts):
    encoded = [text.encode() for text in texts]
    found = read(encoded, encoded[::-1])
    found = found._replace(question=found.question[::-1])
    for i, text in enumerate(texts):
        assert sentences(found, i) == expected(text), repr(text[:1000])
        asked = ids(text)
        padding = [0] * (found.question.shape[1] - len(asked))
        assert found.question[i].tolist() == asked + padding, repr(text[:1000])


def test_10_000_random_strings(read):
    rng = random.Random(0)
    for _ in range(20):
        assert_same(read, [random_text(rng) for _ in range(500)])


def test_answers_are_written_as_in_python():
    rng = random.Random(0)
    words = ["rome", "new", "york", "3", "45", "00", ":", ".", "$", "c", "+", "km", ",", "u", "s"]
    known = ["3:45", "$3.00", "New York", "U.S.", "C++", "Rome", "3,45 km", "Rome, New York"]
    vocabulary = Vocabulary(words, known)
    ids = [[*vocabulary.encode(answer), END_ID, 5] for answer in known] + [[], [END_ID, 3], [0, 0, 3]]
    ids += [rng.choices(range(len(vocabulary)), k=rng.randrange(1, 8)) for _ in range(2_000)]
    padded = [[*row, END_ID, *10 * [0]][:10] for row in ids]
    written = TextOps(vocabulary).answers(tf.constant([padded, padded[::-1]]))
    assert written.shape == (2, len(padded))
    assert [text.decode() for text in written[0].numpy()] == [vocabulary.answer_text(row) for row in padded]
    assert written[0].numpy().tolist() == written[1].numpy().tolist()[::-1]


def test_sentences_that_were_joined_are_read_as_they_are(read):
    story = ["He left. She stayed.", "Mary\nwent", "...", "To the"]
    [found] = [read([join_sentences(story).encode(), b"Mary. John"], [b"", b""])]
    assert split_sentences(join_sentences(story)) == story
    assert sentences(found, 0)[1] == [story[0], story[1], story[3]]
    assert sentences(found, 1)[1] == ["Mary.", "John"]


def test_unknown_words_are_named_with_their_place(read):
    found = read([b"Zoe went. Mary Bo", b"", b"Mary"], [b"Zoe", b"Quinn to", b"X. John"])
    words = zip(found.unknown.tolist(), found.unknown_at.tolist(), strict=True)
    assert list(words) == [
        (b"zoe", [0, 0, 0]),
        (b"bo", [0, 1, 1]),
        (b"zoe", [0, -1, 0]),
        (b"quinn", [1, -1, 0]),
        (b"x", [2, -1, 0]),
        (b".", [2, -1, 1]),
    ]
    assert found.written.tolist() == [b"Zoe", b"Bo", b"Zoe", b"Quinn", b"X", b"."]


def test_unknown_words_have_the_placeholders_that_they_have_in_python():
    rng = random.Random(0)
    names = ["Mary", "john", "Zoe", "ZOE", "zoë", "Zoe\u0308", "Quinn", "TCK-1", "tck-1", "Σίσυφος", "σίσυφοσ", "x+y"]
    pieces = [*names, *PIECES]
    preprocessor = QuestionAnsweringPreprocessor(num_placeholders=3, words=VOCABULARY.known_words)
    text_ops = TextOps(preprocessor.vocabulary)
    texts = [" ".join(rng.choices(pieces, k=rng.randrange(14))) for _ in range(400)]
    questions = [" ".join(rng.choices(names, k=rng.randrange(4))) for _ in texts]
    read = text_ops.read(tf.constant(texts), tf.constant(questions))
    chosen = np.array([[rng.random() < 0.6 for _ in range(read.facts.shape[1])] for _ in texts])
    overflown = 0
    for mask in (None, chosen):
        found = text_ops.assign_placeholders(read, None if mask is None else tf.constant(mask))
        for i, (text, question) in enumerate(zip(texts, questions, strict=True)):
            [encoded] = preprocessor.encode([Example(tuple(split_sentences(text)), question)])
            if mask is not None:
                encoded = preprocessor.assign_placeholders(encoded, np.flatnonzero(mask[i]).tolist())
            assert [tuple(word for word in fact if word) for fact in found.story.numpy()[i].tolist() if any(fact)] == [
                *encoded.story
            ]
            assert tuple(word for word in found.question.numpy()[i].tolist() if word) == encoded.question
            written = [word.decode() for word in found.placeholders.numpy()[i] if word]
            assert tuple(map(normalize, written)) == encoded.placeholders
            apart = [word for word, _ in zip(written, preprocessor.vocabulary.placeholder_ids, strict=False)]
            ids = [[word] for word in preprocessor.vocabulary.placeholder_ids[: len(apart)]]
            overflown += any(1 in fact for fact in encoded.story)
            if ids:
                given = text_ops.answers(tf.constant(ids)[None], found.placeholders[i : i + 1])
                assert given.numpy().tolist() == [[word.encode() for word in apart]]
    assert 0 < overflown < 2 * len(texts)


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
        [
            "Mr. Mary went to the U.S. He. Then J. R. John. É. E\u0301. Mary",
            "At 5 a.m. Mary at 5 p.m. on. No. 5. No. He",
        ],
        ['He said “go.” Mary. (A.) the "Stop!" he I... went… The ... a . . . B ?.. C', "日。日！」日「日。」 a．3．日"],
        [
            "a\u0301. \u0301Mary\u00ad\u0301 went\u0323\u0302",
            "x\u0315\u0301",
            "\u0315 \u0301",
            "≠ =\u0338 -\u0301a a-\u0301b",
        ],
        ["\x1e", "a. b\x1ec\nd\x1e\n", "Mary.\x1e\nJohn? He.\x1e\n"],
        ["\x00", "a\x00b. \x00"],
        ["Mary"] * 1000,
    ],
)
def test_strings_that_are_easily_mistaken(texts, read):
    assert_same(read, texts)


def test_a_place_for_each_text_and_no_fact_where_there_is_none(read):
    found = read(["", "?!"], ["", "..."])
    assert found.story.tolist() == [[[0]], [[0]]]
    assert found.question.tolist() == [[END_ID], [END_ID]]
    assert found.facts.shape == (2, 0)
    none = read([], [])
    assert none.story.shape[0] == none.question.shape[0] == none.facts.shape[0] == 0


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
    text = "Mary went to the x. " + "John " * 300 + "to. A"
    found = read([text.encode()], [text.encode()])
    assert found.story.shape == (1, 3, MAX_WORDS + 1)
    assert found.question.shape == (1, MAX_WORDS + 1)
    assert sentences(found, 0)[0] == [list(sentence_ids(VOCABULARY, fact)) for fact in split_sentences(text)]
    assert found.question[0].tolist() == list(sentence_ids(VOCABULARY, text))


@pytest.mark.parametrize("data", [b"\xff\xfeMary", b"Mary \xc3", b"\x80" * 50, b"a\xed\xa0\x80b"])
def test_bytes_that_are_no_utf_8_are_read_as_unknown_characters(data, read):
    found = read([data, b"Mary went."], [data, b"Mary went."])
    assert sentences(found, 1)[0] == [[3, 5, END_ID]]
    assert sentences(found, 0)[0]
    assert END_ID in found.question[0]


def test_a_long_text(read):
    assert_same(read, ["Mary went to the x. " * 10_000, "John"])


def test_the_tables_are_small():
    assert len(characters().begins) < 6_000, "they are kept in every exported file"
