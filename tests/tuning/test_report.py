import random

import pytest

from dmn_keras.utils.files import write_json
from tuning.folder import SearchFolder
from tuning.hypermodel import training_result
from tuning.report import configurations, draw, trial_table
from tuning.space import make_space, to_label

SPACE = make_space("small", choices={"units": [8, 16]})


def epoch(error, loss, **more):
    return {"val_error": error, "val_loss": loss, "seconds": 2.0, "cpu_seconds": 3.0, **more}


def add(folder, trial, status, score, histories, *, message=None, **labels):
    content = {
        "trial_id": trial,
        "status": status,
        "score": score,
        "message": message,
        "hyperparameters": {"values": {"preset": "fused", "units": "8", **labels}},
    }
    write_json(folder.tuner / f"trial_{trial}" / "trial.json", content)
    for seed, history in enumerate(histories):
        write_json(folder.run(trial, seed) / "history.json", history)


@pytest.fixture
def folder(tmp_path):
    folder = SearchFolder(tmp_path)
    add(folder, "0000", "COMPLETED", 0.5, [[epoch(0.5, 1.0)], [epoch(0.7, 1.0)]])
    add(folder, "0001", "COMPLETED", 0.2, [[epoch(0.4, 1.0), epoch(0.2, 1.0)], [epoch(0.2, 0.5), epoch(0.2, 0.6)]])
    add(folder, "0002", "FAILED", None, [], message="keras_tuner: The loss became nan | in epoch 1")
    add(folder, "0003", "RUNNING", None, [[epoch(0.1, 1.0)]])
    return folder


def test_the_best_epoch_counts_and_only_the_first_ones(tmp_path):
    write_json(tmp_path / "history.json", [epoch(0.5, 1.0, val_answer_loss=0.3), epoch(0.5, 0.9), epoch(0.1, 2.0)])
    two = {"error": 0.5, "loss": 0.9, "epochs": 2, "cpu_seconds": 6.0}
    assert training_result(tmp_path, 2) == two
    assert training_result(tmp_path, 1)["loss"] == 0.3
    assert training_result(tmp_path)["error"] == 0.1
    assert training_result(tmp_path / "nowhere", 2) is None
    write_json(tmp_path / "history.json", [epoch(0.1, 2.0, linear=1.0), epoch(0.5, 1.0, linear=0.0)])
    assert training_result(tmp_path)["error"] == 0.5, "nothing of a linear start is kept where more follows"


def test_configurations_best_first_and_those_without_a_result_last(folder):
    rows = configurations(folder, SPACE, (0, 1), 20)
    assert [row["trial"] for row in rows] == ["0001", "0000", "0002", "0003"]
    assert [row["error"] for row in rows] == [pytest.approx(0.2), pytest.approx(0.6), None, None]
    assert [row["status"] for row in rows] == ["done", "done", "failed", "cut off"]
    assert rows[2]["reason"] == "keras_tuner: The loss became nan | in epoch 1"
    write_json(folder.runs / "0002/failed.json", {"reason": "the loss became nan"})
    assert configurations(folder, SPACE, (0, 1), 20)[2]["reason"] == "the loss became nan"


def test_a_configuration_that_hyperband_goes_on_with_is_one_row(tmp_path):
    folder = SearchFolder(tmp_path)
    going_on = {"tuner/trial_id": "0000", "tuner/epochs": 3}
    add(folder, "0000", "COMPLETED", 0.5, [[epoch(0.5, 1.0), epoch(0.3, 1.0), epoch(0.4, 1.0)]], **{"tuner/epochs": 1})
    add(folder, "0001", "RUNNING", None, [], **going_on)
    [row] = configurations(folder, SPACE, (0,), 20)
    assert (row["trial"], row["error"], row["status"]) == ("0000", 0.5, "done")
    add(folder, "0001", "COMPLETED", 0.3, [], **going_on)
    [row] = configurations(folder, SPACE, (0,), 20)
    assert (row["trial"], row["first"], row["error"]) == ("0001", "0000", 0.3)
    add(folder, "0002", "FAILED", None, [], **{**going_on, "tuner/trial_id": "0001"})
    [row] = configurations(folder, SPACE, (0,), 20)
    assert (row["trial"], row["first"], row["error"]) == ("0001", "0000", 0.3)


def test_the_table(folder):
    lines = trial_table(configurations(folder, SPACE, (0, 1), 20), ["preset", "units", "dropout"]).splitlines()
    assert lines[0] == (
        "| trial | validation error, % | seeds, % | epochs | CPU min | preset | units | dropout | status |"
    )
    assert lines[2] == "| 0001 | 20.00 | 20.00, 20.00 | 2 | 0.2 | fused | 8 | - | done |"
    assert lines[4].endswith("| failed: keras_tuner: The loss became nan / in epoch 1 |")
    assert {line.count("|") for line in lines} == {10}


def test_a_picture_needs_two_results_that_differ(tmp_path):
    rng, rows, path = random.Random(0), [], tmp_path / "a.png"
    for number in range(5):
        labels = {name: to_label(value) for name, value in SPACE.sample(rng).items()}
        rows.append({"trial": str(number), "labels": labels, "error": number / 100})
    assert not draw(rows[:1], SPACE, path)
    assert not draw([{**rows[0], "trial": "9"}, rows[0]], SPACE, path)
    assert not draw([rows[0], *({**row, "error": None} for row in rows[1:])], SPACE, path)
    assert not path.exists()
    assert draw(rows, SPACE, path)
    assert path.stat().st_size > 10_000
