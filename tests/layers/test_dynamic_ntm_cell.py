import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import DynamicNTMCell
from dmn_keras.layers.dynamic_ntm_cell import cosine_similarity, straight_through
from tests.layers.helpers import gradients, numpy, randomize, weighted_sum
from tests.layers.registry import B, D, U, memory_rnn, random
from tests.reference import dynamic_ntm as reference

T, SLOTS, WIDTH, ADDRESS = 6, 5, 3, 2
INPUTS = random(B, T, D)


def make(scale=1.0, **arguments):
    cell = DynamicNTMCell(U, SLOTS, WIDTH, ADDRESS, **arguments)
    cell.build((None, D))
    return randomize(cell, scale=scale)


def run(cell, inputs=INPUTS):
    return numpy(list(memory_rnn(cell, return_state=True)(ops.convert_to_tensor(inputs))))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_steps": 3},
        {"lru": False},
        {"no_op": False},
        {"controller": "feedforward"},
        {"addressing": "discrete"},
    ],
    ids=str,
)
@pytest.mark.usefixtures("float64")
def test_cell_in_rnn_is_that_of_the_loops(options):
    cell = make(dtype="float64", **options)
    outputs, _, contents, _, *recent = run(cell, INPUTS.astype("float64"))
    weights = {w.name: numpy(w) for w in cell.weights}
    loops = {name: value for name, value in options.items() if name in ("num_steps", "lru")}
    for b in range(B):
        hidden, c, v = reference.run(
            INPUTS[b].astype("float64"),
            weights,
            slots=SLOTS,
            width=WIDTH,
            discrete=cell.addressing == "discrete",
            **loops,
        )
        np.testing.assert_allclose(outputs[b], hidden, atol=1e-12)
        np.testing.assert_allclose(contents[b], c.ravel(), atol=1e-12)
        assert len(recent) == cell.lru
        if cell.lru:
            np.testing.assert_allclose(recent[0][b], v.ravel(), atol=1e-12)


def test_zero_keys_and_slots_have_finite_similarity_and_gradient():
    arrays = [np.zeros(shape, "float32") for shape in ((B, 5), (4, 2), (B, 4, 3))]
    assert np.all(numpy(cosine_similarity(*map(ops.convert_to_tensor, arrays))) == 0)
    assert all(np.isfinite(g).all() for g in gradients(lambda *x: ops.sum(cosine_similarity(*x)), arrays))


def test_similarity_is_one_for_the_same_direction_and_minus_one_for_the_opposite():
    key, addresses, contents = (
        np.array([[3.0, 0, 4, 0]]),
        np.array([[6.0, 0], [-3, 0]]),
        np.array([[[8.0, 0], [-4, 0]]]),
    )
    found = cosine_similarity(*(ops.convert_to_tensor(x, "float32") for x in (key, addresses, contents)))
    np.testing.assert_allclose(numpy(found), [[1, -1]], atol=1e-6)


def test_straight_through_is_one_hot_with_the_gradient_of_the_weights():
    weights, upstream = np.array([[0.2, 0.5, 0.3]], "float32"), np.array([[1.0, 2.0, 3.0]], "float32")
    np.testing.assert_allclose(numpy(straight_through(ops.convert_to_tensor(weights))), [[0, 1, 0]], atol=1e-6)
    (found,) = gradients(lambda w: ops.sum(straight_through(w) * ops.convert_to_tensor(upstream)), [weights])
    np.testing.assert_allclose(found, upstream)


def test_weights_sum_to_one_over_slots_and_no_op():
    cell = make()
    hidden, contents = (ops.convert_to_tensor(x) for x in (random(B, U), random(B, SLOTS, WIDTH)))
    for head in (0, 1):
        weights, _ = cell.address(head, hidden, contents, ops.zeros((B, SLOTS + 1)))
        assert weights.shape == (B, SLOTS + 1)
        np.testing.assert_allclose(numpy(weights).sum(axis=-1), 1, atol=1e-6)


def test_the_no_op_slot_is_neither_read_nor_written():
    cell = make(addressing="discrete")
    # Both keys point at the address of the no-op slot.
    for kernel, bias in zip(cell.head_kernels, cell.head_biases, strict=True):
        kernel.assign(np.zeros(kernel.shape))
        bias.assign([3.0, 0] + [0.0] * (bias.shape[0] - 3) + [-30.0])
    cell.addresses.assign([[-1.0, 1.0]] * SLOTS + [[1.0, 0.0]])
    outputs, _, contents, *_ = run(cell)
    assert np.all(np.abs(contents) < 1e-5)
    cell.addresses.assign([[-2.0, 1.0]] * SLOTS + [[1.0, 0.0]])  # what is not read changes nothing
    np.testing.assert_allclose(run(cell)[0], outputs, atol=1e-5)


def test_a_slot_of_recent_use_has_less_weight():
    cell = make()
    hidden, contents = (ops.convert_to_tensor(x) for x in (random(B, U), random(B, SLOTS, WIDTH)))
    recent = np.zeros((B, SLOTS + 1), "float32")
    recent[:, 2] = 3
    unused, used = (numpy(cell.address(0, hidden, contents, ops.convert_to_tensor(v))[0]) for v in (0 * recent, recent))
    assert np.all(used[:, 2] < unused[:, 2])
    assert np.all(np.delete(used, 2, axis=1) > np.delete(unused, 2, axis=1))


def test_recent_use_has_no_gradient():
    cell = make()
    inputs, states = ops.convert_to_tensor(INPUTS[:, 0]), [random(B, size) for size in cell.state_size]
    found = gradients(lambda *s: weighted_sum(cell(inputs, list(s))[0]), states)
    assert np.any(found[1])
    assert not np.any(found[2])
    assert not np.any(found[3])
