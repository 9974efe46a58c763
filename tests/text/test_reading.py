import io
import random
import tracemalloc

import pytest

from dmn_keras.text import read_sentences, reading, split_sentences

ALPHABET = [*'a b.?!\n\r\t \u00e9\u3000\U0001f600\u00a0 .")。।3…', "Mr.", " U.S. ", "He", "p.m.", "No."]


class Pipe(io.RawIOBase):
    """Bytes that can only be read from one end to the other."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def read(self, size=-1):
        return self.data.read(size)

    def seekable(self):
        return False


def texts(data, **options):
    return [sentence.text for sentence in read_sentences(io.BytesIO(data), **options)]


def random_texts(count, seed):
    draw = random.Random(seed)
    return ["w " + "".join(draw.choices(ALPHABET, k=draw.randrange(40))) for _ in range(count)]


@pytest.mark.parametrize("block", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_gives_the_sentences_of_the_whole_text_and_their_bytes(block, mark, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK", block)
    for text in random_texts(300, seed=block):
        data = mark + text.encode()
        sentences = list(read_sentences(io.BytesIO(data)))
        assert [sentence.text for sentence in sentences] == split_sentences(text)
        assert [data[begin:end].decode() for _, begin, end in sentences] == split_sentences(text)


@pytest.mark.parametrize("block", [1, 2, 3, 7])
def test_wrapped_sentences_do_not_depend_on_the_blocks(block, monkeypatch):
    for text in random_texts(300, seed=block):
        data = text.encode()
        monkeypatch.setattr(reading, "_BLOCK", 1 << 20)
        whole = list(read_sentences(io.BytesIO(data), wrapped=True))
        monkeypatch.setattr(reading, "_BLOCK", block)
        assert list(read_sentences(io.BytesIO(data), wrapped=True)) == whole
        assert [" ".join(data[begin:end].decode().split()) for _, begin, end in whole] == [s.text for s in whole]
        assert all(sentence.text for sentence in whole)


@pytest.mark.parametrize("wrapped", [False, True])
def test_reading_goes_on_from_any_sentence(wrapped):
    for text in random_texts(100, seed=5):
        data = io.BytesIO(text.encode())
        sentences = list(read_sentences(data, wrapped=wrapped))
        for i, sentence in enumerate(sentences):
            assert list(read_sentences(data, wrapped=wrapped, start=sentence.begin)) == sentences[i:]


def test_lines_of_a_book_are_joined_up_to_a_blank_line():
    data = b"CHAPTER I\r\n\r\nIt was  a\r\ndark night. The\r\nrain fell\r\n \r\n\r\nin torrents"
    assert texts(data, wrapped=True) == ["CHAPTER I", "It was a dark night.", "The rain fell", "in torrents"]
    assert texts(data) == ["CHAPTER I", "It was  a", "dark night.", "The", "rain fell", "in torrents"]


def test_a_path_and_a_stream_that_cannot_seek(tmp_path):
    path = tmp_path / "story.txt"
    path.write_bytes("Zoë ran. She fell.".encode())
    expected = [("Zoë ran.", 0, 9), ("She fell.", 10, 19)]
    assert list(read_sentences(path)) == list(read_sentences(str(path))) == expected
    assert list(read_sentences(Pipe(path.read_bytes()))) == expected
    with pytest.raises(OSError, match="seek"):
        list(read_sentences(Pipe(path.read_bytes()), start=10))


@pytest.mark.parametrize("block", [1, 4, 1 << 20])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Anna ran.\nBen \xff sat.", "line 2: expected text in UTF-8. Received the byte 0xff"),
        (b"Anna ran.\n\nBen sat \xc3", "line 3: expected text in UTF-8. Received the byte 0xc3"),
        (b"Anna ran.\nBen\0sat.", "line 2: expected text. Received a NUL byte"),
        (b"", "line 1: expected a text with at least one word"),
        (b" \n\n", "line 1: expected a text with at least one word. Received none in the whole of it"),
        (b"...\n?!", "expected a text with at least one word"),
        (b"Anna ran.\n\n" + b"x" * 101, "line 3: expected the end of a sentence within 100 characters.*Break it"),
        (b"Anna ran.\n\n" + b"x " * 51 + b". Ben", "line 3: expected the end of a sentence within 100.*begins: 'x x"),
    ],
)
def test_mistakes_name_the_file_and_the_line(data, message, block, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK", block)
    monkeypatch.setattr(reading, "LONGEST_SENTENCE", 100)
    path = tmp_path / "bad.txt"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as error:
        list(read_sentences(path))
    assert str(error.value).startswith(f"{path}, line ")


def test_a_sentence_of_the_greatest_length_is_read(monkeypatch):
    monkeypatch.setattr(reading, "LONGEST_SENTENCE", 100)
    assert texts(b" \n" * 200 + b"x" * 100) == ["x" * 100]


@pytest.mark.parametrize(
    ("rest", "message"),
    [(b"c \xff.", "line 4: expected text in UTF-8"), (b"c\0.", "line 4"), (b"c" * 200, "line 4: expected the end")],
)
def test_lines_are_counted_from_the_beginning_wherever_reading_began(rest, message, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST_SENTENCE", 100)
    monkeypatch.setattr(reading, "_BLOCK", 3)
    with pytest.raises(ValueError, match=message):
        list(read_sentences(io.BytesIO(b"Anna.\nBen.\n\n" + rest), start=6))


def test_a_large_file_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "_BLOCK", 1 << 12)
    path = tmp_path / "large.txt"
    path.write_bytes(b"Anna went to the kitchen. Ben stayed.\n" * 20_000)
    tracemalloc.start()
    count = sum(1 for _ in read_sentences(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 40_000
    assert peak < path.stat().st_size / 10
