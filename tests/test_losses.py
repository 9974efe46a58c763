import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.losses import AnswerCrossentropy, GateCrossentropy, LabelCrossentropy
from dmn_keras.metrics import AnswerAccuracy, LabelAccuracy
from tests.layers.helpers import gradients, numpy

RNG = np.random.default_rng(0)


def log_softmax(logits):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_one_word_answers(shape):
    logits, words = RNG.normal(size=(5, 7)).astype("float32"), np.array([3, 1, 6, 2, 1])
    expected = -np.mean([log_softmax(row)[word] for row, word in zip(logits, words, strict=True)])
    assert float(AnswerCrossentropy()(words.reshape(shape), logits)) == pytest.approx(expected, rel=1e-5)


def test_the_words_of_an_answer_add_up_and_padding_does_not():
    logits, words = RNG.normal(size=(3, 4, 6)).astype("float32"), np.array([[3, 2, 0, 0], [4, 5, 3, 2], [2, 0, 0, 0]])
    log_p = log_softmax(logits)
    expected = -sum(log_p[b, t, w] for b, row in enumerate(words) for t, w in enumerate(row) if w) / 3
    assert float(AnswerCrossentropy()(words, logits)) == pytest.approx(expected, rel=1e-5)
    logits[words == 0] = 50 * RNG.normal(size=(5, 6))
    assert float(AnswerCrossentropy()(words, logits)) == pytest.approx(expected, rel=1e-5)


def test_sample_weights_make_rows_count():
    logits, words = RNG.normal(size=(4, 7)).astype("float32"), np.array([3, 1, 6, 2])
    weights = np.float32([2.0, 0.0, 2.0, 0.0])
    expected = np.mean(weights * [-log_softmax(row)[word] for row, word in zip(logits, words, strict=True)])
    assert float(AnswerCrossentropy()(words, logits, sample_weight=weights)) == pytest.approx(expected, rel=1e-5)


def test_large_logits_are_no_trouble():
    logits = np.float32([[1000.0, -1000.0, 0.0]])
    assert float(AnswerCrossentropy()(np.array([1]), logits)) == pytest.approx(2000.0)


GATES = np.float32([[[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]], [[0.1, 0.6, 0.3], [0.9, 0.05, 0.05]]])
TARGETS = np.float32([[[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]], [[1.0, 0.0, 0.0], [-1.0, -1.0, -1.0]]])


LOGITS = {"softmax": np.log(GATES) + 3, "sigmoid": np.log(GATES) - np.log1p(-GATES)}


def test_softmax_gates():
    expected = -(0.5 * np.log(0.7) + 0.5 * np.log(0.2) + np.log(0.3) + np.log(0.1)) / 2
    assert float(GateCrossentropy()(TARGETS, LOGITS["softmax"])) == pytest.approx(expected, rel=1e-5)


def test_sigmoid_gates():
    expected = 0.0
    for gate, target in zip(GATES.ravel(), TARGETS.ravel(), strict=True):
        if target >= 0:
            expected -= target * np.log(gate) + (1 - target) * np.log(1 - gate)
    assert float(GateCrossentropy("sigmoid")(TARGETS, LOGITS["sigmoid"])) == pytest.approx(expected / 2, rel=1e-5)


def test_stops():
    stops, targets = np.float32([[0.2, 0.9], [0.5, 0.5]]), np.float32([[0.0, 1.0], [-1.0, -1.0]])
    expected = -(np.log(0.8) + np.log(0.9)) / 2
    logits = np.log(stops) - np.log1p(-stops)
    assert float(GateCrossentropy("sigmoid")(targets, logits)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_padded_facts_and_unknown_targets_cost_nothing(activation):
    loss = GateCrossentropy(activation)
    logits, padding = LOGITS[activation], ((0, 0), (0, 0), (0, 2))
    alone = float(loss(TARGETS, logits))
    padded = np.pad(logits, padding, constant_values=-1e9)
    for target in (0.0, -1.0):
        targets = np.pad(TARGETS, padding, constant_values=target)
        assert float(loss(targets, padded)) == pytest.approx(alone, rel=1e-5)
    assert float(loss(np.full_like(TARGETS, -1.0), logits)) == 0.0


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("target", [-1.0, 0.0, 0.5, 1.0])
def test_value_and_gradient_are_finite_at_the_ends(activation, target):
    gates = np.float32([[[-40.0, 40.0, 0.0]]])
    targets = np.full_like(gates, target)
    loss = GateCrossentropy(activation)
    assert np.isfinite(float(loss(targets, gates)))
    [gradient] = gradients(lambda x: loss(targets, x), [gates])
    assert np.isfinite(gradient).all()
    assert gradient.any() == (target > 0 or (target == 0 and activation == "sigmoid"))


def test_half_precision_predictions_give_a_finite_loss():
    gates = ops.cast(np.float32([[[-50.0, 50.0]]]), "float16")
    for activation in ("softmax", "sigmoid"):
        assert np.isfinite(numpy(GateCrossentropy(activation)(np.float32([[[1.0, 0.0]]]), gates)))


def test_unknown_activation():
    with pytest.raises(ValueError, match=r"activation must be one of .*Received: .*relu"):
        GateCrossentropy("relu")


def test_losses_survive_serialisation():
    for loss in (AnswerCrossentropy(), GateCrossentropy("sigmoid")):
        again = keras.losses.deserialize(keras.losses.serialize(loss))
        assert again.get_config() == loss.get_config()
    assert again.activation == "sigmoid"


def loss_of(targets, logits):
    return float(AnswerCrossentropy()(targets, logits))


@pytest.mark.parametrize("function", [loss_of, lambda *batch: AnswerAccuracy().update_state(*batch)])
@pytest.mark.parametrize(
    ("targets", "logits"),
    [((5, 7), (5, 7)), ((4,), (5, 7)), ((5, 1, 1), (5, 7)), ((5,), (5, 3, 7)), ((5, 1), (5, 3, 7)), ((5, 3, 7),) * 2],
)
def test_targets_of_another_shape_are_refused(function, targets, logits):
    with pytest.raises(ValueError, match="y_true must hold the ids of words") as error:
        function(np.ones(targets, "int32"), np.ones(logits, "float32"))
    assert str(error.value).endswith(f"Received: y_true.shape={targets}, y_pred.shape={logits}")


@pytest.mark.parametrize("target", [7, -1, 1.5])
def test_a_number_that_is_no_id_gives_no_number(target):
    assert np.isnan(loss_of(np.array([2, target]), np.ones((2, 7), "float32")))


@pytest.mark.parametrize(("labels", "logits"), [((4, 4), (4, 4)), ((8, 3), (8, 3)), ((6,), (2, 3, 4))])
@pytest.mark.parametrize("function", [LabelCrossentropy(), LabelAccuracy()])
def test_labels_of_another_shape_are_refused(function, labels, logits):
    with pytest.raises(ValueError, match="y_true must hold the numbers of classes") as error:
        function(np.ones(labels, "int32"), np.ones(logits, "float32"))
    assert str(error.value).endswith(f"Received: y_true.shape={labels}, y_pred.shape={logits}")


@pytest.mark.parametrize("shape", [(5,), (5, 2)])
def test_labels_may_have_a_further_axis(shape):
    logits, labels = RNG.normal(size=(*shape, 4)).astype("float32"), RNG.integers(0, 4, shape)
    for function in (LabelCrossentropy(), LabelAccuracy()):
        assert float(function(labels[..., None], logits)) == pytest.approx(float(function(labels, logits)))


def test_labels_that_are_none_cost_nothing():
    logits, labels = RNG.normal(size=(3, 2, 4)).astype("float32"), np.array([[3, -1], [0, 2], [4, 1]])
    log_p = log_softmax(logits)
    expected = -(log_p[0, 0, 3] + log_p[1, 0, 0] + log_p[1, 1, 2] + log_p[2, 1, 1]) / 3
    assert float(LabelCrossentropy()(labels, logits)) == pytest.approx(expected, rel=1e-5)
    expected = -(log_p[0, 0, 3] + log_p[1, 0, 0]) / 3
    assert float(LabelCrossentropy()(labels[:, 0], logits[:, 0])) == pytest.approx(expected, rel=1e-5)
