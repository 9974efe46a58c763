"""Own data: questions about stories as JSON lines."""

import itertools
import operator
import pathlib

from dmn_keras.datasets.example import Example
from dmn_keras.datasets.record import question_fields
from dmn_keras.utils.json_lines import parse_object
from dmn_keras.utils.lines import numbered_lines


def load(path):
    """Read a file of JSON lines.

    Each line is one question:
    `{"story": ["Mary moved to the park."], "question": "Where is Mary?", "answer": "park",
    "supporting_facts": [0]}`. `story` and `question` are required. A `story` that is a string is split into sentences;
    of a list each item is one fact. `answer` is a string (one part, kept as it is, spaces and commas included) or a
    list of strings (several parts); a number, `true` or `false` stands for its text. `supporting_facts` are indexes
    into `story` from 0, in the order of reasoning. `task` names the question's task, `"all"` where it is not given; it
    may come to name a folder. An optional key may be null.
    Other keys are ignored, unless they look like a misspelt one.

    **Which questions share a story.** A validation part is cut by story, so that no question of it is asked
    about a story known from training. Without `story_id`, two lines share a story if

    - their stories are the same, sentence by sentence, anywhere in the file; or
    - they follow each other and one story begins with the other, as in a story that grows between questions.

    A growing story is recognised only on neighbouring lines: elsewhere two separate stories that happen to
    begin alike would be joined, and one short story could join all. A file whose lines are shuffled, or whose
    stories are cut at their beginning, should name the stories itself: `story_id`, a whole number, on every
    line. Stories of different tasks are then numbered together.

    Args:
        path: Path of the file, in UTF-8. Blank lines are skipped.

    Returns:
        A list of `Example` in the file's order. Equal sentences are one string object.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not UTF-8, not JSON, lacks a key or has one twice, or has a value of the wrong
            type, a story, question or answer without a word, a task that cannot name a folder, or a supporting
            fact out of range, or the file has no record; the message names the file and the line.
    """
    path = pathlib.Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"{str(path)!r} is not a file. Expected a file of JSON lines.")
    sentences = {}
    with path.open("rb") as lines:
        records = [_record(text, place, sentences) for place, text in numbered_lines(lines, source=str(path))]
    if not records:
        raise ValueError(f"{path}: expected at least one JSON line, found none.")
    story_ids = [record["story_id"] for record in records]
    missing = story_ids.count(None)
    if missing == len(story_ids):
        story_ids = _shared_stories([record["story"] for record in records])
    elif missing:
        raise ValueError(
            f"{path}: story_id must be on every line or on none. "
            f"Received: {missing} of {len(records)} lines without it."
        )
    return [Example(**{**r, "story_id": story_id}) for r, story_id in zip(records, story_ids, strict=True)]


def _record(text, place, sentences):
    """Return the checked fields of a line, `story_id` None where it has none."""
    fields = question_fields(parse_object(text, place), place)
    return {
        **fields,
        "place": place,
        "story": tuple(sentences.setdefault(sentence, sentence) for sentence in fields["story"]),
    }


def _shared_stories(stories):
    """Number the stories from 0 by first appearance; see `load` for which lines share one."""
    numbers = {}
    indexes = [numbers.setdefault(story, len(numbers)) for story in stories]
    group_of = list(range(len(numbers)))  # index of a story -> an earlier index of its group, or itself
    lines = zip(stories, indexes, strict=True)
    for (previous, previous_index), (story, index) in itertools.pairwise(lines):
        if all(map(operator.eq, story, previous)):  # the shorter one begins the longer
            first, second = sorted((_first(group_of, previous_index), _first(group_of, index)))
            group_of[second] = first
    groups = {}
    return [groups.setdefault(_first(group_of, index), len(groups)) for index in indexes]


def _first(group_of, index):
    """Follow the links from `index` to the first index of its group."""
    while group_of[index] != index:
        index = group_of[index]
    return index
