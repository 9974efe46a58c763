"""Text -> words as treebanks write them: punctuation marks and clitics are words of their own."""

import re

from dmn_keras.text.tokenizer import normalize

WORD_RULES = (
    ("[\u201c\u201d\u201e\u00ab\u00bb]", '"'),
    ("[\t-\r\x1c-\x1f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+", " "),
    (r'(["();!?\[\]{}]|--+|\.\.+|' "\u2026)", r" \1 "),
    (r"([,:])( )", r" \1\2"),
    (r"([A-Za-z][a-z][a-z]|[0-9])\.( )", r"\1 .\2"),
    (r"([^. ])\.( *)$", r"\1 .\2"),
    (r"([A-Za-z])(n't|N'T)( )", r"\1 \2\3"),
    (r"([^ '])('s|'S|'re|'ve|'ll|'d|'m)( )", r"\1 \2\3"),
    (r"([A-Za-z])(')( )", r"\1 \2\3"),
)
"""Patterns and what replaces them, one after the other, in a text with a blank before and behind it; between the blanks
of the result are the words. The patterns mean the same to RE2, with which an exported graph applies them."""

_RULES = tuple((re.compile(pattern), replacement) for pattern, replacement in WORD_RULES)


def split_words(text: str) -> list[str]:
    """Split a text into words as treebanks write them.

    Punctuation marks are words, but for the full stop of an abbreviation, and so are the clitics of English: "It's" is
    "It" and "'s". A text whose words are separated already comes out as it is.

    Args:
        text: Any text.

    Returns:
        List of words in their normal form (`dmn_keras.text.tokenizer.normalize`), empty for blank text.

    Example:

    >>> split_words("It's a lovely, lovely film (isn't it?).")
    ['It', "'s", 'a', 'lovely', ',', 'lovely', 'film', '(', 'is', "n't", 'it', '?', ')', '.']
    """
    text = f" {normalize(text)} "
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text.split()
