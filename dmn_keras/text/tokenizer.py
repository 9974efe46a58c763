"""Raw text -> words, in one normal form."""

import functools
import itertools
import re
import unicodedata

SPACED_MARKS = ".?!\u2026"
"""Marks that end a sentence where white space follows."""
UNSPACED_MARKS = (
    "\u3002\uff61\uff0e\uff01\uff1f\u0964\u0965\u061f\u06d4\u0589\u1362\u1367\u104b\u17d4\u17d5\u1803\u1809"
)
"""Marks of other scripts, and full-width ones, that end a sentence whatever follows."""

_SENTENCE_MARKS = frozenset(SPACED_MARKS + UNSPACED_MARKS)
_IGNORED = (0xAD, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2065), *range(0x2066, 0x2070), 0xFEFF)
NORMAL_FORMS = {
    **dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\uff07"), "'"),
    **dict.fromkeys(map(ord, "\u2010\u2011"), "-"),
    0x200B: " ",  # marks the end of a word in scripts without blanks
    **dict.fromkeys(_IGNORED),  # soft hyphens, directions of writing, byte order marks
}
"""Characters, by number, and what stands for them in the normal form."""
_ASCII_WORD = re.compile(r"\w+(?:['-]\w+)*|[^\w\s]")


def is_combining(character: str) -> bool:
    """Return whether a character belongs to the one before it: a combining mark, or a (non-)joiner within a word."""
    return unicodedata.category(character)[0] == "M" or character in "\u200c\u200d"


def normalize(text: str) -> str:
    """Return the normal form of a text.

    It is NFC, with straight apostrophes and plain hyphens, without soft hyphens and other invisible characters. A
    zero-width space is a blank.
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text.translate(NORMAL_FORMS))


def lower(text: str) -> str:
    """Return the normal form of a text in lower case; a Greek sigma is the same letter at the end of a word."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", normalize(text).replace("\u03a3", "\u03c3").lower())


def tokenize(text: str, *, lowercase: bool = False) -> list[str]:
    """Split a sentence into words, without the mark that closes it.

    A word is a run of letters and digits of any script with the marks that they bear, and with inner apostrophes and
    hyphens. Any other visible character is a word of its own.

    Args:
        text: One sentence, in any form of Unicode.
        lowercase: Whether the words are given in lower case. Defaults to `False`.

    Returns:
        List of words, in their normal form (`normalize`). Empty for blank text.

    Example:

    >>> tokenize("Mary went to the kitchen.")
    ['Mary', 'went', 'to', 'the', 'kitchen']
    """
    text = lower(text) if lowercase else normalize(text)
    words = (_ASCII_WORD if text.isascii() else _any_word()).findall(text)
    while words and words[-1] in _SENTENCE_MARKS:
        words.pop()
    return words


@functools.cache
def _any_word():
    """Return the pattern of a word of any script; the standard library's has no class of combining marks."""
    codes = (code for code in range(0x300, 0xE01F0) if is_combining(chr(code)))
    runs = (tuple(run) for _, run in itertools.groupby(enumerate(codes), lambda pair: pair[1] - pair[0]))
    marks = "".join(f"{chr(run[0][1])}-{chr(run[-1][1])}" for run in runs)
    return re.compile(rf"[\w{marks}]+(?:['-]\w[\w{marks}]*)*|[^\w\s{marks}][{marks}]*")
