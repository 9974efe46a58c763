"""Messages that name what was expected and what is nearest to what came."""

import difflib
import pathlib
import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: object) -> str:
    """Return a text that a terminal can print without obeying it.

    Args:
        text: Anything with text of a user, a file or a server in it.

    Returns:
        The text; control characters (but line ends and tabs), reordering marks and lone surrogates are U+FFFD.
    """
    return _CONTROL.sub("\ufffd", str(text))


def unknown_name(argument: str, received: object, expected) -> str:
    """Return the message for a name that is not among the expected ones.

    Args:
        argument: Name of the argument as the caller wrote it, e.g. `"--config"`.
        received: What came.
        expected: The names that are allowed, in the order to show them.

    Returns:
        A sentence that names the argument, lists `expected` (numbers in a row as their range) and, where one is close,
        suggests it.
    """
    names = [str(name) for name in expected]
    numbers = [str(number) for number in range(1, len(names) + 1)]
    in_a_row = len(names) > 2 and names == numbers
    allowed = f"a number from 1 to {len(names)}" if in_a_row else f"one of {', '.join(names)}"
    return f"{argument} must be {allowed}. Received: {received!r}.{did_you_mean(received, names)}"


def did_you_mean(received: object, names) -> str:
    """Return the question whether the nearest of some names was meant, with a space before it; `""` if none is near.

    Near are a name with these initials (`lr`: `learning_rate`), one with this word, and one with a similar spelling.
    """
    names, word = [str(name) for name in names], str(received).replace("+", "_plus")
    plain = word.lower().replace("-", "_")
    if not plain or plain.isdecimal():
        return ""
    parts = {name: name.lower().split("_") for name in names}
    near = [name for name in names if len(parts[name]) > 1 and "".join(part[:1] for part in parts[name]) == plain]
    near += [name for name in names if plain in parts[name]]
    in_lower_case = {name.lower(): name for name in names}
    longer = in_lower_case.items() if len(plain) > 2 else ()
    near += [name for lower, name in longer if lower.startswith(plain)]
    near += [in_lower_case[name] for name in difflib.get_close_matches(word.lower(), in_lower_case, n=1)]
    near += [name for lower, name in longer if plain in lower or f"_{lower}" in plain]
    return f" Did you mean {near[0]!r}?" if near else ""


def listing(folder: pathlib.Path) -> str:
    """Return the names in a folder, the first 20 of many, `"nothing"` if it is empty."""
    return ", ".join(sorted(path.name for path in folder.iterdir())[:20]) or "nothing"


def check_file(argument: str, path) -> None:
    """Check that a file that is to be read is one.

    Args:
        argument: Name of the argument as the caller wrote it.
        path: What came.

    Raises:
        FileNotFoundError: If there is nothing; the message suggests the nearest name in the folder.
        OSError: If it is a folder, a pipe or a device.
    """
    path = pathlib.Path(path)
    if path.is_file():
        return
    if path.is_dir():
        raise IsADirectoryError(f"{argument} {path} is a folder: expected a file.")
    if path.exists():
        raise OSError(f"{argument} {path} is a pipe or a device: expected a file.")
    names = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    raise FileNotFoundError(f"{argument} {path} does not exist: expected a file.{did_you_mean(path.name, names)}")
