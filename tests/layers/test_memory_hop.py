import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import MemoryHop
from tests.layers.helpers import compiled, gradients, numpy, weighted_sum
from tests.layers.registry import CASES
from tests.layers.test_conformance import built
from tests.reference.memn2n import memory_hop

CASE = CASES["MemoryHop"]
KEYS, VALUES, STATE = CASE.inputs.values()
MASK = CASE.masks["keys_mask"]


@pytest.mark.parametrize("linear_map", [False, True])
@pytest.mark.parametrize("attention", ["softmax", "hard", "linear"])
def test_state_and_attention_are_those_of_the_equations(attention, linear_map):
    linear = attention == "linear"
    options = {"attention": "softmax" if linear else attention}
    layer = built(CASE, linear_map=linear_map, **options)
    if linear:
        layer.linear.assign(True)
    options |= {"linear": linear, "H": numpy(layer.state_kernel) if linear_map else None}
    rows = [memory_hop(*row, **options) for row in zip(KEYS, VALUES, STATE, MASK, strict=True)]
    states, gates = map(np.stack, zip(*rows, strict=True))
    for outputs in (numpy(CASE.call(layer)), compiled(layer, CASE.inputs, CASE.masks)[0]):
        np.testing.assert_allclose(outputs["state"], states, atol=2e-6)
        np.testing.assert_allclose(outputs["gates"], gates, atol=2e-6)


def test_one_memory_is_read_whole():
    layer = built(CASE, linear_map=False)
    one = {name: x[:, :1] for name, x in CASE.inputs.items() if name != "state"}
    outputs = numpy(CASE.call(layer, inputs={**one, "state": STATE}, masks={"keys_mask": np.ones((3, 1), bool)}))
    np.testing.assert_array_equal(outputs["gates"], 1)
    np.testing.assert_allclose(outputs["state"], STATE + VALUES[:, 0], atol=1e-6)


def test_a_hard_choice_has_no_gradient():
    layer = built(CASE, attention="hard")
    tensors = [ops.convert_to_tensor(x) for x in (VALUES, STATE)]
    read, attended = (
        gradients(lambda keys, name=name: weighted_sum(layer(keys, *tensors)[name]), [KEYS])[0]
        for name in ("state", "gates")
    )
    assert np.all(read == 0)
    assert np.abs(attended).max() > 1e-3
    assert not hasattr(layer, "linear")


def test_errors():
    message = (
        r"keys, values and state must have the same last dimension. Received: keys.shape=\(2, 3, 4\), "
        r"values.shape=\(2, 3, 5\), state.shape=\(2, 4\)"
    )
    with pytest.raises(ValueError, match=message):
        MemoryHop()(ops.ones((2, 3, 4)), ops.ones((2, 3, 5)), ops.ones((2, 4)))
