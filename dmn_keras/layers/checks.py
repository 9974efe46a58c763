"""Checks of constructor arguments, with the messages all layers share."""

import math
import numbers

import keras

from dmn_keras.errors import unknown_name


def positive_integer(argument, value):
    """Return `value`, of Python or NumPy, as an `int` if it is a positive integer.

    Args:
        argument: Name of the constructor's argument.
        value: What the caller passed.

    Raises:
        ValueError: If `value` is no integer or below 1.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise ValueError(f"{argument} must be a positive integer. Received: {argument}={value!r}")
    return int(value)


def non_negative_integer(argument, value):
    """Return `value`, of Python or NumPy, as an `int` if it is an integer of 0 or more.

    Args:
        argument: Name of the constructor's argument.
        value: What the caller passed.

    Raises:
        ValueError: If `value` is no integer or below 0.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
        raise ValueError(f"{argument} must be an integer, 0 or more. Received: {argument}={value!r}")
    return int(value)


def positive_number(argument, value):
    """Return `value` as a `float` if it is a finite number above 0.

    Args:
        argument: Name of the constructor's argument.
        value: What the caller passed.

    Raises:
        ValueError: If `value` is no number, infinite, NaN or not above 0.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 < value < math.inf:
        raise ValueError(f"{argument} must be a positive number. Received: {argument}={value!r}")
    return float(value)


def fraction(argument, value):
    """Return `value` as a `float` if it is a number with 0 <= value < 1, the range of a dropout rate.

    Args:
        argument: Name of the constructor's argument.
        value: What the caller passed.

    Raises:
        ValueError: If `value` is no number or outside the range.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= value < 1:
        raise ValueError(f"{argument} must be a number with 0 <= {argument} < 1. Received: {argument}={value!r}")
    return float(value)


def probability(argument, value):
    """Return `value` as a `float` if it is a number with 0 <= value <= 1.

    Args:
        argument: Name of the argument.
        value: What the caller passed.

    Raises:
        ValueError: If `value` is no number or outside the range.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= value <= 1:
        raise ValueError(f"{argument} must be a number between 0 and 1. Received: {argument}={value!r}")
    return float(value)


def number(argument, value):
    """Return `value` as a `float` if it is a finite number.

    Args:
        argument: Name of the constructor's argument.
        value: What the caller passed.

    Raises:
        ValueError: If `value` is no number, infinite or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(value):
        raise ValueError(f"{argument} must be a finite number. Received: {argument}={value!r}")
    return float(value)


def activation(argument, value):
    """Return the function that `value` names, as `keras.activations.get` does.

    Args:
        argument: Name of the constructor's argument.
        value: What the caller passed: the name of an activation, or a function.

    Raises:
        ValueError: If Keras has no activation of this name.
    """
    try:
        return keras.activations.get(value)
    except ValueError:
        names = "the name of a Keras activation, or a function"
        raise ValueError(f"{argument} must be {names}. Received: {argument}={value!r}") from None


def one_of(argument, value, allowed):
    """Return `value` if it is among the `allowed` names.

    Args:
        argument: Name of the constructor's argument.
        value: What the caller passed.
        allowed: The names to choose from.

    Raises:
        ValueError: If it is not; the message suggests the nearest name.
    """
    if value not in allowed:
        raise ValueError(unknown_name(argument, value, allowed))
    return value
