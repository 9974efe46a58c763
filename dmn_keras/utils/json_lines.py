"""JSON lines: one object on each line of a file, and its values, with errors that name the line."""

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from dmn_keras.utils.lines import shorten


def parse_object(text: str, place: str) -> dict[str, Any]:
    """Return the JSON object on a line.

    Args:
        text: The line.
        place: Its file and line, for error messages.

    Returns:
        The object. A number with a fraction or an exponent keeps the text it has on the line (`scalar_text`).

    Raises:
        ValueError: If the line is not one JSON object, has a key twice, or holds NaN or infinity.
    """
    try:
        record = json.loads(text, object_pairs_hook=_object, parse_float=_Float, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{place}: expected one JSON object: {error}. Received: {shorten(text)}.") from error
    if not isinstance(record, dict):
        raise ValueError(f"{place}: expected one JSON object. Received: {shorten(text)}.")
    return record


def check_key(record: Mapping[str, Any], key: str, place: str) -> None:
    """Raise `ValueError` if a record lacks a key."""
    if key not in record:
        raise ValueError(f"{place}: the key {key!r} is missing. Received the keys: {', '.join(map(str, record))}.")


def check_keys(record: Mapping[str, Any], place: str, required: Iterable[str], known: Iterable[str]) -> None:
    """Raise `ValueError` if a record lacks a required key, or has one that is nearly a known key that it lacks."""
    for key in required:
        check_key(record, key, place)
    absent = [key for key in known if key not in record]
    for key in record:
        near = difflib.get_close_matches(key, absent, n=1, cutoff=0.75)
        if key not in known and near:
            raise ValueError(f"{place}: unknown key {key!r}. Did you mean {near[0]!r}?")


def as_json(value: Any) -> str:
    """Return a value as it stands in the file, shortened for a message."""
    return shorten(json.dumps(value, ensure_ascii=False, default=repr), quote=False)


def scalar_text(value: Any) -> Any:
    """Return the text of a number or a truth value, and any other value as it is, NaN too: it stands for none."""
    if isinstance(value, bool):
        return json.dumps(value)
    return str(value) if isinstance(value, int | float) and value == value else value


def check_text(value: Any, name: str, place: str) -> str:
    """Return a string without the space around it.

    Args:
        value: What came.
        name: Name of the value, for error messages.
        place: Its file and line.

    Raises:
        ValueError: If it is no string, is blank, or holds half a surrogate pair.
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{place}: {name} must be a string that is not empty. Received: {as_json(value)}.")
    check_characters(value, name, place)
    return value.strip()


def check_characters(value: str, name: str, place: str) -> None:
    """Raise `ValueError` if a string holds half a surrogate pair."""
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(f"{place}: {name} must not hold half a surrogate pair. Received: {as_json(value)}.")


def check_strings(values: Mapping[str, Any], place: str) -> None:
    """Raise `ValueError` if one of some values, by name, is no string."""
    for name, value in values.items():
        if not isinstance(value, str):
            raise ValueError(f"{place}: {name} must be a string. Received: {as_json(value)}.")


def check_texts(value: Any, name: str, place: str) -> tuple[str, ...]:
    """Return the strings of a list, each without the space around it.

    Args:
        value: What came.
        name: Name of the value, for error messages.
        place: Its file and line.

    Raises:
        ValueError: If it is no list, is empty, or one of its strings is not right (`check_text`).
    """
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{place}: {name} must be a list of at least one string. Received: {as_json(value)}.")
    return tuple(check_text(item, f"{name}[{index}]", place) for index, item in enumerate(value))


class _Float(float):
    """A number of the file, with the text that it has there."""

    def __new__(cls, text):
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __str__(self):
        return self.text


def _object(pairs):
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} comes twice")
    return content


def _refuse_constant(name):
    raise ValueError(f"{name} is no JSON")
