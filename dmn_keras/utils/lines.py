"""Lines of a text file, each with the words that name it in an error."""


def numbered_lines(lines, *, source, keep_blank=False):
    r"""Yield the lines, decoded, each with its place; blank ones are skipped by default.

    Lines are split by the caller. A file opened in binary mode is best: it splits at `\n` alone, and a line
    that is not UTF-8 can be named. A byte order mark before the first line is dropped.

    Args:
        lines: Iterable of `bytes` (UTF-8) or `str`, one line each, line ends allowed.
        source: Name of the file for error messages.
        keep_blank: Whether blank lines are yielded too.

    Yields:
        Pairs of the line's place, e.g. `"qa1_train.txt, line 3"`, and its text without the line end.

    Raises:
        ValueError: If a line is not UTF-8; the message names the file and the line.
    """
    for number, line in enumerate(lines, start=1):
        place = f"{source}, line {number}"
        text = _decode(line, place) if isinstance(line, bytes) else line
        if number == 1:
            text = text.removeprefix("\ufeff")
        text = text.rstrip("\r\n")
        if keep_blank or text.strip():
            yield place, text


def shorten(text, *, quote=True):
    """Return at most about 80 characters of a text, for an error message.

    Args:
        text: What came.
        quote: Whether it is put in quotation marks, and what is not printable escaped; half surrogates always are.

    Returns:
        The text, ending in an ellipsis if it was cut.
    """
    text, more = str(text)[:80], "..." if len(str(text)) > 80 else ""
    return (repr(text) if quote else text.encode("utf-8", "backslashreplace").decode()) + more


def _decode(line, place):
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{place}: expected text in UTF-8. Received the byte {line[error.start]:#04x} at position "
            f"{error.start + 1} of the line."
        ) from error
