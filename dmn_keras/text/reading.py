"""A text file of any size -> its sentences, in bounded memory."""

import codecs
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from dmn_keras.text.sentences import sentence_ends
from dmn_keras.text.tokenizer import tokenize

LONGEST_SENTENCE = 1 << 20
"""Characters after which a sentence that has not ended is refused."""

_BLOCK = 1 << 20  # bytes read at a time
_BYTE_ORDER_MARK = "\ufeff"


class Sentence(NamedTuple):
    """A sentence, and the bytes of the file it stands in: from `begin` up to, not including, `end`."""

    text: str
    begin: int
    end: int


def read_sentences(source: Any, *, wrapped: bool = False, start: int = 0) -> Iterator[Sentence]:
    r"""Read the sentences of a text file, one after the other.

    They are those that `split_sentences` finds in the whole text. No more than a block of the file and a sentence are
    in memory at a time. A byte order mark at the beginning is dropped.

    Args:
        source: Path of a text file in UTF-8, or a file opened in binary mode, which need not be able to seek.
        wrapped: Whether the lines of a paragraph are broken to fit a page, as in books: then a line end is white
            space like any other, a blank line ends a sentence, and white space within a sentence is given as one
            space.
        start: Byte to begin at, the `begin` of a sentence. A file opened by the caller must be able to seek, if it is
            not 0.

    Yields:
        A `Sentence` each, blank ones left out.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: When the place is reached: the text is not UTF-8, holds a NUL byte (it is no text), or has no end
            of a sentence within `LONGEST_SENTENCE` characters; at its end, if it was read from byte 0 and holds no
            word. The message names the file and the line.

    Example:

    >>> import io
    >>> [sentence.text for sentence in read_sentences(io.BytesIO(b"Mary went\nhome. Why?"), wrapped=True)]
    ['Mary went home.', 'Why?']
    """
    if not isinstance(source, (str, os.PathLike)):
        yield from _read(source, getattr(source, "name", "the text"), wrapped, start)
        return
    with open(source, "rb") as file:
        yield from _read(file, source, wrapped, start)


def _read(file, name, wrapped, start):
    if start or file.seekable():
        file.seek(start)
    decode = codecs.getincrementaldecoder("utf-8")().decode
    rest, begin, lines = "", start, 0  # what has not ended yet, the byte it begins at, the line ends before it
    has_word, more = start > 0, True

    def place(before):
        return f"{name}, line {1 + lines + before + _line_ends(file, start)}"

    while more:
        block = file.read(_BLOCK)
        more = len(block) > 0
        try:
            text = rest + decode(block, final=not more)
        except UnicodeDecodeError as error:
            line = place(rest.count("\n") + error.object.count(b"\n", 0, error.start))
            byte = error.object[error.start]
            raise ValueError(f"{line}: expected text in UTF-8. Received the byte {byte:#04x}.") from error
        if "\0" in text:
            line = place(text.count("\n", 0, text.index("\0")))
            raise ValueError(f"{line}: expected text. Received a NUL byte: the file is binary, or not UTF-8.")
        if begin == 0 and text.startswith(_BYTE_ORDER_MARK):
            text, begin = text[1:], _size(_BYTE_ORDER_MARK)
        if not more:
            text += "\n\n"  # ends the last sentence, whether wrapped or not
        position = 0
        for end, after in sentence_ends(text, wrapped=wrapped, more=more):
            sentence = text[position:end].lstrip()
            if sentence:
                first = end - len(sentence)
                _check_length(sentence, place, text, first)
                sentence = sentence.rstrip()
                first = begin + _size(text[position:first])
                last = first + _size(sentence)
                if wrapped:
                    sentence = " ".join(sentence.split())
                has_word = has_word or bool(tokenize(sentence))
                yield Sentence(sentence, first, last)
            begin += _size(text[position:after])
            position = after
        rest = text[position:].lstrip()
        first = len(text) - len(rest)
        _check_length(rest, place, text, first)
        begin += _size(text[position:first])
        lines += text.count("\n", 0, first)
    if not has_word:
        raise ValueError(f"{name}, line 1: expected a text with at least one word. Received none in the whole of it.")


def _size(text):
    """Return the bytes of a text."""
    return len(text) if text.isascii() else len(text.encode())


def _line_ends(file, stop):
    """Return the number of line ends before the byte `stop`; 0 is known without looking."""
    count = 0
    if stop:
        file.seek(0)
        while block := file.read(min(stop - file.tell(), _BLOCK)):
            count += block.count(b"\n")
    return count


def _check_length(sentence, place, text, first):
    if len(sentence) > LONGEST_SENTENCE:
        line = place(text.count("\n", 0, first))
        raise ValueError(
            f"{line}: expected the end of a sentence within {LONGEST_SENTENCE:,} characters, at . ? or ! before white "
            f"space or at the end of a line. Break it into lines. It begins: {sentence[:40]!r}..."
        )
