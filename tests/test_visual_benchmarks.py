"""The benchmark of visual questions, and the cards of the models that it trained."""

import json
import pathlib

import keras
import pytest

from benchmarks import served_answers, visual_questions
from dmn_keras import VisualQuestionAnswerer
from dmn_keras.datasets import Source
from dmn_keras.tasks.pretrained import pretrained_folder
from tests.images import questions
from tests.training.runs import eagerly, without_tracing

ROOT = pathlib.Path(__file__).parents[1]
PRESETS = ("easy-vqa", "sort-of-clevr")


@without_tracing
def test_the_best_epoch_is_kept_and_measured(tmp_path):
    parts = {"train": questions(8), "valid": questions(4, seed=1)}
    sizes = {"image_size": 8, "convolutions": 1, "filters": 2, "units": 3, "epochs": 2, "num_buckets": 1}
    source = Source("easy_vqa", ("all",))
    with eagerly():
        vqa, row = visual_questions.train(parts, sizes, tmp_path, source)
        loaded = VisualQuestionAnswerer.from_preset(tmp_path)
        assert visual_questions.scores(loaded, parts["valid"]) == visual_questions.scores(vqa, parts["valid"])
    assert row["epochs"] == 2
    assert 1 <= row["best_epoch"] <= 2
    assert row["parameters"] == loaded.network.count_params()
    assert json.loads((tmp_path / "config.json").read_text())["source"] == source.to_dict()
    assert not list(tmp_path.glob("best*"))
    if keras.backend.backend() == "tensorflow":
        assert served_answers.served_milliseconds(vqa, parts["valid"][:2]) > 0


def test_without_the_image_the_commonest_answer_is_given():
    train = [*questions(8), *[e for e in questions(8) if e.answer == "blue"] * 9]
    baseline = visual_questions.question_only(train, questions(8))
    asked = [e for e in questions(8) if e.task == "color"]
    share = 100 * sum(e.answer == "blue" for e in asked) / len(asked)
    assert baseline["color"] == round(share, 2)


def test_the_median_is_over_seeds():
    rows = [{"seed": seed, "accuracy": accuracy} for seed, accuracy in ((2, 90.0), (1, 99.0), (3, 98.0))]
    content = visual_questions.summary("easy_vqa", rows, {"accuracy": 60.0})
    assert content["median"] == {"accuracy": 98.0}
    assert [row["seed"] for row in content["runs"]] == [1, 2, 3]


@pytest.mark.parametrize("name", PRESETS)
def test_a_card_has_the_measured_numbers(name):
    content = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text(encoding="utf-8"))
    card = (pretrained_folder(name) / "README.md").read_text(encoding="utf-8")
    seed = json.loads((pretrained_folder(name) / "config.json").read_text())["config"]["trainer"]["seed"]
    [row] = [row for row in content["runs"] if row["seed"] == seed]
    for metric, baseline in content["question_only"].items():
        assert f"{row[metric]:.2f}" in card
        assert f"{baseline:.2f}" in card
    assert f"{row['parameters']:,} parameters" in card
