"""The benchmarks: scripts on tiny sizes, tables against the measured files."""

import argparse
import importlib
import importlib.util
import json
import pathlib
import shlex

import keras
import pytest

from benchmarks import (
    base,
    few_questions,
    invariance,
    long_stories,
    mixed_precision,
    model_cards,
    models,
    precision,
    recurrent_memory,
    served_answers,
    serving,
    tables,
    training_step,
)
from dmn_keras import cli
from dmn_keras.datasets import Source, registry, train_and_validation
from dmn_keras.inference.calibration import calibrate
from dmn_keras.serving import SAMPLES, export
from dmn_keras.tasks.config import RunConfig
from dmn_keras.tasks.question_answering import Answer, QuestionAnswerer
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.training.trainer import train
from dmn_keras.utils.settings import parse_settings
from tests.layers.helpers import randomize
from tests.training.runs import eagerly, in_eager_steps, own_data, tiny, tiny_task, without_tracing

ROOT = pathlib.Path(__file__).parents[1]
TINY = {"batch": 3, "facts": 4, "words": 5, "question_words": 2, "units": 6, "passes": 3, "vocabulary": 11}
tensorflow_alone = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exported by TensorFlow alone")


# The scripts


def written(script, file, printed):
    """What a script wrote, which holds how it was made, and whose table it printed."""
    result = json.loads(file.read_text())
    assert result["command"].startswith(f"python -m benchmarks.{script} ")
    assert result["machine"]["cores_used"] >= 1
    assert result["versions"]["backend"].startswith(keras.backend.backend())
    assert importlib.import_module(f"benchmarks.{script}").table(result) in printed
    return result


@without_tracing
@in_eager_steps
@pytest.mark.parametrize(
    ("script", "sizes", "facts", "peer", "option"),
    [
        (training_step, "--facts 2 3 --words 3 --passes 1", [2, 3], "peer", "--peer"),
        (recurrent_memory, "--cells ntm --steps 3 --slots 5 --width 3", [None], "ntm", "--peers ntm"),
    ],
)
def test_a_training_step_is_measured(script, sizes, facts, peer, option, tmp_path, capsys, monkeypatch):
    """Here on the threads that there are; the test of long stories starts a process with one."""
    if keras.backend.backend() == "torch":
        pytest.skip("measures TensorFlow and JAX")
    monkeypatch.setattr(script, "use_one_thread", lambda backend: None)
    file, has_peer = tmp_path / "sub" / "file.json", importlib.util.find_spec("torch")
    options = f"--backend {keras.backend.backend()} --batch-size 2 --units 4 --repeats 3 {sizes} --json {file}"
    script.main([*options.split(), *(option.split() if has_peer else [])])
    rows = written(script.__name__.partition(".")[2], file, capsys.readouterr().out)["rows"]
    assert [row.get("facts") for row in rows] == facts
    for row in rows:
        assert row["step"]["cpu_ms"] == sorted(row["step"]["all_cpu_ms"])[1]
        assert not has_peer or row[f"of_{peer}"] == round(row["step"]["cpu_ms"] / row[peer]["cpu_ms"], 2)


@without_tracing
@in_eager_steps
def test_long_stories_are_measured(tmp_path, capsys, monkeypatch):
    """The first in a process of its own, as both are without this test."""
    backend, file, start = keras.backend.backend(), tmp_path / "long.json", base.in_process
    if backend == "torch":
        pytest.skip("measures TensorFlow and JAX")

    def in_process(script, option, one):
        settings = json.loads(one)
        return long_stories.measure(**settings) if settings["recompute"] else start(script, option, one)

    monkeypatch.setattr(base, "in_process", in_process)
    monkeypatch.setattr(training_step, "use_one_thread", lambda backend: None)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    long_stories.main(["--backend", backend, "--facts", "3", "--units", "4", "--json", str(file)])
    rows = written("long_stories", file, capsys.readouterr().out)["rows"]
    assert [(row["facts"], row["recompute"]) for row in rows] == [(3, False), (3, True)]
    assert all(row["us_a_fact"] == pytest.approx(1000 * row["ms"] / 12, abs=10) for row in rows)


def test_the_peer_learns():
    pytest.importorskip("torch")
    from benchmarks import peer

    step = peer.training_step(TINY, TINY["facts"])
    losses = [step() for _ in range(200)]
    assert losses[-1] < 0.5 * losses[0]  # one batch each time


def test_the_peer_ntm_learns():
    torch = pytest.importorskip("torch")
    from benchmarks.peer_ntm import PeerNTM

    torch.manual_seed(0)
    model = PeerNTM(4, 3, units=8, slots=5, width=3)
    step = recurrent_memory.peer_step(model, {"batch_size": 4, "steps": 3}, bits=3, learning_rate=0.02)
    losses = [step() for _ in range(200)]
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.grad.abs().max() > 0 for parameter in model.parameters())


@without_tracing
def test_mixed_precision_trains_under_each_policy(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    monkeypatch.setattr(registry, "STORIES_NUM_EXAMPLES", {"train": 40, "valid": 10, "test": 10})
    file = tmp_path / "mixed.json"
    small = ["--set", "epochs=1", "--set", "units=4", "--set", "num_passes=1", "--set", "num_buckets=1"]
    options = ["--backend", keras.backend.backend(), "--tasks", "two facts", "--seeds", "1", *small]
    with eagerly():
        mixed_precision.main([*options, "--json", str(file)])
    result = written("mixed_precision", file, capsys.readouterr().out)
    assert [row["policy"] for row in result["rows"]] == list(mixed_precision.POLICIES)
    assert all(len(row["errors"]) == len(row["losses"]) == 1 for row in result["rows"])
    assert len({tuple(row["losses"]) for row in result["rows"]}) == 3


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run folder whose weights are random: its answers are as good as any to be compared, and none is a tie."""
    source = Source("stories", ("two-supporting-facts",))
    qa = tiny_task(source.load("test")[source.tasks[0]][:200], units=64)
    randomize(qa.network)
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "two")
    folder.save(qa, source=source.to_dict())
    return folder


def test_answers_that_depend_on_the_batch_are_counted(run_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(invariance, "exported", lambda *_: {})  # tests/serving exports models
    file = tmp_path / "invariance.json"
    options = ["--questions", "9", "--batch-sizes", "4", "--json", str(file)]
    assert invariance.main([str(run_folder.path), *options]) == 0
    result = written("invariance", file, capsys.readouterr().out)
    variants = result["runs"]["two"]["variants"]
    assert [variant["name"] for variant in variants] == ["batches of 4", "in reversed order", "ask"]
    assert (result["runs"]["two"]["questions"], result["changed"]) == (9, 0)
    assert max(variant["gate_difference"] for variant in variants) < 1e-5

    def answer(word, gate):
        return Answer(word, 0.5, ("", ""), ((gate, gate),), ())

    found = invariance.compare("x", [answer("a", 0.25), answer("b", 0.25)], [answer("a", 0.5), answer("c", 0.25)])
    assert found == {"name": "x", "changed": 1, "gate_difference": 0.25, "probability_difference": 0.0}
    monkeypatch.setattr(invariance, "measure", lambda *_: {"questions": 2, "variants": [found]})
    assert invariance.main([str(run_folder.path)]) == 1


@without_tracing
def test_a_calibrated_run_becomes_a_pretrained_model(tmp_path):
    source = own_data(tmp_path / "data")
    run = RunFolder(tmp_path / "run")
    with eagerly():
        train(source, tiny(epochs=3, learning_rate=0.03), run.path, verbose=0)
        with pytest.raises(FileNotFoundError, match=r"calibration\.json is missing: .*calibrate it"):
            model_cards.save_pretrained(run.path, tmp_path / "pretrained")
        assert not (tmp_path / "pretrained").exists()
        parts = train_and_validation(source, validation_fraction=0.1, seed=0)
        calibrate(run, *parts, source.load("test"))
        renamed = tmp_path / "renamed.json"
        renamed.write_text('{"tasks": {"all": {"error": 12.5}}, "mean_error": 12.5, "failed": 1}')
        more = ["--start-from", "babi-joint", "--new", str(renamed)]
        model_cards.main([str(run.path), str(tmp_path / "pretrained"), *more])
        asked = "Mary park. John home.", "Where is John?"
        answers = [QuestionAnswerer.from_preset(path).ask(*asked) for path in (tmp_path / "pretrained", run.path)]
    assert answers[0] == answers[1]
    assert answers[0].confidence is not None
    assert {path.name for path in (tmp_path / "pretrained").iterdir()} == {*model_cards.FILES, "README.md"}
    assert RunFolder(tmp_path / "pretrained").source().data_dir is None
    [error] = [row["error"] for row in json.loads(run.metrics.read_text())["tasks"].values()]
    card = (tmp_path / "pretrained" / "README.md").read_text()
    assert f"| all | {error:.1f} | 7 |" in card
    assert 'QuestionAnswerer.from_preset("pretrained")' in card
    assert "It started from the weights of `babi-joint`." in card
    assert "| names never seen | 12.50 | 1 |" in card
    assert "names never seen, task all: 12.5" in card


def test_models_are_measured(tmp_path, capsys):
    file = tmp_path / "models.json"
    models.main(["--questions", "4", "--models", "memn2n", "--json", str(file)])
    [row] = written("models", file, capsys.readouterr().out)["rows"]
    assert row["model"] == "memn2n"
    assert row["answers_a_second"] > 0
    assert 1000 < row["parameters"] < 10_000


# Serving


@tensorflow_alone
def test_one_answer_of_an_exported_model_is_timed(tmp_path, capsys):
    file = tmp_path / "served_answers.json"
    served_answers.main(["--models", "sort-of-clevr", "--examples", "3", "--json", str(file)])
    [row] = written("served_answers", file, capsys.readouterr().out)["rows"]
    assert row["model"] == "sort-of-clevr"
    assert row["milliseconds"] > 0


@tensorflow_alone
@without_tracing
@in_eager_steps
def test_encoders_are_compared_by_the_number_of_questions(tmp_path, capsys, monkeypatch):
    """The first questions are learned, the last ones asked: task 1 has another answer there, task 2 the same."""
    story = "1 {0} went to the {1}.\n2 Where is {0}?\t{1}\t1\n"
    (tmp_path / "en-10k").mkdir()
    for task, asked in ((1, "shed"), (2, "park")):
        places = ["park"] * 20 + [asked] * 4
        text = "".join(story.format(f"Number{i}", place) for i, place in enumerate(places))
        (tmp_path / "en-10k" / f"qa{task}_some-name_train.txt").write_text(text)
    tiny = {"fact_encoder": "position", "input_fusion": True, "units": 8, "epochs": 3, "learning_rate": 0.03}
    monkeypatch.setattr(few_questions, "ENCODERS", {"positions": tiny})
    monkeypatch.setattr(few_questions, "HELD_OUT", 4)
    file = tmp_path / "few.json"
    arguments = ["--data-dir", str(tmp_path), "--tasks", "1", "2", "--questions", "20", "--json", str(file)]
    few_questions.main(arguments)
    result = written("few_questions", file, capsys.readouterr().out)
    monkeypatch.setattr(few_questions, "measure", None)
    few_questions.main(arguments)
    assert json.loads(file.read_text()) == result
    assert [(run["task"], run["error"]) for run in result["runs"]] == [(1, 100.0), (2, 0.0)]
    assert few_questions.table(result).endswith("| positions | 20 | 100.0 | 0.0 | 50.0 |")


def test_speed_of_an_exported_model(tmp_path, monkeypatch):
    monkeypatch.setattr(serving, "BATCHES", (1, 3))
    qa = tiny_task(SAMPLES[:1])
    path = export(qa, tmp_path, questions=SAMPLES[:1], warmup=False)
    speed, story = serving.speed(path, 5), serving.long_story(path, 20)
    assert 0 < speed["median_ms"] <= speed["p99_ms"]
    assert story["facts"] == 20
    assert story["ms"] > 0
    assert "| 20 |" in serving.table({"speed": {"without": speed, "with": speed}, "stories": [story]})


@tensorflow_alone
def test_smaller_weights_are_measured(run_folder, tmp_path, capsys, monkeypatch):
    names = ("SavedModel, float32", "LiteRT, 8-bit integers")
    monkeypatch.setattr(precision, "FORMS", {name: precision.FORMS[name] for name in names})
    file = tmp_path / "precision.json"
    precision.main(["--run", str(run_folder.path), "--questions", "20", "--repeats", "1", "--json", str(file)])
    result = written("precision", file, capsys.readouterr().out)
    rows = {row["form"]: row for row in result["rows"]}
    assert rows["SavedModel, float32"]["changed"] == 0
    assert rows["LiteRT, 8-bit integers"]["weight_bytes"] < rows["SavedModel, float32"]["weight_bytes"]
    assert all(0 <= row["error"] <= 100 for row in rows.values())


@pytest.mark.parametrize("page", tables.pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_tables_are_those_of_the_measured_files(page):
    cogapp = pytest.importorskip("cogapp")
    assert cogapp.Cog().main(["cog", "--check", str(page)]) == 0, "run python -m benchmarks.tables"


def test_all_pages_with_a_table_are_checked(monkeypatch, tmp_path):
    cogapp = pytest.importorskip("cogapp")
    page = tmp_path / "page.md"
    page.write_text("<!-- [[[cog cog.outl('two') ]]] -->\none\n<!-- [[[end]]] -->\n")
    monkeypatch.setattr(tables, "pages", lambda: [page])
    monkeypatch.setattr(cogapp.Cog, "prout", lambda *_, **__: None)
    assert tables.main(["--check"]) != 0
    assert tables.main([]) == 0
    assert page.read_text().splitlines()[1] == "two"
    assert tables.main(["--check"]) == 0


def commands():
    lines = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(("dmn-keras ", "python -m benchmarks."))]


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command, monkeypatch):
    program, *arguments = shlex.split(command, comments=True)
    if program == "dmn-keras":
        options = cli.build_parser().parse_args(arguments)
        if options.command == "train":
            RunConfig.preset(options.preset).replace(parse_settings(options.set))
        return
    parse = argparse.ArgumentParser.parse_args

    def parse_alone(*given):
        parse(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_alone)
    with pytest.raises(KeyboardInterrupt):
        importlib.import_module(arguments[1]).main(arguments[2:])


def test_numbers_are_rounded_as_on_paper():
    assert base.decimals([0.045, 1234.5, None], 2) == ["0.05", "1,234.50", "-"]
    assert base.markdown(["a", "b"], [["x", 1]]).splitlines() == ["| a | b |", "| --- | ---: |", "| x | 1 |"]


def test_a_command_can_be_typed_and_names_no_folder_of_this_machine():
    command = base.record("serving", ["--json", "a b.json", "--data-dir", "/here/data", "/there/run"])["command"]
    assert command == "python -m benchmarks.serving --json 'a b.json' --data-dir DIR run"
