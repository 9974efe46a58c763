"""Raw data in any of its forms -> a list of example records."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_INFINITE = -1  # `tf.data.INFINITE_CARDINALITY`


def read_examples(data: Any, example_class: type) -> list:
    """Read raw examples.

    Args:
        data: One of

            - an iterable of examples, or of dicts with the fields of one;
            - a dict of columns of equal length, or a data frame;
            - a `tf.data.Dataset` of such dicts, in batches or not, as TensorFlow Datasets yields. Lists of different
              lengths are batched by `ragged_batch`; padded they are refused.
        example_class: Class of the examples; its `from_record(record, place)` reads a dict. Tensors and arrays in it
            are lists and bytes are text, but for the fields that its `RAW_FIELDS` names.

    Returns:
        List of `example_class`.

    Raises:
        TypeError: If `data` has none of these forms.
        ValueError: If columns differ in length, a dataset has no end, a batch is padded, or a record lacks a field or
            has one of the wrong type; the message names the record, counted from 1, and the field.
    """
    if hasattr(data, "columns"):  # a data frame
        data = {name: data[name] for name in data.columns}
    if isinstance(data, str | bytes) or not isinstance(data, Iterable):
        raise TypeError(
            f"data must be an iterable of {example_class.__name__} or of dicts, a dict of columns, or a "
            f"tf.data.Dataset of dicts. Received: {type(data).__name__}"
        )
    if isinstance(data, Mapping):
        records = _rows(data)
    elif hasattr(data, "as_numpy_iterator") and hasattr(data, "cardinality"):
        if int(data.cardinality()) == _INFINITE:
            raise ValueError("a dataset of examples must end: leave out its repeat(); fit repeats it for each epoch.")
        records = (row for record in data.as_numpy_iterator() for row in _unbatched(record, example_class))
    else:
        records = data
    return [_example(record, example_class, f"record {number}") for number, record in enumerate(records, start=1)]


def _example(record, example_class, place):
    if isinstance(record, example_class):
        if hasattr(record, "check"):
            record.check(place)
        return record
    if not isinstance(record, Mapping):
        raise ValueError(f"{place}: expected a dict or {example_class.__name__}. Received: {type(record).__name__}")
    raw = getattr(example_class, "RAW_FIELDS", ())
    try:
        fields = {name: _array(value) if name in raw else plain(value) for name, value in record.items()}
    except UnicodeDecodeError as error:
        raise ValueError(f"{place}: expected text in UTF-8. Received: {error.object!r:.100}") from error
    return example_class.from_record(fields, place)


def _rows(columns):
    """Yield the records of a dict of columns."""
    columns = {name: column.to_list() if hasattr(column, "to_list") else column for name, column in columns.items()}
    for name, column in columns.items():
        if isinstance(column, str | bytes) or not hasattr(column, "__len__"):
            raise ValueError(
                f"column {name!r} must be a sequence with a value for each example. Received: {column!r:.100}"
            )
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ValueError(f"columns must have one length. Received: {given}")
    return (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))


def _unbatched(record, example_class):
    """Return the records of an element of a dataset, which may be a batch: then every value has a first axis more."""
    if not isinstance(record, Mapping):
        raise ValueError(f"a dataset must yield dicts. Received an element of type {type(record).__name__}")
    of_example = getattr(example_class, "RANKS", {})
    if any(_rank(value) in (0, of_example.get(name, 0)) for name, value in record.items()):
        return [record]
    for name, value in record.items():
        texts = isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype == object
        if texts and not value[:, -1:].all():
            raise ValueError(f"the column {name!r} of a batch must not be padded: batch lists by `ragged_batch`.")
    return _rows(record)


def _rank(value):
    """Return the number of axes; a ragged tensor comes as an array of arrays, or as itself, which has no number."""
    if hasattr(value, "to_list"):
        return None
    return np.ndim(value[0]) + 1 if np.ndim(value) == 1 and len(value) else np.ndim(value)


def _array(value):
    """Return a tensor as an array, anything else as it is."""
    return value.numpy() if hasattr(value, "numpy") else value


def plain(value: Any) -> Any:
    """Return a tensor or array as a list, bytes as text, and anything else as it is."""
    if hasattr(value, "to_list"):  # a ragged tensor
        value = value.to_list()
    elif hasattr(value, "__array__"):
        value = np.asarray(value).tolist()
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
