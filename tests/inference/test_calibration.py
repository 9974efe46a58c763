import json

import numpy as np
import pytest

from dmn_keras.datasets import train_and_validation
from dmn_keras.inference.calibration import calibrate, measure, plot_reliability
from dmn_keras.tasks.question_answering import Calibration, QuestionAnswerer
from dmn_keras.training.run_folder import RunFolder
from tests.layers.helpers import randomize
from tests.training.runs import eagerly, own_data, snapshot, tiny_task, without_tracing

pytestmark = without_tracing


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_fit_finds_the_map_that_the_answers_follow():
    rng = np.random.default_rng(0)
    log_odds = rng.normal(2, 3, 20_000)
    right = rng.random(20_000) < sigmoid(0.6 * log_odds - 0.8)
    fitted = Calibration.fit(sigmoid(log_odds), right)
    assert fitted.scale == pytest.approx(0.6, abs=0.03)
    assert fitted.shift == pytest.approx(-0.8, abs=0.06)
    assert fitted.confidence(0.9) == pytest.approx(sigmoid(0.6 * np.log(9) - 0.8), abs=0.02)
    assert measure(fitted, sigmoid(log_odds), right)["calibration_error"] < 2


def test_answers_that_can_be_told_apart_exactly_have_a_finite_fit():
    fitted = Calibration.fit([0.0, 0.1, 0.2, 0.8, 0.9, 1.0], [0, 0, 0, 1, 1, 1])
    assert fitted.confidence(0.1) < 0.2
    assert fitted.confidence(0.9) > 0.8


@pytest.mark.parametrize("right", [[1, 1], [0, 0], []])
def test_answers_of_one_kind_teach_nothing(right):
    with pytest.raises(ValueError, match=r"right must hold right and wrong answers\. Received one kind alone"):
        Calibration.fit([0.5] * len(right), right)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scale": np.nan}, "scale must be a finite number. Received: scale=nan"),
        ({"shift": "1"}, "shift must be a finite number. Received: shift='1'"),
        ({"threshold": 1.5}, "threshold must be a number between 0 and 1. Received: threshold=1.5"),
    ],
)
def test_arguments_are_checked(values, message):
    with pytest.raises(ValueError, match=message):
        Calibration(**{"scale": 1.0, "shift": 0.0, **values})


def test_measure():
    measured = measure(Calibration(1.0, 0.0), [0.05, 0.41, 0.45, 0.91, 0.93, 0.99], [0, 1, 0, 1, 1, 1])
    bins = measured.pop("bins")
    assert [row["questions"] for row in bins] == [1, 2, 3]
    assert [row["right"] for row in bins] == [0, 50, 100]
    assert [row["confidence"] for row in bins] == pytest.approx([5, 43, 94.333], abs=1e-3)
    assert measured.pop("calibration_error") == pytest.approx((5 + 2 * 7 + 3 * 5.667) / 6, abs=1e-3)
    assert measured == {"questions": 6, "right": 66.667, "answered": 50.0, "right_of_answered": 100.0}
    assert measure(Calibration(1.0, 0.0, threshold=1.0), [0.5], [1])["right_of_answered"] is None
    assert measure(Calibration(1.0, 0.0), np.zeros(0), [])["questions"] == 0


@pytest.fixture
def run(tmp_path):
    """A run with random weights, a few of whose answers are right."""
    source = own_data(tmp_path / "data")
    made = RunFolder(tmp_path / "run")
    with eagerly():
        qa = tiny_task(source.load("train")["all"])
        randomize(qa.network)
        qa.save_to_preset(made.path)
        train, valid = train_and_validation(source, validation_fraction=0.1, seed=0)
        yield made, (train, valid, source.load("test"))


@pytest.mark.slow
def test_a_run_is_calibrated_and_answers_by_it(run, tmp_path):
    folder, parts = run
    content = calibrate(folder, *parts, threshold=0.4)
    assert json.loads(folder.calibration.read_text()) == content
    assert content["threshold"] == 0.4
    assert content["test"]["whole"]["questions"] == 7
    assert content["validation"]["whole"]["questions"] == 6
    for part in ("validation", "test"):
        assert 0 < content[part]["needed facts removed"]["questions"] <= content[part]["whole"]["questions"]
    plot_reliability(content, tmp_path / "reliability.png")
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")

    answerer = QuestionAnswerer.from_preset(folder.path)
    answer = answerer.ask("Mary park. John home.", "Where is Mary?")
    expected = Calibration(content["scale"], content["shift"]).confidence(answer.probability)
    assert answer.confidence == pytest.approx(expected)
    assert answer.known == (answer.confidence >= 0.4)
    assert answerer.ask("Mary park.", "Where is Mary?", min_confidence=0.0).known
    assert not answerer.ask("Mary park.", "Where is Mary?", min_confidence=1.0).known
    with pytest.raises(ValueError, match="min_confidence must be a number between 0 and 1"):
        answerer.ask("Mary park.", "Where is Mary?", min_confidence=2)


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        (-1, r"threshold must be a number between 0 and 1\. Received: threshold=-1"),
        (0.5, r"run cannot be calibrated: its \d+ answers .* are all wrong"),
    ],
)
def test_a_run_that_cannot_be_calibrated_stays_as_it_is(threshold, message, run, monkeypatch):
    folder, parts = run
    before = snapshot(folder.path)
    monkeypatch.setattr(QuestionAnswerer, "is_right", lambda *_: False)
    with pytest.raises(ValueError, match=message):
        calibrate(folder, *parts, threshold=threshold)
    assert snapshot(folder.path) == before


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"scale": "a", "shift": 0, "threshold": 0.5}'])
def test_a_damaged_calibration_is_named(content, tmp_path):
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(ValueError, match=r"calibration\.json is damaged"):
        Calibration.load(tmp_path / "calibration.json")
