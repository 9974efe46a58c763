import numpy as np
import pytest

from dmn_keras.layers import ImageRegions
from tests.layers.helpers import numpy


def layer_that_shows(channels, **arguments):
    """Return a layer whose facts are the arctangents of nothing but its inputs: channels, row and column."""
    layer = ImageRegions(channels + 2, kernel_initializer="identity", **arguments)
    return lambda feature_map: np.arctanh(numpy(layer(feature_map)))


def test_regions_are_read_in_snake_like_order():
    feature_map = np.arange(12, dtype="float32").reshape(1, 3, 4, 1) / 12
    read = layer_that_shows(1)(feature_map)[0, :, 0] * 12
    np.testing.assert_allclose(read, [0, 1, 2, 3, 7, 6, 5, 4, 8, 9, 10, 11], atol=1e-4)


def test_neighbours_in_the_sequence_are_neighbours_in_the_image():
    places = layer_that_shows(1)(np.zeros((1, 5, 7, 1), "float32"))[0, :, 1:]
    steps = abs(np.diff(np.clip(places, -3, 3), axis=0)) > 1e-3
    np.testing.assert_array_equal(steps.sum(axis=1), 1)


def test_a_region_knows_its_place():
    layer = ImageRegions(2, kernel_initializer="ones")
    facts = np.arctanh(numpy(layer(np.zeros((1, 2, 3, 4), "float32"))))[0, :, 0]
    np.testing.assert_allclose(np.tanh(facts), np.tanh([-2, -1, 0, 2, 1, 0]), atol=1e-5)


def test_a_single_region_is_in_the_middle():
    read = layer_that_shows(1)(np.full((1, 1, 1, 1), 0.5, "float32"))
    np.testing.assert_allclose(read[0, 0], [0.5, 0, 0], atol=1e-6)


def test_a_feature_map_of_another_rank_is_refused():
    with pytest.raises(ValueError, match=r"feature_map must have shape \(batch, rows, columns, channels\)"):
        ImageRegions(3)(np.zeros((2, 4, 5), "float32"))
