"""Messages that tell what was expected and what is nearest to what came."""

import difflib


def unknown_name(argument, received, expected):
    """Return the message for a name that is not among the expected ones.

    Args:
        argument: Name of the argument as the caller wrote it, e.g. `"--config"`.
        received: What came.
        expected: The names that are allowed, in the order to show them.

    Returns:
        A sentence that names the argument, lists `expected` and, where one is close, suggests it.
    """
    expected = [str(name) for name in expected]
    near = difflib.get_close_matches(str(received), expected, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{argument} must be one of {', '.join(expected)}. Received: {received!r}.{hint}"
