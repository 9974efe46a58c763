"""The text format: what is read from it, and what is refused."""

import io

import pytest

from dmn_keras.datasets import Example, babi

STORY = """\
1 Greta walked to the pier.
2 Olaf took the rope.
3 Where is Greta? \tpier\t1
4 Olaf walked to the pier.
5 Where is the rope? \tpier\t4 2
1 Greta took the lamp.
2 Greta walked to the pier.
3 What is Greta holding?\tlamp,rope\t1
"""


def parse(text, task="1"):
    lines = text if isinstance(text, bytes) else text.encode()
    return babi.parse(io.BytesIO(lines), source="qa1_train.txt", task=task)


def test_questions_see_the_facts_so_far():
    assert parse(STORY) == [
        Example(
            story=("Greta walked to the pier.", "Olaf took the rope."),
            question="Where is Greta?",
            answer=("pier",),
            supporting_facts=(0,),
            task="1",
            story_id=0,
        ),
        Example(
            story=("Greta walked to the pier.", "Olaf took the rope.", "Olaf walked to the pier."),
            question="Where is the rope?",
            answer=("pier",),
            supporting_facts=(2, 1),  # the file's order, and line 4 is the third fact
            task="1",
            story_id=0,
        ),
        Example(
            story=("Greta took the lamp.", "Greta walked to the pier."),
            question="What is Greta holding?",
            answer=("lamp", "rope"),
            supporting_facts=(0,),
            task="1",
            story_id=1,
        ),
    ]


def test_equal_sentences_are_one_object():
    examples = parse(STORY)
    assert examples[0].story[0] is examples[1].story[0]


def test_line_ends_blank_lines_and_byte_order_mark_do_not_matter():
    text = STORY.replace("\n", "\r\n") + "\r\n"
    assert parse(b"\xef\xbb\xbf" + text.encode()) == parse(STORY)
    assert babi.parse(STORY.split("\n"), source="text", task=1) == parse(STORY)
    assert parse("") == []


@pytest.mark.parametrize("ids", ["", "\t", "\t  "])
def test_supporting_facts_may_be_left_out(ids):
    first, second = parse(f"1 Greta ran.\n2 Who ran?\tGreta{ids}\n3 Who?\tGreta\t1\n")
    assert (first.answer, first.supporting_facts) == (("Greta",), ())
    assert second.supporting_facts == (0,)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Greta ran.", "expected a line id, a space and a sentence or question. Received: 'Greta ran.'"),
        ("3\tWhere?\tpier\t1", "expected a line id, a space"),
        ("3", "expected a sentence or question after the line id 3, found none"),
        ("3 \t", "expected a sentence or question after the line id 3, found none"),
        ("4 Greta ran.", "line id out of sequence: expected 3, or 1 for a new story. Received: 4"),
        ("2 Greta ran.", "line id out of sequence: expected 3, or 1 for a new story. Received: 2"),
        ("3 Where?\tpier\t1\t2", "needs 2 or 3 fields separated by tabs, .* Received 4:"),
        ("3 Where is Greta?\t", "the answer is empty"),
        ("3 \tpier\t1", "the question is empty"),
        ("3 Where is Greta? \t\t1", "the answer is empty"),
        ("3 What has Olaf?\trope,,lamp\t1", "the answer is empty"),
        ("3 Where is Greta?\tpier\t7", "line id of an earlier fact of the same story, one of '1 2'. Received: '7'"),
        ("3 Where is Greta?\tpier\t3", "line id of an earlier fact .* Received: '3'"),
        ("3 Where is Greta?\tpier\tone", "line id of an earlier fact .* Received: 'one'"),
    ],
)
def test_malformed_line_is_named(line, expected):
    text = f"1 Greta walked to the pier.\n2 Olaf took the rope.\n{line}\n"
    with pytest.raises(ValueError, match=f"^qa1_train.txt, line 3: .*{expected}"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 A b.\n2 C d.\n3 Where is a?\tb\t1\n4 Where is c?\td\t3\n", "line 4: .* one of '1 2'. Received: '3'"),
        ("1 A b.\n2 C d.\n1 E f.\n2 Where is c?\td\t2\n", "line 4: .* one of '1'. Received: '2'"),
        ("2 Greta ran.\n", "line 1: line id out of sequence: expected 1. Received: 2"),
        (b"1 Greta ran.\n2 caf\xe9.\n", "line 2: expected text in UTF-8. Received the byte 0xe9 at position 6"),
        ("1 Greta ran.\n\n3 Olaf ran.\n", "line 3: line id out of sequence"),  # blank lines count
        ("x" * 5000, r"Received: 'x{80}'\.\.\.\.$"),
    ],
)
def test_line_is_named_by_its_number(text, expected):
    with pytest.raises(ValueError, match=expected):
        parse(text)
