"""Checks of the fields of records, with errors that name the record and the field."""

import numbers
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
    return {
        "story": story,
        "question": question_text(record["question"], place),
        "answer": _answer(record.get("answer"), place),
        "supporting_facts": _fact_indexes(record.get("supporting_facts"), "supporting_facts", len(story), place),
        "task": task_name(record.get("task"), place),
        "story_id": number_or_none(record.get("story_id"), "story_id", place),
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


def check_weight(weight: Any, place: str) -> None:
    """Raise `ValueError` if the weight of an example is no number of at least 0."""
    if isinstance(weight, bool) or not isinstance(weight, numbers.Real) or not 0 <= float(weight) < float("inf"):
        raise ValueError(f"{place}: weight must be a number of at least 0. Received: {as_json(weight)}.")


def token_texts(values: Any, name: str, place: str) -> tuple[str, ...]:
    """Return a list of tokens or tags as text, numbers and truth values too; errors as in `check_texts`."""
    return check_texts([*map(scalar_text, values)] if isinstance(values, list | tuple) else values, name, place)


def question_text(value: Any, place: str) -> str:
    """Return a question without the space around it; raise `ValueError` if it is no string or holds no word."""
    question = check_text(value, "question", place)
    _check_word(question, "question", place)
    return question


def task_name(value: Any, place: str) -> str:
    """Return the name of a task, `DEFAULT_TASK` for None; raise `ValueError` if it cannot name a folder."""
    if value is None:
        return DEFAULT_TASK
    task = str(value) if _is_index(value) else check_text(value, "task", place)
    if task in (".", "..") or any(character in task for character in "/\\\0"):
        raise ValueError(
            f"{place}: task must be able to name a folder: without / and \\, and not . or .. Received: {as_json(task)}."
        )
    return task


def number_or_none(value: Any, name: str, place: str) -> int | None:
    """Return the number of a story or an image; raise `ValueError` if it is neither None nor a whole number from 0."""
    if value is not None and not _is_index(value):
        raise ValueError(f"{place}: {name} must be a whole number from 0. Received: {as_json(value)}.")
    return value


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
