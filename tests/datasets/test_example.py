import pytest

from dmn_keras.datasets import TextClassificationExample, TokenTaggingExample


def test_records_of_texts():
    record = {"text": " A film ", "label": 4, "weight": 2, "is_phrase": True, "other": None}
    assert TextClassificationExample.from_record(record, "x") == TextClassificationExample("A film", "4", 2.0, True)
    assert TextClassificationExample.from_record({"text": "A", "label": ""}, "x") == TextClassificationExample("A")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "x: the key 'text' is missing"),
        ({"text": ["a"]}, "x: text must be a string"),
        ({"text": "a", "label": ["b"]}, "x: label must be a string"),
        ({"text": "a", "weight": -1}, "x: weight must be a number of at least 0. Received: -1"),
        ({"text": "a", "weight": True}, "x: weight must be a number"),
        ({"text": "a", "weight": float("nan")}, "x: weight must be a number"),
        ({"text": "a", "is_phrase": 1}, "x: is_phrase must be true or false"),
    ],
)
def test_malformed_texts_are_refused(record, message):
    with pytest.raises(ValueError, match=message):
        TextClassificationExample.from_record(record, "x")


def test_records_of_tokens():
    assert TokenTaggingExample.from_record({"tokens": ["Go", "!"]}, "x") == TokenTaggingExample(("Go", "!"))
    with pytest.raises(ValueError, match="x: the key 'tokens' is missing"):
        TokenTaggingExample.from_record({"text": "Go"}, "x")
