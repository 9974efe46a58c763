"""The sums over runs of text tasks, and their cards."""

import json

import pytest

from benchmarks import base, texts
from dmn_keras import TextClassifier, cli
from dmn_keras.datasets import Source
from dmn_keras.training.trainer import train
from tests.training.runs import eagerly, in_eager_steps, without_tracing

pytestmark = [without_tracing, in_eager_steps]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of the data, and those of two runs."""
    folder = tmp_path_factory.mktemp("texts")
    trees = "(4 (2 A) (4 (4 lovely) (2 film)))\n(0 (2 A) (0 (0 dull) (2 film)))\n(4 (4 Lovely) (2 !))\n"
    for name in ("train", "dev", "test"):
        (folder / f"{name}.txt").write_text(trees)
    sizes = {"units": 4, "embedding_dim": 4, "gate_units": 4, "num_buckets": 1, "epochs": 1, "num_passes": 1}
    for seed in (0, 1):
        config = TextClassifier.default_config.replace(**sizes, seed=seed)
        with eagerly():
            train(Source("sst", ("all",), str(folder), "binary"), config, folder / f"seed{seed}", verbose=0)
    return folder, [folder / "seed0", folder / "seed1"]


def test_runs_are_summed_up_beside_the_majority(runs, tmp_path):
    data, folders = runs
    file = tmp_path / "results.json"
    texts.main(["collect", *map(str, folders), "--data-dir", str(data), "--json", str(file)])
    content = json.loads(file.read_text())["configs"]["binary"]
    assert content["majority"] == 66.67
    one_pass = content["passes"]["1"]
    assert [row["seed"] for row in one_pass["runs"]] == [0, 1]
    accuracies = [row["accuracy"] for row in one_pass["runs"]]
    assert one_pass["median"] == sum(accuracies) / 2
    assert str(data) not in file.read_text()
    texts.main(["speed", str(folders[0]), "--data-dir", str(data), "--json", str(file)])
    assert json.loads(file.read_text())["speed"]["words_per_second"] > 0


def test_a_saved_run_answers_and_has_a_card(runs, tmp_path):
    data, folders = runs
    texts.main(["save", str(folders[0]), str(tmp_path / "sst-binary")])
    card = (tmp_path / "sst-binary" / "README.md").read_text()
    assert card.startswith("# sst-binary\n")
    assert "--set units=4" in card
    assert str(data) not in card + (tmp_path / "sst-binary" / "config.json").read_text()
    answers = [
        TextClassifier.from_preset(path).predict([{"text": "A film"}]) for path in (folders[0], tmp_path / "sst-binary")
    ]
    assert answers[0] == answers[1]
    command = f"evaluate {tmp_path}/sst-binary --dataset sst --config binary --data-dir {data}"
    assert cli.main([*command.split(), "--json", str(tmp_path / "out.json")]) == 0
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["metrics"].keys() == {"accuracy"}
    assert content["examples"] == 3


def test_the_table_is_made_of_the_measured_files():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in texts.table().splitlines()[2:]]
    measured = {
        f"`{config}`": of_config
        for name in texts.RESULTS
        for content in base.results(f"results/{name}")
        for config, of_config in content["configs"].items()
    }
    assert sum(len(of_config["passes"]) for of_config in measured.values()) == len(rows)
    for task, passes, median, seeds, majority, *_ in rows:
        of_config = measured[task.split()[-1]]
        assert median == f"**{of_config['passes'][passes]['median']:.2f}**"
        assert len(seeds.split(", ")) == len(of_config["passes"][passes]["runs"])
        assert float(majority) < float(median.strip("*"))
