"""Raw text -> words and sentences."""

import re

# A word is a run of letters, digits and marks of any script, with inner apostrophes and hyphens; any other visible
# character stands alone.
_WORD = re.compile(r"\w+(?:['\u2019-]\w+)*|[^\w\s]")
SENTENCE_END = re.compile(r"(?<=[.?!])\s+|\n+")
_CLOSING = (".", "?", "!")
_ONE_FOR_ONE = {ord("\u0130"): "i", ord("\u03a3"): "\u03c3"}


def lower(text):
    """Return the text in lower case, each character for itself.

    Python's own lower case looks at the neighbours of a Greek sigma, and makes two characters of a dotted capital I.
    """
    return text.translate(_ONE_FOR_ONE).lower()


def tokenize(text):
    """Split a sentence into lower-case words, without the mark that closes it.

    Args:
        text: One sentence.

    Returns:
        List of words; punctuation marks within the sentence are words of their own. Empty for blank text.

    Example:

    >>> tokenize("Mary went to the kitchen.")
    ['mary', 'went', 'to', 'the', 'kitchen']
    """
    words = _WORD.findall(lower(text))
    while words and words[-1] in _CLOSING:
        words.pop()
    return words


def split_sentences(text):
    r"""Split a text into its sentences, at `.`, `?` or `!` before white space and at line ends.

    Args:
        text: Any number of sentences.

    Returns:
        List of sentences without surrounding white space; blank ones are left out.

    Example:

    >>> split_sentences("Mary went home. John stayed.\nWhy?")
    ['Mary went home.', 'John stayed.', 'Why?']
    """
    return [part.strip() for part in SENTENCE_END.split(text) if part.strip()]
