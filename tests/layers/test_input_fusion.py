import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import InputFusion
from tests.layers.helpers import gru_weights, numpy, randomize
from tests.layers.registry import B, D, F, U, fact_mask, random
from tests.reference.gru import fused_facts

FACTS = random(B, F, D)


@pytest.fixture
def fusion():
    layer = InputFusion(U)
    layer.build((None, None, D))
    return randomize(layer)


def expected(fusion, mask):
    weights = [gru_weights(gru.cell) for gru in (fusion.forward_gru, fusion.backward_gru)]
    return np.stack([fused_facts(*row, *weights) for row in zip(FACTS, mask, strict=True)])


def test_fused_facts_are_those_of_the_equations(fusion):
    outputs = fusion(ops.convert_to_tensor(FACTS), ops.convert_to_tensor(fact_mask()))
    np.testing.assert_allclose(numpy(outputs), expected(fusion, fact_mask()), atol=1e-6)
    without = fusion(ops.convert_to_tensor(FACTS))
    np.testing.assert_allclose(numpy(without), expected(fusion, np.ones((B, F))), atol=1e-6)


def test_padding_anywhere_changes_nothing(fusion):
    padded, places = 7 * random(B, F + 3, D), [0, 1, 3, 4, 6]
    padded[:, places] = FACTS
    mask = np.zeros((B, F + 3), bool)
    mask[:, places] = fact_mask()
    outputs = numpy(fusion(ops.convert_to_tensor(padded), ops.convert_to_tensor(mask)))
    np.testing.assert_allclose(outputs[:, places], expected(fusion, fact_mask()), atol=1e-6)
    assert np.all(outputs[~mask] == 0)


def test_the_mask_is_passed_on(fusion):
    mask = ops.convert_to_tensor(fact_mask())
    assert fusion.compute_mask(ops.convert_to_tensor(FACTS), mask) is mask
