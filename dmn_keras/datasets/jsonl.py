"""Own data: questions about stories as JSON lines."""

import difflib
import itertools
import operator
import pathlib

from dmn_keras.datasets.example import Example
from dmn_keras.text.tokenizer import tokenize
from dmn_keras.utils.json_lines import as_json, check_text, check_texts, parse_object, scalar_text
from dmn_keras.utils.lines import numbered_lines

DEFAULT_TASK = "all"
_KEYS = ("story", "question", "answer", "supporting_facts", "task", "story_id")


def load(path):
    """Read a file of JSON lines.

    Each line is one question:
    `{"story": ["Mary moved to the park."], "question": "Where is Mary?", "answer": "park",
    "supporting_facts": [0]}`. `story` and `question` are required. `answer` is a string (one part, kept as
    it is, spaces and commas included) or a list of strings (several parts); a number, `true` or `false` stands
    for its text. `supporting_facts` are indexes into `story` from 0, in the order of reasoning. `task` names the
    question's task, `"all"` where it is not given; it may come to name a folder. An optional key may be null.
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
    story_ids = [story_id for _, story_id in records]
    missing = story_ids.count(None)
    if missing == len(story_ids):
        story_ids = _shared_stories([fields["story"] for fields, _ in records])
    elif missing:
        raise ValueError(
            f"{path}: story_id must be on every line or on none. "
            f"Received: {missing} of {len(records)} lines without it."
        )
    return [Example(**fields, story_id=story_id) for (fields, _), story_id in zip(records, story_ids, strict=True)]


def _record(text, place, sentences):
    """Return the checked fields of a line, and its story_id (None where it has none)."""
    record = parse_object(text, place)
    _check_keys(record, place)
    story = check_texts(record["story"], "story", place)
    _check_word(" ".join(story), "story", place)
    question = check_text(record["question"], "question", place)
    _check_word(question, "question", place)
    fields = {
        "story": tuple(sentences.setdefault(sentence, sentence) for sentence in story),
        "question": question,
        "answer": _answer(record.get("answer"), place),
        "supporting_facts": _supporting_facts(record.get("supporting_facts"), len(story), place),
        "task": _task(record.get("task"), place),
    }
    return fields, _story_id(record.get("story_id"), place)


def _check_keys(record, place):
    for key in ("story", "question"):
        if key not in record:
            raise ValueError(f"{place}: the key {key!r} is missing. Received the keys: {', '.join(record)}.")
    absent = [key for key in _KEYS if key not in record]
    for key in record:
        near = difflib.get_close_matches(key, absent, n=1, cutoff=0.75)
        if key not in _KEYS and near:
            raise ValueError(f"{place}: unknown key {key!r}. Did you mean {near[0]!r}?")


def _check_word(text, name, place):
    if not any(map(str.isalnum, text)) and not tokenize(text):
        raise ValueError(f"{place}: {name} must hold at least one word. Received: {as_json(text)}.")


def _answer(value, place):
    if value is None:
        return ()
    if isinstance(value, list):
        parts = check_texts([scalar_text(part) for part in value], "answer", place)
    else:
        parts = (check_text(scalar_text(value), "answer", place),)
    for part in parts:
        _check_word(part, "each part of answer", place)
    return parts


def _is_index(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _supporting_facts(value, num_facts, place):
    if value is None:
        return ()
    if not isinstance(value, list) or not all(_is_index(index) and index < num_facts for index in value):
        raise ValueError(
            f"{place}: supporting_facts must be a list of indexes into story, whole numbers from 0 to "
            f"{num_facts - 1}. Received: {as_json(value)}."
        )
    return tuple(value)


def _task(value, place):
    if value is None:
        return DEFAULT_TASK
    task = str(value) if _is_index(value) else check_text(value, "task", place)
    if task in (".", "..") or any(character in task for character in "/\\\0"):
        raise ValueError(
            f"{place}: task must be able to name a folder: without / and \\, and not . or .. Received: {as_json(task)}."
        )
    return task


def _story_id(value, place):
    if value is not None and not _is_index(value):
        raise ValueError(f"{place}: story_id must be a whole number from 0. Received: {as_json(value)}.")
    return value


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
