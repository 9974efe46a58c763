import numpy as np
import pytest

from dmn_keras.layers.checks import activation, fraction, number, one_of, positive_integer, positive_number


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "3", None])
def test_positive_integer_refuses(value):
    with pytest.raises(ValueError, match=rf"^units must be a positive integer. Received: units={value!r}$"):
        positive_integer("units", value)


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, False, "0.1", None, float("nan")])
def test_fraction_refuses(value):
    with pytest.raises(ValueError, match=rf"^dropout must be a number with 0 <= dropout < 1. Received: .*{value!r}$"):
        fraction("dropout", value)


@pytest.mark.parametrize("value", [0, -1.5, True, "3", None, float("nan"), float("inf")])
def test_positive_number_refuses(value):
    with pytest.raises(ValueError, match=rf"^clip must be a positive number. Received: clip={value!r}$"):
        positive_number("clip", value)


@pytest.mark.parametrize("value", [True, "3", None, float("nan"), float("-inf")])
def test_number_refuses(value):
    with pytest.raises(ValueError, match=rf"^empty_value must be a finite number. Received: empty_value={value!r}$"):
        number("empty_value", value)


def test_activation_refuses_an_unknown_name():
    message = r"^activation must be the name of a Keras activation, or a function. Received: activation='sigmoidal'$"
    with pytest.raises(ValueError, match=message):
        activation("activation", "sigmoidal")


def test_one_of_suggests_the_nearest_name():
    message = r"^gate must be one of sigmoid, softmax. Received: 'sofmax'. Did you mean 'softmax'\?$"
    with pytest.raises(ValueError, match=message):
        one_of("gate", "sofmax", ("sigmoid", "softmax"))


def test_right_values_are_returned():
    assert positive_integer("units", 3) == 3
    assert type(positive_integer("units", np.int64(3))) is int
    assert type(positive_number("clip", np.int64(3))) is float
    assert number("empty_value", -1) == -1.0
    assert type(fraction("dropout", np.float32(0.5))) is float
    assert fraction("dropout", 0) == 0
    assert fraction("dropout", 0.5) == 0.5
    assert one_of("gate", "softmax", ("sigmoid", "softmax")) == "softmax"
