import math

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.datasets import train_and_validation
from dmn_keras.metrics import AnswerAccuracy
from dmn_keras.tasks.config import TrainerConfig
from dmn_keras.training.callbacks import (
    BestWeights,
    EvaluationCheck,
    Progress,
    TrainingDivergedError,
    learning_rate,
    progress,
)
from dmn_keras.training.run_folder import RunFolder
from tests.training.runs import own_data, tiny_task


def judge(results, patience=4, stop_after_perfect_epochs=9):
    """Progress after epochs of these validation errors and losses."""
    history = [{"val_error": error, "val_loss": loss} for error, loss in results]
    return progress(history, TrainerConfig(patience=patience, stop_after_perfect_epochs=stop_after_perfect_epochs))


BETTER, WORSE = (0.4, 1.0), (0.6, 1.0)


@pytest.mark.parametrize(
    ("errors", "finished"), [([1, 0, 0], "solved"), ([0, 1, 0], None), ([0], None), ([0, 0], "solved")]
)
def test_solved_once_enough_epochs_in_a_row_have_no_error(errors, finished):
    assert judge([(error, 0.1) for error in errors], stop_after_perfect_epochs=2).finished == finished


@pytest.mark.parametrize(
    ("results", "patience", "expected"),
    [
        ([], 4, Progress(best_epoch=-1, waited=0, halvings=0, finished=None)),
        # The error decides, and the loss where errors are equal; the first of equals is the best.
        ([(0.5, 1.0), (0.4, 2.0)], 4, Progress(1, 0, 0)),
        ([(0.5, 1.0), (0.6, 0.1)], 4, Progress(0, 1, 0)),
        ([(0.5, 1.0), (0.5, 0.9)], 4, Progress(1, 0, 0)),
        ([(0.5, 1.0), (0.5, 1.0)], 4, Progress(0, 1, 0)),
        ([(0.5, 1.0), *[WORSE] * 2], 4, Progress(0, 2, 1)),
        ([(0.5, 1.0), *[WORSE] * 3], 4, Progress(0, 3, 1)),
        ([(0.5, 1.0), *[WORSE] * 4], 4, Progress(0, 4, 2, "patience")),
        ([(0.5, 1.0), *[WORSE] * 3, BETTER, WORSE], 4, Progress(4, 1, 1)),
        ([(0.5, 1.0), WORSE], 1, Progress(0, 1, 1, "patience")),
    ],
)
def test_progress_is_a_function_of_the_results(results, patience, expected):
    assert judge(results, patience) == expected


def test_epochs_of_a_linear_start_count_for_nothing():
    linear, after = ({"val_error": error, "val_loss": 1.0, "linear": error == 0} for error in (0, 0.5))
    trainer = TrainerConfig(patience=2, stop_after_perfect_epochs=2)
    assert progress([linear] * 5, trainer) == Progress(best_epoch=4, waited=0, halvings=0)
    assert progress([*[linear] * 5, after, after], trainer) == Progress(best_epoch=5, waited=1, halvings=1)


def test_the_learning_rate_is_halved_where_training_stalls():
    config = TrainerConfig(learning_rate=0.08, patience=4)
    history = [{"val_error": 0.5, "val_loss": 1.0}]
    assert learning_rate(config, []) == learning_rate(config, history) == 0.08
    assert learning_rate(config, history * 3) == 0.04
    assert learning_rate(config, history * 5) == 0.02


def test_the_learning_rate_follows_a_cosine_to_the_last_epoch():
    config = TrainerConfig(learning_rate=0.08, schedule="cosine", epochs=4, patience=4)
    history = [{"val_error": 0.5, "val_loss": 1.0}] * 4
    rates = [learning_rate(config, history[:epoch]) for epoch in range(5)]
    expected = [0.04 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(5)]
    assert rates == pytest.approx(expected)
    assert rates[0] == 0.08
    assert rates[4] == pytest.approx(0.0, abs=1e-9)
    late = config.replace({"constant_epochs": 2, "epochs": 6})
    assert [learning_rate(late, history[:1] * epoch) for epoch in range(7)] == pytest.approx([0.08, 0.08, *rates])


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_validation_loss_that_is_not_finite_keeps_nothing(loss, tmp_path):
    callback = BestWeights(RunFolder(tmp_path), TrainerConfig(), [])
    with pytest.raises(
        TrainingDivergedError, match=rf"The validation loss became {loss} in epoch 1, after its last batch"
    ):
        callback.on_epoch_end(0, {"loss": 1.0, "val_loss": loss, "val_accuracy": 0.5})
    assert callback.history == []
    assert list(tmp_path.iterdir()) == []


class WrongCompiled(AnswerAccuracy):
    """Right operation by operation, and wrong where it is compiled: a compiler's fault, made on purpose."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        every_answer_right = ops.argmax(y_pred, axis=-1)
        super().update_state(y_true if is_number(y_pred[0, 0]) else every_answer_right, y_pred, sample_weight)


def is_number(tensor):
    try:
        float(tensor)
    except TypeError:  # it stands for a number, in a function that is traced
        return False
    return True


@pytest.mark.parametrize("metric", [AnswerAccuracy, WrongCompiled])
def test_compiled_evaluation_that_is_wrong_stops_the_training(metric, tmp_path):
    if metric is WrongCompiled and keras.backend.backend() == "torch":
        pytest.skip("PyTorch compiles nothing")
    train, valid = train_and_validation(own_data(tmp_path / "data"), validation_fraction=0.1, seed=0)
    model = tiny_task(train["all"])
    model.compile("sgd", metrics={"answer": [metric()]})
    check = EvaluationCheck(model.batches(valid["all"]))
    check.set_model(model)
    before = [ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    if metric is AnswerAccuracy:
        check.on_epoch_end(0)
        for variable, value in zip(model.trainable_variables, before, strict=True):
            np.testing.assert_array_equal(ops.convert_to_numpy(variable), value)
        model.evaluate = None  # the second epoch is not checked
        check.on_epoch_end(1)
    else:
        with pytest.raises(RuntimeError, match=r"accuracy .* by evaluate and .* by the model's outputs .*docs/gpu.md"):
            check.on_epoch_end(0)
