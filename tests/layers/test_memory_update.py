import numpy as np
import pytest

from dmn_keras.layers import MemoryUpdate
from tests.layers.helpers import compiled, numpy, update_weights
from tests.layers.registry import CASES, U
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


def test_errors():
    with pytest.raises(ValueError, match=r"units must be a positive integer. Received: units='4'"):
        MemoryUpdate("4")
    with pytest.raises(ValueError, match=r"kind must be one of gru, relu. Received: 'lstm'"):
        MemoryUpdate(U, kind="lstm")
