import numpy as np
import pytest

from tests.layers.helpers import compiled, numpy, update_weights
from tests.layers.registry import CASES
from tests.layers.test_conformance import built
from tests.reference.memory import memory_update

CASE = CASES["MemoryUpdate"]


@pytest.mark.parametrize("kind", ["gru", "relu"])
def test_memory_is_that_of_the_equations(kind):
    layer = built(CASE, kind=kind)
    m, e, q = CASE.inputs.values()
    weights = update_weights(layer)
    expected = np.stack([memory_update(*row, weights, kind) for row in zip(m, e, q, strict=True)])
    np.testing.assert_allclose(numpy(CASE.call(layer)), expected, atol=1e-6)
    np.testing.assert_allclose(compiled(layer, CASE.inputs)[0], expected, atol=1e-6)
