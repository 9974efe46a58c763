import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import addressing
from tests.layers.helpers import gradients, numpy, weighted_sum
from tests.reference import addressing as reference

B, H, N, W = 3, 2, 6, 4


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype("float32")


def uniform(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).random(shape).astype("float32")


def weights(heads=H, seed=0):
    w = uniform(B, heads, N, seed=seed)
    return w / w.sum(axis=-1, keepdims=True)


def one_hot(*indices, size=N):
    """Weights of one head, one row of the batch an index."""
    return np.eye(size, dtype="float32")[list(indices)][:, None]


def apply(function, *arrays, **options):
    return numpy(function(*(ops.convert_to_tensor(x) for x in arrays), **options))


def each(function, *arrays):
    """Apply a function of one row and head to all."""
    return np.array([[function(*(x[b, h] for x in arrays)) for h in range(H)] for b in range(B)])


@pytest.mark.parametrize("masked", [False, True])
def test_content_weights_are_those_of_the_loops(masked):
    memory, keys, strengths = normal(B, N, W), normal(B, H, W), 5 * uniform(B, H, 1)
    masks = (uniform(B, H, W, seed=1),) if masked else ()
    expected = each(
        lambda m, k, s, *mask: reference.content(m, k, s[0], *mask), _per_head(memory), keys, strengths, *masks
    )
    np.testing.assert_allclose(apply(addressing.content_weights, memory, keys, strengths, *masks), expected, atol=1e-6)


def _per_head(memory):
    return np.repeat(memory[:, None], H, axis=1)


def test_content_weights_find_the_slot_that_equals_the_key():
    memory = normal(B, N, W)
    found = apply(addressing.content_weights, memory, memory[:, :H], np.full((B, H, 1), 1e4, "float32"))
    np.testing.assert_allclose(found, np.tile(np.eye(N)[None, :H], (B, 1, 1)), atol=1e-6)


@pytest.mark.parametrize("zero", ["memory", "key", "both"])
def test_content_weights_of_zeros_are_finite_and_so_is_their_gradient(zero):
    arrays = [normal(B, N, W) * (zero == "key"), normal(B, H, W) * (zero == "memory"), 1 + uniform(B, H, 1)]
    np.testing.assert_allclose(apply(addressing.content_weights, *arrays), 1 / N, atol=1e-6)
    found = gradients(lambda *x: weighted_sum(addressing.content_weights(*x)), arrays)
    assert all(np.isfinite(gradient).all() for gradient in found)


def test_interpolation_lies_between_content_and_previous_weights():
    content, previous = weights(seed=1), weights(seed=2)
    for gate, expected in ((1, content), (0, previous), (0.25, 0.25 * content + 0.75 * previous)):
        np.testing.assert_allclose(
            apply(addressing.interpolate, content, previous, np.full((B, H, 1), gate, "float32")), expected, atol=1e-7
        )


def test_shift_by_one_moves_slot_0_to_1_and_wraps():
    right, left = (np.tile(np.array(s, "float32"), (2, 1, 1)) for s in ([0, 0, 1], [1, 0, 0]))
    np.testing.assert_array_equal(apply(addressing.circular_shift, one_hot(0, N - 1), right), one_hot(1, 0))
    np.testing.assert_array_equal(apply(addressing.circular_shift, one_hot(0, N - 1), left), one_hot(N - 1, N - 2))


@pytest.mark.parametrize("shifts", [1, 3, 5])
def test_shift_is_the_circular_convolution(shifts):
    s = uniform(B, H, shifts)
    s /= s.sum(axis=-1, keepdims=True)
    found = apply(addressing.circular_shift, weights(), s)
    np.testing.assert_allclose(found, each(reference.shift, weights(), s), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-6)


def test_an_even_number_of_shifts_is_refused():
    with pytest.raises(ValueError, match=r"shifts must be \(batch, heads, 2 \* range \+ 1\). Received: shape"):
        apply(addressing.circular_shift, weights(), uniform(B, H, 4))


def test_sharpening_is_a_normalised_power():
    exponents = 1 + 9 * uniform(B, H, 1)
    found = apply(addressing.sharpen, weights(), exponents)
    np.testing.assert_allclose(found, each(reference.sharpen, weights(), exponents), atol=1e-6)
    np.testing.assert_allclose(
        apply(addressing.sharpen, weights(), np.ones((B, H, 1), "float32")), weights(), atol=1e-6
    )


def test_sharpening_of_one_hot_weights_is_finite():
    arrays = [one_hot(0, 3), np.full((2, 1, 1), 1000, "float32")]
    np.testing.assert_array_equal(apply(addressing.sharpen, *arrays), one_hot(0, 3))
    assert all(np.isfinite(g).all() for g in gradients(lambda *x: weighted_sum(addressing.sharpen(*x)), arrays))


def test_all_heads_erase_before_any_adds():
    memory, w, erase, add = normal(B, N, W), weights(), uniform(B, H, W), normal(B, H, W)
    found = apply(addressing.erase_and_add, memory, w, erase, add)
    np.testing.assert_allclose(found, [reference.write(*x) for x in zip(memory, w, erase, add, strict=True)], atol=1e-6)
    swapped = apply(addressing.erase_and_add, memory, w[:, ::-1].copy(), erase[:, ::-1].copy(), add[:, ::-1].copy())
    np.testing.assert_allclose(swapped, found, atol=1e-6)


def test_usage_is_that_of_the_loops_and_freed_by_reading():
    before, reads, writes, gates = uniform(B, N), weights(seed=1), weights(seed=2), uniform(B, H, 1)
    retained = apply(addressing.retention, reads, gates)
    expected = [reference.retention(w, f[:, 0]) for w, f in zip(reads, gates, strict=True)]
    np.testing.assert_allclose(retained, expected, atol=1e-6)
    found = apply(addressing.usage, before, writes, retained.astype("float32"))
    np.testing.assert_allclose(
        found, [reference.usage(*x) for x in zip(before, writes, retained, strict=True)], atol=1e-6
    )
    assert found.min() >= 0
    assert found.max() <= 1
    freed = apply(addressing.retention, one_hot(2), np.ones((1, 1, 1), "float32"))
    np.testing.assert_array_equal(freed, 1 - one_hot(2)[:, 0])


@pytest.mark.parametrize("tie_break", [0.0, 0.07])
def test_allocation_is_that_of_the_sorted_form(tie_break):
    usage = np.round(uniform(40, N), 1)  # with many ties
    usage[0] = 0
    usage[1] = 1
    found = apply(addressing.allocation_weights, usage, tie_break=tie_break)
    expected = [reference.allocation(u.astype("float64"), tie_break) for u in usage.astype("float64")]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.all(found.sum(axis=-1) <= 1 + 1e-6)
    np.testing.assert_allclose(found[0], np.eye(N)[0], atol=1e-5)
    np.testing.assert_allclose(found[1], 0, atol=1e-5)


def test_allocation_takes_the_free_slot_and_has_a_finite_gradient():
    usage = np.ones((1, N), "float32")
    usage[0, 3] = 0
    np.testing.assert_allclose(apply(addressing.allocation_weights, usage), np.eye(N)[[3]], atol=1e-5)
    (gradient,) = gradients(lambda u: weighted_sum(addressing.allocation_weights(u)), [np.zeros((1, N), "float32")])
    assert np.isfinite(gradient).all()


def test_links_lead_through_the_slots_in_the_order_of_writing():
    order = [4, 0, 2]
    link, precedence = np.zeros((1, 1, N, N), "float32"), np.zeros((1, 1, N), "float32")
    for slot in order:
        link = apply(addressing.temporal_link, link, precedence, one_hot(slot)).astype("float32")
        precedence = apply(addressing.update_precedence, precedence, one_hot(slot)).astype("float32")
    np.testing.assert_array_equal(precedence, one_hot(2))
    forward, backward = apply(addressing.directional_weights, link, one_hot(0))
    np.testing.assert_array_equal(forward[:, :, 0], one_hot(2))
    np.testing.assert_array_equal(backward[:, :, 0], one_hot(4))


def test_links_are_those_of_the_loops():
    link, precedence = np.zeros((B, H, N, N)), np.zeros((B, H, N))
    expected = link, precedence
    for step in range(4):
        w = 0.9 * weights(seed=step)
        before = precedence.astype("float32")
        link = apply(addressing.temporal_link, link.astype("float32"), before, w)
        precedence = apply(addressing.update_precedence, before, w)
        expected = each(reference.link, *expected, w), each(reference.precedence, expected[1], w)
    np.testing.assert_allclose(link, expected[0], atol=1e-6)
    np.testing.assert_allclose(precedence, expected[1], atol=1e-6)
    assert np.all(np.diagonal(link, axis1=-2, axis2=-1) == 0)
    assert max(link.sum(axis=-1).max(), link.sum(axis=-2).max()) <= 1 + 1e-6
    reads = weights(heads=3)
    forward, backward = apply(addressing.directional_weights, link.astype("float32"), reads)
    np.testing.assert_allclose(forward, np.einsum("bhij,brj->brhi", link, reads), atol=1e-6)
    np.testing.assert_allclose(backward, np.einsum("bhij,bri->brhj", link, reads), atol=1e-6)


def test_recently_used_slots_have_lower_logits_without_a_gradient_through_the_average():
    z, v, gamma = normal(B, H, N), normal(B, H, N, seed=1), uniform(B, H, 1)
    logits, average = apply(addressing.least_recently_used_logits, z, v, gamma)
    np.testing.assert_allclose(logits, z - gamma * v, atol=1e-6)
    np.testing.assert_allclose(average, 0.1 * v + 0.9 * z, atol=1e-6)
    of_z, of_v, _ = gradients(lambda *x: ops.sum(ops.stack(addressing.least_recently_used_logits(*x))), [z, v, gamma])
    np.testing.assert_array_equal(of_z, np.ones_like(z))
    np.testing.assert_array_equal(of_v, np.zeros_like(v))
