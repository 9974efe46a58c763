"""Checks of constructor arguments, with the messages all layers share.

Each takes the name of an argument and what the caller passed, and returns the value or raises a `ValueError`.
"""

import math
import numbers

import keras

from dmn_keras.errors import unknown_name


def positive_integer(argument, value):
    """Return an integer of Python or NumPy, 1 or more, as an `int`."""
    return int(_checked(argument, value, numbers.Integral, lambda: value >= 1, "a positive integer"))


def non_negative_integer(argument, value):
    """Return an integer of Python or NumPy, 0 or more, as an `int`."""
    return int(_checked(argument, value, numbers.Integral, lambda: value >= 0, "an integer, 0 or more"))


def positive_number(argument, value):
    """Return a finite number above 0 as a `float`."""
    return float(_checked(argument, value, numbers.Real, lambda: 0 < value < math.inf, "a positive number"))


def fraction(argument, value):
    """Return a number with 0 <= value < 1, the range of a dropout rate, as a `float`."""
    kind = f"a number with 0 <= {argument} < 1"
    return float(_checked(argument, value, numbers.Real, lambda: 0 <= value < 1, kind))


def probability(argument, value):
    """Return a number with 0 <= value <= 1 as a `float`."""
    return float(_checked(argument, value, numbers.Real, lambda: 0 <= value <= 1, "a number between 0 and 1"))


def number(argument, value):
    """Return a finite number as a `float`."""
    return float(_checked(argument, value, numbers.Real, lambda: math.isfinite(value), "a finite number"))


def _checked(argument, value, number_class, is_in_range, kind):
    # The range is a function: what is no number cannot be compared.
    if isinstance(value, bool) or not isinstance(value, number_class) or not is_in_range():
        raise ValueError(f"{argument} must be {kind}. Received: {argument}={value!r}")
    return value


def activation(argument, value):
    """Return what `keras.activations.get` finds for a name or a function."""
    try:
        return keras.activations.get(value)
    except ValueError:
        names = "the name of a Keras activation, or a function"
        raise ValueError(f"{argument} must be {names}. Received: {argument}={value!r}") from None


def one_of(argument, value, allowed):
    """Return a name that is one of those `allowed`; the message suggests the nearest."""
    if value not in allowed:
        raise ValueError(unknown_name(argument, value, allowed))
    return value
