"""A dict with the fields of a text or of tokens -> checked fields, with errors that name the record and the field."""

import numbers
from collections.abc import Mapping
from typing import Any

from dmn_keras.utils.json_lines import as_json, check_keys, check_text, check_texts, scalar_text


def text_fields(record: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Check the fields of a text: `text` and, where they are known, `label`, `weight` and `is_phrase`.

    Args:
        record: Its fields.
        place: Where it stands, for messages, e.g. `"record 3"`.

    Returns:
        Dict of the arguments of `TextClassificationExample`.

    Raises:
        ValueError: If a field is missing or malformed; the message begins with `place` and names the field.
    """
    check_keys(record, place, ("text",), ("text", "label", "weight", "is_phrase"))
    fields: dict[str, Any] = {"text": check_text(scalar_text(record["text"]), "text", place)}
    if record.get("label") not in (None, ""):
        fields["label"] = check_text(scalar_text(record["label"]), "label", place)
    if "weight" in record:
        check_weight(record["weight"], place)
        fields["weight"] = float(record["weight"])
    if "is_phrase" in record:
        if not isinstance(record["is_phrase"], bool):
            raise ValueError(f"{place}: is_phrase must be true or false. Received: {as_json(record['is_phrase'])}.")
        fields["is_phrase"] = record["is_phrase"]
    return fields


def check_weight(weight: Any, place: str) -> None:
    """Raise `ValueError` if the weight of an example is no number of at least 0."""
    if isinstance(weight, bool) or not isinstance(weight, numbers.Real) or not 0 <= float(weight) < float("inf"):
        raise ValueError(f"{place}: weight must be a number of at least 0. Received: {as_json(weight)}.")


def token_fields(record: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Check the fields of a sentence: `tokens` and, where they are known, `tags`.

    Args:
        record: Its fields.
        place: Where it stands, for messages.

    Returns:
        Dict of the arguments of `TokenTaggingExample`.

    Raises:
        ValueError: If a field is missing or malformed, or there is not a tag for each token.
    """
    check_keys(record, place, ("tokens",), ("tokens", "tags"))
    tokens = token_texts(record["tokens"], "tokens", place)
    if not record.get("tags"):
        return {"tokens": tokens}
    tags = token_texts(record["tags"], "tags", place)
    if len(tags) != len(tokens):
        raise ValueError(f"{place}: expected a tag for each token, got {len(tokens)} tokens and {len(tags)} tags.")
    return {"tokens": tokens, "tags": tags}


def token_texts(values: Any, name: str, place: str) -> tuple[str, ...]:
    """Return tokens or tags as text, numbers and truth values too.

    Args:
        values: What came.
        name: Its name, for error messages.
        place: Where it stands, for messages.

    Raises:
        ValueError: If it is no list of such values, or one is blank.
    """
    return check_texts([*map(scalar_text, values)] if isinstance(values, list | tuple) else values, name, place)
