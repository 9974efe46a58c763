import itertools

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import DMN_PLUS_FEATURES, EpisodicMemory
from dmn_keras.losses import GateCrossentropy
from tests.layers.helpers import each_policy, gradients, numpy, passes_weights, randomize, weighted_sum
from tests.layers.registry import B, F, U, fact_mask, random
from tests.reference import memory as reference

FACTS, QUESTION = random(B, F, U), random(B, U, seed=1)
TENSORS = [ops.convert_to_tensor(x) for x in (FACTS, QUESTION)]
MASK = ops.convert_to_tensor(fact_mask())
DMN_PLUS = {"gate": "softmax", "gate_features": DMN_PLUS_FEATURES, "episode": "attention_gru", "memory_update": "relu"}
SETTINGS = {
    "2015": {},
    "2016": {**DMN_PLUS, "tie_weights": False},
    "soft_attention": {"episode": "soft_attention", "gate": "softmax"},
    "stop": {"learned_stop": True},
    "stop-softmax-untied": {"learned_stop": True, "gate": "softmax", "tie_weights": False},
    "one-pass": {"num_passes": 1},
    "heads": {"num_heads": 3},
    "heads-soft-untied-stop-top": {
        "num_heads": 2,
        "gate": "softmax",
        "episode": "soft_attention",
        "tie_weights": False,
        "learned_stop": True,
        "top_facts": 2,
    },
    "norm": {"layer_norm": True},
    "norm-2016-stop": {**DMN_PLUS, "tie_weights": False, "layer_norm": True, "learned_stop": True, "num_heads": 2},
    "top": {"top_facts": 2, "gate": "softmax", "episode": "soft_attention"},
    "top-stop": {"top_facts": 2, "learned_stop": True},
}
each_setting = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())


def make(seed=0, dtype="float32", **setting):
    layer = EpisodicMemory(U, **{"num_passes": 3, **setting}, dtype=dtype)
    layer.build((None, None, U), (None, U))
    return randomize(layer, seed)


def expected(layer, mask):
    """The reference's dict for the whole batch."""
    setting = {
        "names": layer.gate_features,
        "activation": layer.gate,
        "episode": layer.episode,
        "update": layer.memory_update,
        "end": numpy(layer.end_of_passes) if layer.learned_stop else None,
        "top": layer.top_facts,
    }
    rows = zip(FACTS, QUESTION, mask, strict=True)
    results = [reference.episodic_memory(*row, passes_weights(layer), **setting) for row in rows]
    return {name: np.stack(x) for name, x in zip(("memory", "gates", "stop"), zip(*results, strict=True), strict=True)}


def assert_equal_dicts(left, right, atol=2e-6):
    for name in right:
        np.testing.assert_allclose(left[name], right[name], atol=atol, rtol=0, err_msg=name)


@each_setting
def test_passes_are_those_of_the_equations(setting):
    layer = make(**setting)
    outputs = numpy(layer(*TENSORS, facts_mask=MASK))
    assert_equal_dicts(outputs, expected(layer, fact_mask()))
    assert_equal_dicts(numpy(layer(*TENSORS)), expected(layer, np.ones((B, F))))
    assert np.all(outputs["gates"][~np.repeat(fact_mask()[:, None], layer.num_passes, axis=1)] == 0)


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


@each_setting
def test_gates_are_those_of_the_logits(setting):
    layer = make(**{**setting, "top_facts": None})
    outputs = numpy(layer(*TENSORS, facts_mask=MASK))
    gates, logits, stop = outputs["gates"], outputs["gate_logits"], sigmoid(outputs["stop_logits"])
    if layer.gate == "sigmoid":
        found = sigmoid(logits)
    else:
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        found = weights / weights.sum(-1, keepdims=True) * (1 - stop * layer.learned_stop)[..., None]
    np.testing.assert_allclose(found, gates, atol=2e-6)
    if layer.learned_stop:
        np.testing.assert_allclose(stop, outputs["stop"], atol=2e-6)


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
@pytest.mark.parametrize("num_heads", [1, 2])
def test_supervised_gates_have_a_gradient_where_they_are_wrong_and_beyond_the_top_facts(gate, num_heads):
    options = {"num_passes": 1, "gate_features": ("fact",), "episode": "soft_attention"}  # the quickest
    layer = make(gate=gate, num_heads=num_heads, top_facts=1, **options)
    for of_head in layer.attention_gates:
        of_head.output_kernel.assign(30 * numpy(of_head.output_kernel))  # logits far from 0
    gates = numpy(layer(*TENSORS))["gates"]
    targets = np.zeros_like(gates)
    targets[np.arange(B), :, gates[:, 0].argmin(-1)] = 1.0  # the fact that is attended to least
    loss = GateCrossentropy(gate)
    kernels = [of_head.kernels["fact"] for of_head in layer.attention_gates]
    found = gradients(lambda: loss(targets, layer(*TENSORS)["gate_logits"]), variables=kernels)
    assert all(np.isfinite(gradient).all() for gradient in found)
    assert max(np.abs(gradient).max() for gradient in found) > 0.1


def test_learned_stop_ends_where_the_reference_ends():
    ends = set()
    for seed, gate in itertools.product(range(4), ["sigmoid", "softmax"]):
        layer = make(seed, gate=gate, learned_stop=True, tie_weights=False, episode="soft_attention")
        outputs = expected(layer, fact_mask())
        assert_equal_dicts(numpy(layer(*TENSORS, facts_mask=MASK)), outputs)
        ended = outputs["stop"] > np.maximum(outputs["gates"].max(-1), 0.5 if gate == "sigmoid" else 0)
        ends |= {int(np.argmax(row)) if row.any() else None for row in ended}
    assert {None, 0} < ends  # never, at once, and later: else the test shows too little


def force_stop(layer, passes):
    """Set the gates of the chosen passes so that the end-of-passes representation wins; of the others, that it loses.

    The gates see the fact alone: logit = 9 * s * tanh(sum of the fact's entries) with s = 1 or -1, and the
    representation is far from all facts.
    """
    layer.end_of_passes.assign(np.full(U, 50.0))
    for i, gate in enumerate(layer.attention_gates):
        gate.kernels["fact"].assign(np.full((U, gate.units), 0.1))
        gate.bias.assign(np.zeros(gate.units))
        gate.output_kernel.assign(np.full((gate.units, 1), 9.0 if i in passes else -9.0))
        gate.output_bias.assign(np.zeros(1))
    return layer


@pytest.mark.parametrize("passes", [set(), {0}], ids=["goes-on", "stops"])
def test_gradient_reaches_the_end_of_passes(passes):
    layer = make(gate_features=("fact",), learned_stop=True, num_passes=2)
    force_stop(layer, passes)
    layer.end_of_passes.assign(np.full(U, 0.5 if passes else -0.5))
    for gate in layer.attention_gates:  # flat enough for a gradient, and decided all the same
        gate.output_kernel.assign(np.full((U, 1), 1.0))
        gate.output_bias.assign(np.full(1, 2.0 if passes else -2.0))
    few = [ops.convert_to_tensor(0.01 * FACTS), TENSORS[1]]
    stopped = np.all(numpy(layer(*few)["memory"]) == QUESTION)
    assert stopped == bool(passes)
    (found,) = gradients(lambda: weighted_sum(layer(*few)["memory"]), variables=[layer.end_of_passes])
    assert np.abs(found).min() > 1e-4


@each_setting
def test_an_empty_story_gives_finite_values_and_gradients(setting):
    layer = make(**setting)
    nothing = ops.zeros_like(MASK)

    def function(facts, question):
        return weighted_sum(layer(ops.convert_to_tensor(facts), ops.convert_to_tensor(question), facts_mask=nothing))

    outputs = numpy(layer(*TENSORS, facts_mask=nothing))
    assert all(np.isfinite(x).all() for x in outputs.values())
    assert np.all(outputs["gates"] == 0)
    assert all(np.isfinite(g).all() for g in gradients(function, [FACTS, QUESTION], layer.weights))


def test_results_carry_no_mask():
    assert set(make().compute_mask(TENSORS[0], MASK).values()) == {None}


@pytest.mark.slow
@each_policy
@each_setting
def test_mixed_precision_is_finite_with_float32_gates(policy, setting):
    outputs = make(**setting, dtype=policy)(*TENSORS, facts_mask=MASK)
    for name, x in outputs.items():
        assert keras.backend.standardize_dtype(x.dtype) == (policy[6:] if name == "memory" else "float32")
    assert all(np.isfinite(x).all() for x in numpy(outputs).values())


def test_error_of_sizes():
    message = (
        rf"facts and question must have the last dimension units={U}. Received: "
        r"facts.shape=\(2, 5, 3\), question.shape=\(2, 4\)"
    )
    with pytest.raises(ValueError, match=message):
        EpisodicMemory(U)(ops.ones((2, 5, 3)), ops.ones((2, 4)))
