import itertools

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import DMN_FEATURES, DMN_PLUS_FEATURES, EpisodicMemory
from tests.layers.helpers import compiled, gradients, numpy, passes_weights, randomize, weighted_sum
from tests.layers.registry import B, F, U, fact_mask, random
from tests.reference import memory as reference

FACTS, QUESTION = random(B, F, U), random(B, U, seed=1)
TENSORS = [ops.convert_to_tensor(x) for x in (FACTS, QUESTION)]
MASK = ops.convert_to_tensor(fact_mask())
DMN_PLUS = {"gate": "softmax", "gate_features": DMN_PLUS_FEATURES, "episode": "update", "memory_update": "relu"}
SETTINGS = {
    "2015": {},
    "2016": {**DMN_PLUS, "tie_weights": False},
    "untied": {"tie_weights": False},
    "soft": {"episode": "soft", "gate": "softmax"},
    "stop": {"learned_stop": True},
    "stop-softmax-untied": {"learned_stop": True, "gate": "softmax", "tie_weights": False},
    "one-pass": {"num_passes": 1},
    "heads": {"num_heads": 3},
    "heads-soft-untied-stop-top": {
        "num_heads": 2,
        "gate": "softmax",
        "episode": "soft",
        "tie_weights": False,
        "learned_stop": True,
        "top_facts": 2,
    },
    "norm": {"layer_norm": True},
    "norm-2016-stop": {**DMN_PLUS, "tie_weights": False, "layer_norm": True, "learned_stop": True, "num_heads": 2},
    "top": {"top_facts": 2, "gate": "softmax", "episode": "soft"},
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
    assert set(left) == set(right)
    for name in left:
        np.testing.assert_allclose(left[name], right[name], atol=atol, rtol=0, err_msg=name)


@each_setting
def test_passes_are_those_of_the_equations(setting):
    layer = make(**setting)
    outputs = numpy(layer(*TENSORS, facts_mask=MASK))
    assert_equal_dicts(outputs, expected(layer, fact_mask()))
    assert_equal_dicts(numpy(layer(*TENSORS)), expected(layer, np.ones((B, F))))
    assert np.all(outputs["gates"][~np.repeat(fact_mask()[:, None], layer.num_passes, axis=1)] == 0)


@pytest.mark.parametrize("name", ["2016", "stop-softmax-untied"])
def test_compiled_passes_are_those_of_the_equations(name):
    layer = make(**SETTINGS[name])
    outputs, _ = compiled(layer, {"facts": FACTS, "question": QUESTION}, {"facts_mask": fact_mask()})
    assert_equal_dicts(outputs, expected(layer, fact_mask()))


def test_learned_stop_ends_where_the_reference_ends():
    ends = set()
    for seed, gate in itertools.product(range(4), ["sigmoid", "softmax"]):
        layer = make(seed, gate=gate, learned_stop=True, tie_weights=False)
        outputs = expected(layer, fact_mask())
        assert_equal_dicts(numpy(layer(*TENSORS, facts_mask=MASK)), outputs)
        ended = outputs["stop"] > np.maximum(outputs["gates"].max(-1), 0.5 if gate == "sigmoid" else 0)
        ends |= {int(np.argmax(row)) if row.any() else None for row in ended}
    assert {None, 0} < ends  # never, at once, and later: else the test shows too little


@pytest.mark.parametrize("gate", ["sigmoid", "softmax"])
def test_softmax_gates_and_stop_sum_to_one(gate):
    outputs = numpy(make(gate=gate, learned_stop=True)(*TENSORS, facts_mask=MASK))
    sums = outputs["gates"].sum(-1) + outputs["stop"]
    assert np.allclose(sums, 1, atol=1e-6) == (gate == "softmax")
    outputs = numpy(make(gate=gate)(*TENSORS, facts_mask=MASK))
    assert np.all(outputs["stop"] == 0)
    assert np.allclose(outputs["gates"].sum(-1), 1, atol=1e-6) == (gate == "softmax")


def test_untied_passes_have_their_own_weights():
    tied, untied = make(), make(tie_weights=False)
    assert len(untied.weights) == 3 * len(tied.weights)
    assert len({id(w) for w in untied.weights}) == len(untied.weights)
    assert len(make(tie_weights=False, learned_stop=True).weights) == len(untied.weights) + 1
    assert len(make(num_passes=7).weights) == len(tied.weights)
    assert len({w.path for w in untied.weights}) == len(untied.weights)


def test_untied_passes_with_equal_weights_are_tied_passes():
    tied, untied = make(), make(tie_weights=False)
    for modules in ("attention_gates", "attention_grus", "updates"):
        for module in getattr(untied, modules):
            for target, source in zip(module.weights, getattr(tied, modules)[0].weights, strict=True):
                target.assign(source)
    assert_equal_dicts(numpy(untied(*TENSORS)), numpy(tied(*TENSORS)), atol=0)


def test_gates_of_a_pass_are_the_mean_of_its_heads():
    both = make(num_heads=2, num_passes=1, gate="softmax")
    outputs = numpy(both(*TENSORS, facts_mask=MASK))["gates"][:, 0]
    heads = [numpy(gate(TENSORS[0], TENSORS[1], TENSORS[1], facts_mask=MASK)) for gate in both.attention_gates]
    assert np.abs(heads[0] - heads[1]).max() > 1e-2
    np.testing.assert_allclose(outputs, (heads[0] + heads[1]) / 2, atol=1e-6)


def test_a_norm_makes_the_scale_of_facts_and_question_harmless():
    layer = make(layer_norm=True)
    facts, question = (ops.convert_to_tensor(100.0 * x) for x in (FACTS, QUESTION))
    assert_equal_dicts(numpy(layer(facts, question)), numpy(layer(*TENSORS)), atol=1e-2)
    plain = make()
    assert np.abs(numpy(plain(facts, question))["gates"] - numpy(plain(*TENSORS))["gates"]).max() > 0.1


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


@pytest.mark.parametrize("gate", ["sigmoid", "softmax"])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_stopped_pass_and_all_later_ones_keep_the_memory(gate, first):
    setting = {"gate": gate, "gate_features": ("fact",), "tie_weights": False, "learned_stop": True}
    memory = numpy(force_stop(make(**setting), {first})(*TENSORS, facts_mask=MASK))["memory"]
    never = make(**setting)
    before = numpy(force_stop(never, set())(*TENSORS, facts_mask=MASK))["memory"]
    assert np.abs(memory - before).min(axis=1).max() > 0
    if first == 0:
        np.testing.assert_array_equal(memory, QUESTION)
        return
    shorter = EpisodicMemory(U, first, **setting)
    shorter.build((None, None, U), (None, U))
    for modules in ("attention_gates", "attention_grus", "updates"):
        for target, source in zip(getattr(shorter, modules), getattr(never, modules), strict=False):
            for a, b in zip(target.weights, source.weights, strict=True):
                a.assign(b)
    shorter.end_of_passes.assign(never.end_of_passes)
    np.testing.assert_array_equal(memory, numpy(shorter(*TENSORS, facts_mask=MASK))["memory"])


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


def test_more_padding_changes_nothing():
    layer = make(learned_stop=True)
    longer = np.concatenate([FACTS, 7 * random(B, 2, U)], axis=1)
    mask = np.concatenate([fact_mask(), np.zeros((B, 2), bool)], axis=1)
    padded = numpy(layer(ops.convert_to_tensor(longer), TENSORS[1], facts_mask=ops.convert_to_tensor(mask)))
    assert np.all(padded["gates"][..., F:] == 0)
    padded["gates"] = padded["gates"][..., :F]
    assert_equal_dicts(padded, numpy(layer(*TENSORS, facts_mask=MASK)), atol=1e-6)


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


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@each_setting
def test_mixed_precision_is_finite_with_float32_gates(policy, setting):
    outputs = make(**setting, dtype=policy)(*TENSORS, facts_mask=MASK)
    for name, x in outputs.items():
        assert keras.backend.standardize_dtype(x.dtype) == (policy[6:] if name == "memory" else "float32")
    assert all(np.isfinite(x).all() for x in numpy(outputs).values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, "units must be a positive integer. Received: units=0"),
        ({"num_passes": 0}, "num_passes must be a positive integer. Received: num_passes=0"),
        ({"num_heads": 0}, "num_heads must be a positive integer. Received: num_heads=0"),
        ({"gate": "relu"}, "gate must be one of sigmoid, softmax. Received: 'relu'"),
        ({"episode": "gru"}, "episode must be one of mix, update, soft. Received: 'gru'"),
        ({"memory_update": "rnn"}, "memory_update must be one of gru, relu. Received: 'rnn'"),
        ({"gate_features": ["question*fact"]}, "gate_features must be one of fact, .* Received: 'question.fact'"),
        ({"gate_features": []}, r"features must name at least one term. Received: features=\(\)"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        EpisodicMemory(**{"units": U, **arguments})


def test_error_of_sizes():
    message = (
        rf"facts and question must have the last dimension units={U}. Received: "
        r"facts.shape=\(2, 5, 3\), question.shape=\(2, 4\)"
    )
    with pytest.raises(ValueError, match=message):
        EpisodicMemory(U)(ops.ones((2, 5, 3)), ops.ones((2, 4)))


def test_default_features_are_the_nine_of_2015():
    assert EpisodicMemory(U).gate_features == DMN_FEATURES
    assert len(DMN_FEATURES) == 9
