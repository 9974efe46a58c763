"""Own data as JSON lines."""

import json

import pytest

from dmn_keras.datasets import Example, jsonl
from dmn_keras.text import tokenize

RECORD = {"story": ["Greta ran.", "Olaf slept."], "question": "Who ran?", "answer": "Greta", "supporting_facts": [0]}


@pytest.fixture(name="load")
def load_records(tmp_path):
    def load(*records):
        path = tmp_path / "train.jsonl"
        lines = (record if isinstance(record, (str, bytes)) else json.dumps(record) for record in records)
        path.write_bytes(b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines))
        return jsonl.load(path)

    return load


def test_reads_records(load):
    other = {**RECORD, "supporting_facts": [1, 0], "task": 2, "answer": ["rope", "lamp"]}
    assert load(RECORD, other, {**RECORD, "task": "who", "answer": "the pier, the mill"}) == [
        Example(("Greta ran.", "Olaf slept."), "Who ran?", ("Greta",), (0,), task="all"),
        Example(("Greta ran.", "Olaf slept."), "Who ran?", ("rope", "lamp"), (1, 0), task="2"),
        Example(("Greta ran.", "Olaf slept."), "Who ran?", ("the pier, the mill",), (0,), task="who"),
    ]
    given = load({**RECORD, "story_id": 7}, {**RECORD, "story_id": 3})
    assert [example.story_id for example in given] == [7, 3]
    assert load({**RECORD, "story": "Greta ran. Olaf slept."}) == load(RECORD)


@pytest.mark.parametrize(
    ("stories", "ids"),
    [
        ("AB C AB", "010"),  # equal ones, anywhere
        ("A AB ABC D DA", "00011"),  # that grow
        ("ABC AB A", "000"),  # asked about from the end
        ("AB C AD C A E", "012134"),  # that begin alike, far apart
        ("A ABC D AB ABC", "00100"),  # groups that meet later
        ("AB C A AB", "0100"),  # one that grows into an earlier one
    ],
)
def test_stories_that_are_one_share_an_id(stories, ids, load):
    examples = load(*({"story": [f"{letter}." for letter in story], "question": "Who?"} for story in stories.split()))
    assert [example.story_id for example in examples] == list(map(int, ids))


def test_answer_and_supporting_facts_may_be_absent_or_null(load):
    bare = {"story": ["Greta ran."], "question": "Who ran?"}
    for example in load(bare, {**bare, "answer": None, "supporting_facts": None, "task": None, "story_id": None}):
        assert example.answer == example.supporting_facts == ()
        assert example.task == "all"


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("3", ("3",)),
        ("-2", ("-2",)),
        ("2.50", ("2.50",)),
        ("1e5", ("1e5",)),
        ("true", ("true",)),
        ('["a", 1, false]', ("a", "1", "false")),
    ],
)
def test_numbers_and_truth_values_are_answers(load, value, parts):
    [example] = load(f'{{"story": ["A."], "question": "How many?", "answer": {value}, "weight": 1.5}}')
    assert example.answer == parts


def test_blank_lines_other_alphabets_byte_order_mark_and_other_keys(load):
    record = {**RECORD, "question": "Wo\u2028ist Åse\x85?", "source": "chat", "id": 7}
    (example,) = load("\ufeff" + json.dumps(record, ensure_ascii=False), "", "  ")
    assert example.question == "Wo\u2028ist Åse\x85?", "line separators of Unicode do not split a line"


def test_equal_sentences_are_one_object(load):
    first, second = load(RECORD, {**RECORD, "question": "Who slept?"})
    assert first.story[1] is second.story[1]


def test_one_sentence_without_a_word_and_an_answer_that_is_a_mark(load):
    (example,) = load({**RECORD, "story": ["...", "Greta ran."], "answer": "+"})
    assert (example.story, example.answer) == (("...", "Greta ran."), ("+",))


@pytest.mark.parametrize("text", [".", "? !", "...", "a", "+", ", .", ". ,", "-", "1", "\u2026", "?\u00a0!", "\u200b"])
def test_a_word_is_what_the_tokenizer_finds(load, text):
    record = {**RECORD, "question": text}
    if tokenize(text):
        assert load(record)[0].question == text
    else:
        with pytest.raises(ValueError, match="question must hold at least one word"):
            load(record)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"story": ["A."]', "expected one JSON object: .*Received: "),
        ("[" * 100_000, "expected one JSON object: .*Received: "),
        ('["A."]', "expected one JSON object. Received: "),
        ({"question": "Who?"}, "the key 'story' is missing. Received the keys: question"),
        ({"story": ["A."]}, "the key 'question' is missing. Received the keys: story"),
        ({**RECORD, "story": " "}, 'story must be a string that is not empty. Received: " "'),
        ({**RECORD, "story": []}, r"story must be a string or a list of strings. Received: \[\]"),
        ({**RECORD, "story": ["A.", 3]}, r"story\[1\] must be a string. Received: 3"),
        ({**RECORD, "question": ""}, "question must be a string that is not empty"),
        ({**RECORD, "question": ["Who?"]}, "question must be a string that is not empty"),
        ({**RECORD, "answer": ""}, "answer must be a string that is not empty"),
        ({**RECORD, "answer": {"a": 4.5}}, 'answer must be a string that is not empty. Received: {"a": 4.5}'),
        ('{"story": ["A."], "question": "Who?", "answer": "A", "answer": "B"}', "the key 'answer' comes twice"),
        ('{"story": ["A."], "question": "Who?", "source": {"a": 1, "a": 1}}', "the key 'a' comes twice"),
        ('{"story": ["A."], "question": "Who?", "answer": NaN}', "NaN is no JSON"),
        ('{"story": ["A."], "question": "Who?", "answer": 1' + 5000 * "0" + "}", "expected one JSON object"),
        ({**RECORD, "answer": []}, "answer must be a list of at least one string"),
        ({**RECORD, "answer": ["a", None]}, r"answer\[1\] must be a string that is not empty. Received: null"),
        ({**RECORD, "story": ["...", "?"]}, 'story must hold at least one word. Received: "... ."'),
        ({**RECORD, "question": " ?! "}, 'question must hold at least one word. Received: ".!"'),
        ({**RECORD, "answer": "."}, 'each part of answer must hold at least one word. Received: "."'),
        ({**RECORD, "answer": ["rope", "..."]}, 'each part of answer must hold at least one word. Received: "..."'),
        ({**RECORD, "story": ["A.", "\ud800"]}, r"story\[1\] must not hold half a surrogate pair"),
        ({**RECORD, "answer": "\ud800"}, r'answer must not hold half a surrogate pair. Received: ".ud800"'),
        *(
            ({**RECORD, "task": task}, "task must be able to name a folder: without / and .*Received: ")
            for task in ("a/b", "a\\b", "a\0", ".", "..")
        ),
        ({**RECORD, "task": " "}, "task must be a string that is not empty"),
        ({**RECORD, "supporting_facts": 0}, "supporting_facts must be a list of indexes into story"),
        ({**RECORD, "supporting_facts": [2]}, r"whole numbers from 0 to 1. Received: \[2\]"),
        ({**RECORD, "supporting_facts": [-1]}, "whole numbers from 0 to 1"),
        ({**RECORD, "supporting_facts": [True]}, "whole numbers from 0 to 1"),
        ({**RECORD, "supporting_facts": [1.0]}, r"Received: \[1.0\]"),
        ({**RECORD, "task": ["who"]}, "task must be a string that is not empty"),
        ({**RECORD, "story_id": "a"}, 'story_id must be a whole number from 0. Received: "a"'),
        ({"story": ["A."], "question": "Who?", "anser": "A"}, "unknown key 'anser'. Did you mean 'answer'"),
        (b'{"story": ["caf\xe9"]}', "expected text in UTF-8. Received the byte 0xe9 at position 16"),
    ],
)
def test_malformed_line_is_named(load, line, expected):
    with pytest.raises(ValueError, match=f"train.jsonl, line 2: .*{expected}"):
        load(RECORD, line)


def test_story_id_on_some_lines_only(load):
    with pytest.raises(ValueError, match=r"on every line or on none. Received: 1 of 2 lines without it"):
        load(RECORD, {**RECORD, "story_id": 0})


def test_missing_and_empty_file(load, tmp_path):
    with pytest.raises(ValueError, match=r"train.jsonl: expected at least one JSON line, found none"):
        load("")
    with pytest.raises(FileNotFoundError, match=r"nothing.jsonl' is not a file"):
        jsonl.load(tmp_path / "nothing.jsonl")
