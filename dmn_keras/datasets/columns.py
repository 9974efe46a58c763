"""Own data in columns: texts with a label, tokens with their tags, or images with questions, as CSV or JSON lines."""

import csv
import os
import pathlib

from dmn_keras.datasets.checks import check_data_dir, check_name, check_split, missing_files
from dmn_keras.datasets.example import TextClassificationExample, TokenTaggingExample, VisualQuestionAnsweringExample
from dmn_keras.datasets.record import token_texts
from dmn_keras.utils.json_lines import check_key, check_text, parse_object, scalar_text
from dmn_keras.utils.lines import numbered_lines, shorten

COLUMNS = {
    "text_classification": ("text", "label"),
    "token_tagging": ("tokens", "tags"),
    "visual_question_answering": ("image", "question", "answer"),
}
"""Kind of task -> the columns of its data."""

_SUFFIXES = (".csv", ".jsonl")
_EXPECTED = "a .csv or .jsonl file, or a folder with one named train and, optionally, valid and test"


def load(
    split: str,
    *,
    kind: str,
    config: str | None = None,
    data_dir: str | os.PathLike | None = None,
    seed: int = 0,
    num_examples: int | None = None,
) -> list[TextClassificationExample] | list[TokenTaggingExample] | list[VisualQuestionAnsweringExample]:
    """Read one split of own data.

    A `.csv` file has commas between its columns, their names in the first row, and quotation marks around what holds a
    comma, a quotation mark (doubled) or a line end. A `.jsonl` file has an object on each line:
    `{"text": "a lovely film", "label": "positive"}`, `{"tokens": ["Go", "!"], "tags": ["VERB", "PUNCT"]}`,
    `{"image": "images/7.png", "question": "What color is it?", "answer": "red"}`. Numbers and truth values stand for
    their text. Other columns are ignored.

    Args:
        split: `"train"`, `"valid"` or `"test"`.
        kind: The kind of task, one of `COLUMNS`. Lists, as tokens and tags are, need a `.jsonl` file.
        config: Names of the columns where they are others than those in `COLUMNS`, e.g. `"text=review,label=stars"`.
        data_dir: One file, which is the training split, or a folder with `train.csv` or `train.jsonl` and, optionally,
            `valid` and `test`. Files are in UTF-8; blank lines are skipped. An image is the path of a PNG or JPEG file,
            relative to the file that names it.
        seed: Not used.
        num_examples: Number of examples, at most, from the beginning; None for all.

    Returns:
        A list of examples of the kind. Empty where the split has no file, but for `"train"`. Questions about the same
        image share its number.

    Raises:
        FileNotFoundError: If `data_dir` or the training file is missing.
        ValueError: If an argument is unknown, or a file has no example, lacks a column, has a row that is longer or
            shorter than its header, or a value that is empty or of the wrong type (file and line are named).
    """
    check_split(split, num_examples)
    check_name("kind", kind, COLUMNS)
    names = _column_names(config, COLUMNS[kind])
    path = _find(check_data_dir(data_dir, _EXPECTED), split)
    if path is None:
        return []
    read_rows = _csv_rows if path.suffix.lower() == ".csv" else _json_rows
    with path.open("rb") as lines:
        rows = list(read_rows(lines, str(path), names))
    if not rows:
        raise ValueError(f"{path}: expected at least one example, found none.")
    return list(_EXAMPLES[kind](rows, names, path.parent))[:num_examples]


def _column_names(config, columns):
    """Return the names of the columns in the file."""
    renamed = {}
    for part in () if config is None else config.split(","):
        column, _, name = (piece.strip() for piece in part.partition("="))
        check_name("config: column", column, columns)
        if not name:
            raise ValueError(f"config must be such as '{columns[0]}=NAME'. Received: config={config!r}.")
        if column in renamed:
            raise ValueError(f"config must name {column!r} once. Received: config={config!r}.")
        renamed[column] = name
    names = [renamed.get(column, column) for column in columns]
    if len(set(names)) < len(names):
        raise ValueError(f"config must name a column for each of {', '.join(columns)}. Received: config={config!r}.")
    return names


def _find(data_dir: pathlib.Path, split: str) -> pathlib.Path | None:
    """Return the file of a split; None if it is an optional one that is missing."""
    if data_dir.is_file():
        if data_dir.suffix.lower() not in _SUFFIXES:
            raise ValueError(f"data_dir {str(data_dir)!r}: expected {_EXPECTED}.")
        return data_dir if split == "train" else None
    found = [path for suffix in _SUFFIXES if (path := data_dir / f"{split}{suffix}").is_file()]
    if len(found) > 1:
        raise ValueError(f"data_dir {str(data_dir)!r}: expected one of {split}.csv and {split}.jsonl, found both.")
    if not found and split == "train":
        raise missing_files(data_dir, _EXPECTED)
    return found[0] if found else None


def _json_rows(lines, source, names):
    """Yield the place and the values of each line."""
    for place, text in numbered_lines(lines, source=source):
        record = parse_object(text, place)
        for name in names:
            check_key(record, name, place)
        yield place, [record[name] for name in names]


def _csv_rows(lines, source, names):
    """Yield the place and the values of each row below the header."""
    header = None
    for place, row in csv_records(lines, source):
        if header is None:
            header = row
            indexes = [_header_index(header, name, place) for name in names]
        elif len(row) != len(header):
            raise ValueError(
                f"{place}: expected {len(header)} columns, as in the header, got {len(row)}. "
                f"Received: {shorten(','.join(row))}."
            )
        else:
            yield place, [row[index] for index in indexes]


def csv_records(lines, source):
    """Yield the place of the first line and the fields of each record that is not blank."""
    texts = (text + "\n" for _, text in numbered_lines(lines, source=source, keep_blank=True))
    reader = csv.reader(texts, strict=True)
    while True:
        place = f"{source}, line {reader.line_num + 1}"
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise ValueError(f"{place}: expected fields with commas between them: {error}.") from error
        if row is None:
            return
        if any(map(str.strip, row)) or len(row) > 1:
            yield place, row


def _header_index(header, name, place):
    header = [field.strip() for field in header]
    if header.count(name) != 1:
        raise ValueError(
            f"{place}: expected a header with one column {name!r}; config can give another name. "
            f"Received: {shorten(','.join(header))}."
        )
    return header.index(name)


def _check_scalars(values, names, place):
    return [check_text(scalar_text(value), name, place) for name, value in zip(names, values, strict=True)]


def _text_examples(rows, names, _folder):
    for place, values in rows:
        yield TextClassificationExample(*_check_scalars(values, names, place))


def _tagging_examples(rows, names, _folder):
    for place, values in rows:
        tokens, tags = (token_texts(value, name, place) for name, value in zip(names, values, strict=True))
        if len(tokens) != len(tags):
            raise ValueError(f"{place}: expected a tag for each token, got {len(tokens)} tokens and {len(tags)} tags.")
        yield TokenTaggingExample(tokens, tags)


def _visual_examples(rows, names, folder):
    image_ids = {}
    for place, values in rows:
        image, question, answer = _check_scalars(values, names, place)
        path = folder / image
        if not os.path.isfile(path):
            raise ValueError(
                f"{place}: {names[0]} must be the path of a file, from {folder}. Received: {shorten(image)}."
            )
        image_id = image_ids.setdefault(path, len(image_ids))
        yield VisualQuestionAnsweringExample(str(path), question, answer, image_id=image_id)


_EXAMPLES = {
    "text_classification": _text_examples,
    "token_tagging": _tagging_examples,
    "visual_question_answering": _visual_examples,
}
