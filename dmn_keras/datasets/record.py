"""A dict with the fields of a question -> checked fields, with errors that name the record and the field."""

from collections.abc import Mapping, Sequence
from typing import Any

from dmn_keras.text.sentences import split_sentences
from dmn_keras.text.tokenizer import tokenize
from dmn_keras.utils.json_lines import (
    as_json,
    check_characters,
    check_keys,
    check_strings,
    check_text,
    check_texts,
    scalar_text,
)

DEFAULT_TASK = "all"
_KEYS = ("story", "question", "answer", "supporting_facts", "task", "story_id")
_VISUAL_KEYS = ("image", "question", "answer", "task", "image_id")


def question_fields(record: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Check the fields of a question about a story.

    Args:
        record: Its fields, see `dmn_keras.datasets.jsonl.load`.
        place: Where it stands, for messages, e.g. `"train.jsonl, line 3"`.

    Returns:
        Dict of the arguments of `Example`; `story_id` is None where the record has none.

    Raises:
        ValueError: If a field is missing or malformed; the message begins with `place` and names the field.
    """
    check_keys(record, place, ("story", "question"), _KEYS)
    story = record["story"]
    story = (
        tuple(split_sentences(check_text(story, "story", place))) if isinstance(story, str) else _facts(story, place)
    )
    _check_word(" ".join(story), "story", place)
    question = check_text(record["question"], "question", place)
    _check_word(question, "question", place)
    return {
        "story": story,
        "question": question,
        "answer": _answer(record.get("answer"), place),
        "supporting_facts": _fact_indexes(record.get("supporting_facts"), "supporting_facts", len(story), place),
        "task": _task(record.get("task"), place),
        "story_id": _number(record.get("story_id"), "story_id", place),
    }


def check_question(example: Any, place: str) -> None:
    """Check the fields of an `Example`; of a long story that is read as it is needed, not the sentences.

    Args:
        example: The `Example`.
        place: As for `question_fields`.

    Raises:
        ValueError: As `question_fields`.
    """
    story, answer = example.story, example.answer
    for name, value in (("story", story), ("answer", answer)):
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            raise ValueError(f"{place}: {name} must be a sequence of strings. Received: {as_json(value)}.")
    texts = {f"story[{i}]": fact for i, fact in enumerate(story if isinstance(story, tuple | list) else ())}
    texts |= {f"answer[{i}]": part for i, part in enumerate(answer)}
    check_strings({"question": example.question, **texts}, place)
    for name in ("supporting_facts", "story_positions"):
        if (indexes := getattr(example, name)) is not None:
            indexes = [int(i) if hasattr(i, "__index__") else i for i in indexes]
            _fact_indexes(indexes, name, len(story), place)


def visual_question_fields(record: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Check the fields of a question about an image; the image itself is checked when it is read.

    Args:
        record: `image`, `question` and, optionally, `answer`, `task` and `image_id`.
        place: As for `question_fields`.

    Returns:
        Dict of the arguments of `VisualQuestionAnsweringExample`.

    Raises:
        ValueError: As `question_fields`.
    """
    check_keys(record, place, ("image", "question"), _VISUAL_KEYS)
    question = check_text(record["question"], "question", place)
    _check_word(question, "question", place)
    answer = record.get("answer")
    return {
        "image": record["image"],
        "question": question,
        "answer": "" if answer is None else check_text(scalar_text(answer), "answer", place),
        "task": _task(record.get("task"), place),
        "image_id": _number(record.get("image_id"), "image_id", place) or 0,
    }


def _check_word(text, name, place):
    if not any(map(str.isalnum, text)) and not tokenize(text):
        raise ValueError(f"{place}: {name} must hold at least one word. Received: {as_json(text)}.")


def _facts(value, place):
    """Return the facts of a story; one without a word is left out when it is encoded."""
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{place}: story must be a string or a list of strings. Received: {as_json(value)}.")
    for index, item in enumerate(value):
        check_strings({f"story[{index}]": item}, place)
        check_characters(item, f"story[{index}]", place)
    return tuple(item.strip() for item in value)


def _answer(value, place):
    if value is None:
        return ()
    if isinstance(value, list | tuple):
        parts = check_texts([scalar_text(part) for part in value], "answer", place)
    else:
        parts = (check_text(scalar_text(value), "answer", place),)
    for part in parts:
        _check_word(part, "each part of answer", place)
    return parts


def _is_index(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _fact_indexes(value, name, num_facts, place):
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or not all(_is_index(index) and index < num_facts for index in value):
        raise ValueError(
            f"{place}: {name} must be a list of indexes into story, whole numbers from 0 to "
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


def _number(value, name, place):
    if value is not None and not _is_index(value):
        raise ValueError(f"{place}: {name} must be a whole number from 0. Received: {as_json(value)}.")
    return value
