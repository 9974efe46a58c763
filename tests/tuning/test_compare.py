import json
import statistics

import pytest

from dmn_keras.losses import AnswerCrossentropy
from dmn_keras.tasks.config import NAMED_SETTINGS
from dmn_keras.training import reproduce
from tests.training.runs import TINY, in_eager_steps, snapshot, tensorflow_only, tiny, without_tracing
from tests.tuning.searches import write_data
from tuning import compare

pytestmark = [tensorflow_only, without_tracing, in_eager_steps]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = write_data(tmp_path_factory.mktemp("data") / "own")
    for path in folder.glob("*.jsonl"):  # every other question is of another task
        records = [json.loads(line) for line in path.read_text().splitlines()]
        for number, record in enumerate(records):
            record["task"] = ("odd", "even")[number % 2]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


@pytest.fixture
def found(tmp_path):
    """Files of two searches, one a task."""
    for task, units in (("odd", 5), ("even", 6)):
        content = {
            "settings": tiny(units=units, epochs=2).to_dict(),
            "search": {"tasks": [task]},
            "validation_error": 12.5,
        }
        (tmp_path / f"{task}.json").write_text(json.dumps(content))
    return tmp_path


def arguments(data, found, *more, tasks=None, files=("odd", "even"), seeds="0,1"):
    words = ["--dataset", "jsonl", "--data-dir", str(data), "--seeds", seeds, "--epochs", "1"]
    words += ["--output", str(found / "out"), "--found", *(str(found / f"{name}.json") for name in files)]
    return [*words, *(["--tasks", tasks] if tasks else []), *more]


@pytest.fixture(autouse=True)
def _small_default(monkeypatch):
    """The default model takes longer than these tests: a tiny one in its place."""

    def plan(table, data_dir):
        runs = original(table, data_dir)
        small = {**NAMED_SETTINGS["_plain"], **TINY}
        del small["epochs"]
        return [(f, t, c.replace(**small) if f.parts[0].startswith("default") else c) for f, t, c in runs]

    original = reproduce.plan
    monkeypatch.setattr(reproduce, "plan", plan)


def test_found_beside_the_default(data, found, capsys):
    file = found / "comparison.json"
    assert compare.main(arguments(data, found, "--json", str(file))) == 0
    content = json.loads(file.read_text())
    assert list(content["tasks"]) == ["odd", "even"]
    assert content["epochs"] == {task: {"default": 1, "found": 2} for task in ("odd", "even")}
    for task, units in (("odd", 5), ("even", 6)):
        row = content["tasks"][task]
        for side in ("default", "found"):
            errors = []
            for seed in range(2):
                run = found / "out" / f"{side}-{task}" / f"seed{seed}" / task
                errors.append(json.loads((run / "metrics.json").read_text())["tasks"][task]["error"])
                config = json.loads((run / "config.json").read_text())["config"]
                assert config["model"]["units"] == (units if side == "found" else TINY["units"])
                assert config["trainer"]["seed"] == seed
            assert row[side]["errors"] == errors
            assert len(row[side]["cpu_minutes"]) == 2
        assert row["validation_error_of_search"] == 12.5
    lines = capsys.readouterr().out.strip().splitlines()[-4:]
    assert lines[0].startswith("| task | default, median error, % | found, median error, % | default, CPU min |")
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| odd", "| even"]
    error = statistics.median(content["tasks"]["odd"]["found"]["errors"])
    assert f"{error:.1f} (" in lines[2]
    before = snapshot(found / "out")
    assert compare.main(arguments(data, found)) == 0, "what has finished is not trained again"
    assert snapshot(found / "out") == before


def test_a_configuration_that_diverges_is_said_to(data, found, monkeypatch, capsys):
    monkeypatch.setattr(AnswerCrossentropy, "call", lambda self, y_true, y_pred: y_pred[..., 0] * float("nan"))
    assert compare.main(arguments(data, found, tasks="odd", seeds="0")) == 0
    assert "| odd | diverged | diverged | - | - |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"files": ("odd", "odd")}, "--found names two configurations for task odd"),
        ({"files": ("odd",), "tasks": "odd,even"}, "--found has no configuration for task even"),
        ({"files": ("none",)}, "none.json"),
        ({"seeds": "0,x"}, "--seeds must be whole numbers, each once: 0,1,2. Received: '0,x'"),
        ({"seeds": "1,1"}, "--seeds must be whole numbers"),
    ],
)
def test_a_mistake_is_told(options, message, data, found, capsys):
    assert compare.main(arguments(data, found, **options)) == 2
    assert message in capsys.readouterr().err
    assert not (found / "out").exists()


@pytest.mark.parametrize("content", [{"settings": {"unit": 3}}, {"settings": {"units": 3}}])
def test_a_file_that_no_search_wrote(content, data, found, capsys):
    (found / "odd.json").write_text(json.dumps(content))
    assert compare.main(arguments(data, found)) == 2
    assert "odd.json is not a file that a search wrote" in capsys.readouterr().err
