import numpy as np
import pytest

from dmn_keras.metrics import AnswerAccuracy, LabelAccuracy


def logits(words, size=6):
    """Logits whose likeliest words are these."""
    return np.eye(size, dtype="float32")[np.array(words)] + np.float32(0.1)


def result(*batches):
    metric = AnswerAccuracy()
    for batch in batches:
        metric.update_state(*batch)
    return float(metric.result())


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_word(shape):
    assert result((np.array([1, 2, 3, 4]).reshape(shape), logits([1, 2, 3, 5]))) == pytest.approx(0.75)


def test_an_answer_is_right_if_every_word_is():
    right = np.array([[3, 4, 2], [3, 2, 0], [3, 4, 2], [3, 2, 0]])
    said = [[3, 4, 2], [3, 2, 5], [3, 5, 2], [3, 4, 2]]  # right; right up to its end; a wrong word; too long
    assert result((right, logits(said))) == pytest.approx(0.5)


def test_rows_that_fill_up_a_batch_do_not_count():
    assert result((np.array([1, 2, 0, 0]), logits([1, 3, 0, 0]))) == pytest.approx(0.5)
    assert result((np.array([[1, 2], [0, 0]]), logits([[1, 2], [5, 5]]))) == pytest.approx(1.0)


def test_weights_and_batches():
    assert result((np.array([1, 2]), logits([1, 3]), np.float32([3.0, 1.0]))) == pytest.approx(0.75)
    assert result((np.array([1]), logits([1])), (np.array([1, 2, 3]), logits([2, 3, 4]))) == pytest.approx(0.25)


def test_a_number_that_is_no_id_is_no_right_answer():
    assert result((np.float32([1.5, 1.0]), logits([1, 1]))) == pytest.approx(0.5)


def test_classes_of_words_count_and_padding_and_rows_of_weight_zero_do_not():
    metric = LabelAccuracy()
    classes = np.array([[1, 2, -1], [6, 0, -1], [3, 3, 3]])  # there is no class 6
    metric.update_state(classes, logits([[1, 3, 0], [5, 0, 2], [0, 0, 0]]), np.array([2.0, 0.5, 0.0]))
    assert float(metric.result()) == pytest.approx(2 / 4)
    metric.update_state(np.array([4, 1]), logits([4, 1]))
    assert float(metric.result()) == pytest.approx(4 / 6)
