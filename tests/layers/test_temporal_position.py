import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import TemporalPosition
from tests.layers.helpers import compiled
from tests.reference.memn2n import temporal_positions

MASK = np.random.default_rng(0).random((4000, 14)) < 0.7
MASK[0] = False


def positions(mask, random_noise=0.0, **options):
    keras.utils.set_random_seed(0)
    return ops.convert_to_numpy(TemporalPosition(random_noise)(ops.convert_to_tensor(mask), **options))


def test_positions_count_back_from_the_question():
    expected = [temporal_positions(row) for row in MASK[:50]]
    np.testing.assert_array_equal(positions(MASK[:50]), expected)
    np.testing.assert_array_equal(positions(MASK[:50], training=True), expected)
    np.testing.assert_array_equal(positions(MASK[:50], 0.5), expected)
    np.testing.assert_array_equal(compiled(TemporalPosition(0.5), {"facts_mask": MASK[:50]})[0], expected)
    assert positions(MASK[:1]).dtype == "int32"


@pytest.mark.parametrize("random_noise", [0.1, 0.9])
def test_noise_leaves_gaps_and_the_order(random_noise):
    noisy = positions(MASK, random_noise, training=True)
    assert np.all(noisy[~MASK] == 0)
    numbers = MASK.sum(axis=1)
    most = np.ceil(random_noise * numbers).astype(int)
    for row, n in zip(noisy, numbers, strict=True):
        assert np.all(np.diff(row[row > 0]) < 0)
        assert np.count_nonzero(row) == n
    gaps = (noisy.max(axis=1) - numbers)[numbers == 10]
    assert gaps.min() == 0
    assert gaps.max() == most[numbers == 10][0]


def test_every_place_of_an_empty_memory_is_as_likely():
    noisy = positions(np.ones((4000, 10), bool), 0.1, training=True)  # one empty memory or none
    missing = 66 - noisy.sum(axis=1)  # the position, of 1 to 11, that no fact has; 11 also without an empty memory
    shares = np.bincount(missing, minlength=12)[1:] / 4000
    np.testing.assert_allclose(shares, [*np.full(10, 0.5 / 11), 0.5 + 0.5 / 11], atol=0.03)
    assert shares[:10].min() > 0.03


def test_error():
    with pytest.raises(ValueError, match=r"random_noise must be a number with 0 <= random_noise < 1. Received: .*=1$"):
        TemporalPosition(1)
