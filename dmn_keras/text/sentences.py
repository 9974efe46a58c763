"""Raw text -> sentences, by rules that an exported graph follows too (`dmn_keras.serving.text_ops`)."""

import re
from collections.abc import Iterable, Iterator

from dmn_keras.text.tokenizer import SPACED_MARKS, UNSPACED_MARKS

SEPARATOR = "\x1e"
"""Separates the sentences of a text in which it occurs, and nothing else does."""
CLOSERS = "\"')]}\u00bb\u2019\u201d\u203a\u3009\u300b\u300d\u300f\u3011\u3015\uff02\uff07\uff09\uff3d\uff5d"
"""Quotation marks and brackets that may stand between the mark that ends a sentence and its end."""
SPACED_CLOSERS = "\u00ab\u2018\u201c\u2039"
"""Quotation marks that open in some languages and close in others: they close where white space follows."""
ELLIPSIS = ".\u2026"
"""Marks of which several, or the second, end no sentence."""
DECIMAL_MARK = "\uff0e"
"""The unspaced mark that ends no sentence before a digit."""
NUM_BEFORE, NUM_AFTER = 16, 12
"""Characters before a full stop, and after the white space behind it, that tell whether it ends a sentence."""

_SPACES = "\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_BLANKS = _SPACES.replace("\t-\r", "\t\v-\r")  # without the line end
_OPENERS = r"\"'(\[{" + "\u00ab\u00bf\u00a1\u2018\u201c\u201e\u2039"
_UPPER = "A-Z" + "".join(chr(code) for code in range(0x80, 0x530) if chr(code).isupper())
_DASHES, _ACCENTS = "\u2013\u2014", "\u0300-\u036f"
_BEGIN = rf"(?:.*[{_SPACES}{_OPENERS}{re.escape(CLOSERS)}{UNSPACED_MARKS}{_DASHES}/-])?"
_NEVER = (
    "mr mrs ms mx messrs dr drs prof profs st mt gen col maj capt cpt cmdr lt sgt cpl adm rev revd fr hon gov sen "
    "sens rep reps pres supt insp mme mlle hr hrn sra vs viz cf ca approx bzw vgl resp"
)
_BEFORE_NUMBER = (
    "No no Nos nos Nr nr p pp Fig fig Figs figs Vol vol Vols vols Ch ch Sec sec Art art Eq eq "
    "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec"
)
_BEFORE_LOWER = "etc al usw inc ltd co corp bros jr sr esq ave blvd rd ft lb lbs oz dept"
_BEGINNINGS = (
    "He She It They We You I The A An This That These Those There Here His Her Its Their Our My Your In On At But And "
    "Or So If As For From When Where Who What Why How After Before Then Now Later Is Are Was Were Do Does Did"
)


def _words(words):
    return words.replace(" ", "|")


_INITIAL = rf"(?:[{_UPPER.replace('A-Z', 'A-HJ-Z')}][{_ACCENTS}]*|(?:[A-Z]\.)+[A-Z])"
ABBREVIATED = (
    (rf"(?s:{_BEGIN}(?i:{_words(_NEVER)}|e\.g|i\.e|z\.b|d\.h|u\.a))", "(?s:.*)"),
    (rf"(?s:{_BEGIN}(?:{_words(_BEFORE_NUMBER)}))", "(?s:[0-9].*)"),
    (
        rf"(?s:{_BEGIN}(?:(?i:{_words(_BEFORE_LOWER)}|ph\.d)|(?:[a-z]\.)+[a-z]))",
        rf"(?s:[{_OPENERS}]*[^{_UPPER}{_OPENERS}{_SPACES}].*)",
    ),
    (rf"(?s:{_BEGIN}{_INITIAL})", "(?s:.*)"),
    (rf"(?s:.*\.[{_BLANKS}]+\.[{_BLANKS}]+)", "(?s:.*)"),  # . . .
)
"""Pairs of patterns, in the syntax that `re` and RE2 share, of what surrounds a full stop that ends no sentence.

The first one of a pair is of the last `NUM_BEFORE` characters before it, the second one of the first `NUM_AFTER`
characters behind its white space.
"""
BEGINS_ANEW = (rf"(?s:{_BEGIN}(?:{_INITIAL}|St))", rf"(?s:[{_OPENERS}]*(?:{_words(_BEGINNINGS)})(?:[^A-Za-z].*)?)")
"""Such a pair of what surrounds one that ends a sentence although it is `ABBREVIATED`: "in the U.S. He"."""

_PREFILTER = frozenset(f"{_NEVER} {_BEFORE_NUMBER} {_BEFORE_LOWER}".casefold().split())
_ABBREVIATED = [(re.compile(before), re.compile(after)) for before, after in (*ABBREVIATED, BEGINS_ANEW)]
_NO_BEGINNING = SPACED_MARKS + UNSPACED_MARKS + CLOSERS
_CLOSER = rf"[{re.escape(CLOSERS)}]|[{SPACED_CLOSERS}](?!\S)"
_END = rf"([{re.escape(SPACED_MARKS + UNSPACED_MARKS)}]+)((?:{_CLOSER})*)(\s*)"
_LINE, _PARAGRAPH = re.compile(rf"{_END}|\n\s*"), re.compile(rf"{_END}|\n\s*\n\s*")


def join_sentences(sentences: Iterable[str]) -> str:
    """Return a text that `split_sentences`, in an exported graph too, splits into these sentences and no others.

    Each is followed by `SEPARATOR`, and by a line end for graphs that were exported before there was one.
    """
    return "".join(f"{sentence.replace(SEPARATOR, ' ')}{SEPARATOR}\n" for sentence in sentences)


def split_sentences(text: str) -> list[str]:
    r"""Split a text into its sentences.

    A sentence ends at a line end; at `.`, `?` or `!`, and quotation marks and brackets that close behind it, before
    white space; and at the like marks of other scripts. It does not end at an ellipsis, at an abbreviation or an
    initial, or inside quotation marks after which the sentence continues in lower case.

    Args:
        text: Any number of sentences.

    Returns:
        List of sentences without surrounding white space; blank ones are left out.

    Example:

    >>> split_sentences("Mr. Smith went home. John stayed.\nWhy?")
    ['Mr. Smith went home.', 'John stayed.', 'Why?']
    """
    if SEPARATOR in text:
        parts = text.split(SEPARATOR)
    else:
        ends, begins = zip((0, 0), *sentence_ends(text), (len(text), 0), strict=True)
        parts = [text[begin:end] for begin, end in zip(begins, ends[1:], strict=False)]
    return [part.strip() for part in parts if part.strip()]


def sentence_ends(text: str, *, wrapped: bool = False, more: bool = False) -> Iterator[tuple[int, int]]:
    """Find where the sentences of a text end.

    Args:
        text: The text.
        wrapped: Whether a line end is white space like any other, and only a blank line ends a sentence.
        more: Whether the text continues; ends that what follows may undo are then left out.

    Yields:
        Pairs of the index behind a sentence and that of the first character, after white space, of the next one.
    """
    begin = 0
    for match in (_PARAGRAPH if wrapped else _LINE).finditer(text):
        marks, closers, gap = match.groups()
        after = match.end()
        if marks is None or gap.count("\n") > (1 if wrapped else 0):
            end = match.start() if marks is None else match.start(3)
        elif more and after + NUM_AFTER > len(text):
            return
        elif _ends(text, begin, match.start(), marks, closers, gap, after):
            end = match.start(3)
        else:
            continue
        yield end, after
        begin = after


def _ends(text, begin, start, marks, closers, gap, after):
    """Return whether marks from `start` on, with the closers and the gap behind them, end the sentence from `begin`."""
    following = text[after : after + 1]
    if not gap:
        decimal = marks[-1] == DECIMAL_MARK and not closers and following.isdecimal()
        return marks[-1] in UNSPACED_MARKS and following not in _NO_BEGINNING and not decimal
    if closers:
        return not following.islower()
    if marks == ".":
        before = text[max(begin, start - NUM_BEFORE) : start]
        return following != "." and not _is_abbreviated(before, text[after : after + NUM_AFTER])
    return marks.strip(ELLIPSIS) != ""


def _is_abbreviated(before, after):
    word = before[before.rfind(" ") + 1 :]
    if len(word) > 1 and word.isalpha() and word.casefold() not in _PREFILTER:  # as nearly always: spares the patterns
        return False
    *abbreviated, begins_anew = (pair[0].fullmatch(before) and pair[1].fullmatch(after) for pair in _ABBREVIATED)
    return any(abbreviated) and not begins_anew
