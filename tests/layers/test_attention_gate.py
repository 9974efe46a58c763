import numpy as np
import pytest
from keras import ops

from dmn_keras.layers import DMN_FEATURES, DMN_PLUS_FEATURES, AttentionGate
from tests.layers.helpers import gate_weights, gradients, numpy, randomize, weighted_sum
from tests.layers.registry import B, F, U, fact_mask, random
from tests.reference import attention

INPUTS = {"facts": random(B, F, U), "question": random(B, U, seed=1), "memory": random(B, U, seed=2)}
TENSORS = {name: ops.convert_to_tensor(x) for name, x in INPUTS.items()}
MASK = ops.convert_to_tensor(fact_mask())
CASES = [(features, kind) for features in (DMN_FEATURES, DMN_PLUS_FEATURES) for kind in ("sigmoid", "softmax")]
CASES += [((name,), "sigmoid") for name in DMN_FEATURES]


def make(features=DMN_FEATURES, activation="sigmoid"):
    gate = AttentionGate(6, activation=activation, features=features)
    gate(**TENSORS)
    return randomize(gate)


def reference(gate, mask):
    weights = gate_weights(gate)
    rows = []
    for facts, question, memory, real in zip(*INPUTS.values(), mask, strict=True):
        logits = attention.gate_logits(facts, question, memory, gate.features, weights)
        rows.append(attention.gates(logits, real, gate.activation))
    return np.stack(rows)


@pytest.mark.parametrize(("features", "activation"), CASES)
def test_gates_are_those_of_the_equations(features, activation):
    gate = make(features, activation)
    np.testing.assert_allclose(numpy(gate(**TENSORS)), reference(gate, np.ones((B, F))), atol=1e-6)
    masked = numpy(gate(**TENSORS, facts_mask=MASK))
    np.testing.assert_allclose(masked, reference(gate, fact_mask()), atol=1e-6)
    assert np.all(masked[~fact_mask()] == 0)


def test_softmax_gates_do_not_overflow():
    gate = make(activation="softmax")
    gate.output_kernel.assign(1e4 * np.ones(gate.output_kernel.shape))
    gates = numpy(gate(**TENSORS, facts_mask=MASK))
    assert np.isfinite(gates).all()
    np.testing.assert_allclose(gates.sum(axis=1), 1, atol=1e-6)


def test_equal_fact_and_question_have_a_finite_gradient():
    gate = make(("|fact-question|", "|fact-memory|"))
    same = np.ones((1, 2, U), "float32")

    def function(facts):
        facts = ops.convert_to_tensor(facts)
        return weighted_sum(gate(facts, facts[:, 0], facts[:, 1]))

    assert all(np.isfinite(g).all() for g in gradients(function, [same], gate.weights))


def test_errors():
    with pytest.raises(ValueError, match=r"features must name at least one term. Received: features=\(\)"):
        AttentionGate(3, features=[])
    message = (
        r"facts, question and memory must have the same last dimension. Received: "
        r"facts.shape=\(2, 5, 4\), question.shape=\(2, 3\), memory.shape=\(2, 4\)"
    )
    with pytest.raises(ValueError, match=message):
        AttentionGate(3)(ops.ones((2, 5, 4)), ops.ones((2, 3)), ops.ones((2, 4)))
