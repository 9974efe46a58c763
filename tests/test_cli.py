"""The commands from end to end, in this process, on tiny stories; steps run eagerly, which is quicker for so few."""

import contextlib
import io
import json
import os
import shutil
import sqlite3
import sys

import keras
import numpy as np
import pytest

from dmn_keras import __version__, cli
from dmn_keras.datasets import registry
from dmn_keras.datasets.stories import generate
from dmn_keras.long_context.story_index import StoryIndex
from dmn_keras.losses import AnswerCrossentropy
from dmn_keras.tasks.config import NAMED_SETTINGS, PRESETS, RunConfig
from dmn_keras.tasks.question_answering import Answer
from dmn_keras.training.tables import TABLES
from tests.long_stories import QUESTION, long_story, task_with_retriever
from tests.training.runs import TINY, eagerly, snapshot, tensorflow_only, without_tracing, write_stories
from tests.training.test_trainer import stop_in_batch

pytestmark = [tensorflow_only, without_tracing]

TINY_RUN = {**NAMED_SETTINGS["_plain"], **TINY, "epochs": 2, "learning_rate": 0.03}
SETTINGS = [part for name, value in TINY_RUN.items() for part in ("--set", f"{name}={value}")]
STORIES = ["--dataset", "stories", "--config", "num_facts=3", "--seed", "0"]
[KNOWN] = generate("two-supporting-facts", num_examples=1, num_facts=3, seed=0)
"""A story whose words are known: the first that the run is trained on."""


@pytest.fixture(scope="module", autouse=True)
def _tiny_and_eager():
    with pytest.MonkeyPatch.context() as patch, eagerly():
        patch.setattr(registry, "STORIES_NUM_EXAMPLES", {"train": 14, "valid": 6, "test": 11})
        yield


def run(*arguments):
    """Run the command line; returns exit status, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:  # of argparse
            status = end.code
    return status, out.getvalue(), err.getvalue()


def train(*arguments):
    return run("train", *SETTINGS, "--verbose", 0, *arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one generated task with supervised gates, and what the command printed."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    tasks = ["--tasks", "two-supporting-facts"]
    status, out, err = train(*STORIES, *tasks, "--set", "num_passes=2", "--supervise-gates", "--output", folder)
    assert status == 0, err
    return folder, out


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory):
    """Two runs in one folder; the answers of the second task are lists."""
    folder = tmp_path_factory.mktemp("one") / "runs"
    status, out, err = train(*STORIES, "--tasks", "counting,lists", "--one-by-one", "--output", folder)
    assert status == 0, err
    assert f"2 of 2 tasks were trained, each a model of its own in {folder}:" in out
    assert [line.split()[0] for line in out.splitlines()[-4:]] == ["task", "counting", "lists", "mean"]
    return folder


@pytest.fixture
def story(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text(f"{' '.join(KNOWN.story[:2])}\n{KNOWN.story[2]}")
    return path


def ask(folder, story, *arguments, question=KNOWN.question):
    return run("ask", folder, "--story", story, "--question", question, *arguments)


def test_train_shows_the_errors_and_one_answered_question(trained):
    folder, out = trained
    metrics = json.loads((folder / "metrics.json").read_text())
    assert f"Training on stories, task two-supporting-facts, into {folder}" in out
    assert "2 epochs in" in out
    assert f"{metrics['tasks']['two-supporting-facts']['error']:.1f}" in out
    assert "gate recall" in out
    assert "Question: Where is the " in out
    assert "pass 1  pass 2" in out
    assert json.loads((folder / "config.json").read_text())["config"]["task"]["supervise_gates"] is True


def test_evaluate_writes_the_promised_json_whatever_the_batch_size(trained, tmp_path):
    contents = []
    for batch_size in (1, 7, 100):
        file = tmp_path / f"{batch_size}.json"
        status, out, err = run("evaluate", trained[0], "--batch-size", batch_size, "--json", file)
        assert status == 0, err
        contents.append(json.loads(file.read_text()))
    assert "gate recall %" in out
    assert contents[0] == contents[1] == contents[2]
    tested = json.loads((trained[0] / "metrics.json").read_text())["tasks"]["two-supporting-facts"]
    row = {name: tested[name] for name in ("error", "questions", "accuracy", "gate_recall")}
    assert contents[0] == {
        "metrics": {"accuracy": row["accuracy"], "gate_recall": row["gate_recall"]},
        "examples": 11,
        "tasks": {"two-supporting-facts": row},
        "mean_error": tested["error"],
        "failed": int(tested["error"] > 5),
    }


def test_evaluate_on_other_stories_and_tasks(trained):
    status, out, _ = run(
        "evaluate", trained[0], "--tasks", "counting,coreference", "--config", "num_facts=9", "--json", "-"
    )
    assert status == 0
    assert list(json.loads(out)["tasks"]) == ["counting", "coreference"]


def test_ask_prints_a_table(trained, story):
    status, out, err = ask(trained[0], story)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert "(probability 0." in lines[0]
    for number, line in enumerate(lines[1:3], start=1):
        named, _, facts = line.partition(": ")
        assert named == f"pass {number}"
        assert set(facts.split(" | ")) <= set(KNOWN.story)
    assert lines[4].split() == ["pass", "1", "pass", "2"]
    assert [line.split("  ")[0] for line in lines[5:]] == list(KNOWN.story)


def test_ask_gives_the_promised_json_and_a_picture(trained, story, tmp_path):
    status, out, err = ask(trained[0], story, "--json", "--plot", tmp_path / "gates.png")
    content = json.loads(out)
    assert (status, err) == (0, f"The picture is in {tmp_path / 'gates.png'}.\n")
    assert " ".join(content) == (
        "answer probability facts gates unknown_words confidence known others positions num_facts num_above_threshold "
        "num_cut evidence"
    )
    assert (content["confidence"], content["known"]) == (None, True)
    assert isinstance(content["answer"], str)
    assert 0 < content["probability"] <= 1
    assert len(content["facts"]) == 3
    assert [len(gates) for gates in content["gates"]] == [3, 3]
    assert (tmp_path / "gates.png").read_bytes().startswith(b"\x89PNG")


def test_a_calibrated_model_says_that_it_does_not_know(trained, story, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "run")
    status, out, err = run("calibrate", folder, "--plot", tmp_path / "reliability.png", "--threshold", 0)
    assert (status, err) == (0, "")
    assert {"whole", "needed facts removed"} < {line.split("  ")[0] for line in out.splitlines()}
    assert out.endswith(f"The picture is in {tmp_path / 'reliability.png'}.\n")
    assert (tmp_path / "reliability.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "calibration.json").read_text())["threshold"] == 0
    _, out, _ = ask(folder, story)
    assert "(confidence 0." in out.splitlines()[0]
    _, out, _ = ask(folder, story, "--min-confidence", 1)
    assert out.startswith("I do not know (best guess: ")
    assert "pass 1" not in out, "what was attended to is no evidence"
    _, out, _ = ask(folder, story, "--min-confidence", 1, "--json")
    content = json.loads(out)
    assert (content["known"], content["evidence"]) == (False, [[], []])


def test_ask_reads_the_standard_input(trained, story, monkeypatch):
    # A byte order mark is no word.
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf" + story.read_bytes())))
    status, out, err = ask(trained[0], "-")
    assert (status, out, err) == ask(trained[0], story)
    assert status == 0


def test_unknown_words_are_answered_and_named(trained, story):
    status, out, err = ask(trained[0], story, "--json", question="Where is zoe's unicorn?")
    assert status == 0
    assert json.loads(out)["unknown_words"] == ["zoe's", "unicorn"]
    assert err == "warning: the model does not know the words zoe's, unicorn\n"
    words = [f"word{i}" for i in range(31)]
    _, _, err = ask(trained[0], story, question=" ".join(words))
    assert err == f"warning: the model does not know the words {', '.join(words[:20])} and 11 more\n"


def test_one_model_a_task(one_by_one, story):
    assert sorted(path.name for path in one_by_one.iterdir()) == ["counting", "lists"]
    status, out, _ = run("evaluate", one_by_one, "--json", "-")
    assert status == 0
    content = json.loads(out)
    assert set(content["tasks"]) == {"counting", "lists"}
    assert [row["questions"] for row in content["tasks"].values()] == [11, 11]
    status, out, _ = run("evaluate", one_by_one, "--tasks", "lists", "--beam-width", 3, "--json", "-")
    assert status == 0
    assert list(json.loads(out)["tasks"]) == ["lists"]
    for width in (1, 3):
        status, out, _ = ask(one_by_one / "lists", story, "--json", "--beam-width", width, question="What has John?")
        assert status == 0
        assert "<end>" not in json.loads(out)["answer"]


def test_resuming_one_by_one_goes_on_where_it_was(one_by_one, tmp_path):
    folder = shutil.copytree(one_by_one, tmp_path / "runs")
    shutil.rmtree(folder / "lists")
    arguments = [*STORIES, "--tasks", "counting,lists", "--one-by-one", "--output", folder]
    before = snapshot(folder / "counting")
    status, out, err = train(*arguments, "--resume")
    assert status == 0, err
    assert f"{folder / 'counting'} holds a finished run" in out
    assert snapshot(folder / "counting") == before
    assert (folder / "lists/model.weights.h5").exists()


def test_one_by_one_is_refused_where_one_run_lies(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    status, _, err = train(*STORIES, "--tasks", "counting,lists", "--one-by-one", "--output", tmp_path)
    assert status == 2
    assert f"{tmp_path} holds one run for all its tasks" in err


def test_own_data_without_a_test_part(tmp_path, caplog):
    data = write_stories(tmp_path / "data")
    (data / "test.jsonl").unlink()
    source = ["--dataset", "jsonl", "--data-dir", data]
    status, out, err = train(*source, "--epochs", 1, "--output", tmp_path / "run")
    assert status == 0, err
    assert "Question: Where is" in out
    status, _, err = run("evaluate", tmp_path / "run", "--data-dir", data)
    assert status == 2
    assert "Task all of jsonl has no test examples with answers to evaluate on" in err
    status, _, err = run("evaluate", tmp_path / "run", "--data-dir", data / "train.jsonl")
    assert status == 2
    assert "A single file is the training part: name it test.jsonl and give its folder" in err
    (data / "train.jsonl").rename(data / "test.jsonl")
    with (data / "test.jsonl").open("a") as lines:
        lines.write(json.dumps({"story": "Mary is here.", "question": "Where is Mary?"}) + "\n")
    status, out, err = run("evaluate", tmp_path / "run", "--data-dir", data)
    assert status == 0, err
    assert "Task all: left out 1 of 16 test examples, without an answer" in caplog.text
    status, _, err = train(*source, "--epochs", 1, "--output", tmp_path / "again")
    assert status == 2
    assert "a folder with train.jsonl" in err


def test_evaluate_finds_the_data_of_the_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_stories(tmp_path / "data")
    status, _, err = train("--dataset", "jsonl", "--data-dir", "data", "--epochs", 1, "--output", "run")
    assert status == 0, err
    monkeypatch.chdir(tmp_path / "run")
    status, found, _ = run("evaluate", tmp_path / "run", "--json", "-")
    assert status == 0
    (tmp_path / "data").rename(tmp_path / "moved")
    status, _, err = run("evaluate", tmp_path / "run")
    assert (status, err.count("\n")) == (2, 1)
    assert f"was trained on {tmp_path / 'data'}, which does not exist: add --data-dir DIR." in err
    assert run("evaluate", tmp_path / "run", "--data-dir", tmp_path / "moved", "--json", "-")[:2] == (0, found)


def test_commands_take_the_names_of_pretrained_folders(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dmn_keras.tasks.preset.pretrained_folder", lambda name: trained[0])
    before = snapshot(trained[0])
    (tmp_path / "books").mkdir()
    (tmp_path / "books/book.txt").write_text("It rained.\n" * 40)
    assert run("evaluate", "babi-joint", "--json", "-")[:2] == run("evaluate", trained[0], "--json", "-")[:2]
    status, out, err = run("calibrate", "babi-long", "--threshold", 0.7)
    assert status == 0, err
    assert "babi-long keeps the calibration that it came with" in out
    narrow = ["--books", "books", "--output", "long", "--epochs", 1, "--verbose", 0]
    status, _, err = run("narrow", "babi-joint", *narrow)
    assert status == 0, err
    assert "warning: narrow is now train-retriever; the old name will be removed in dmn_keras 0.3" in err
    assert snapshot(trained[0]) == before


def test_text_of_others_does_not_control_the_terminal(trained, tmp_path):
    (tmp_path / "story.txt").write_bytes("Mary\x1b[2J went\x9b31m home\u202e.\x07".encode())
    status, out, err = ask(trained[0], tmp_path / "story.txt", question="Where\x1b]0;x\x07 is Mary?")
    assert status == 0
    assert "Mary\ufffd[2J went\ufffd31m home\ufffd.\ufffd" in out
    evil = "\x1b[2J\udc9b"
    for arguments in (["evaluate", evil], ["ask", "--question", "x", "--story", evil], ["train", evil]):
        _, more, error = run(*arguments)
        out, err = out + more, err + error
    assert "\ufffd[2J" in err
    assert not set("\x1b\x9b\x07\u202e\udc9b") & set(out + err)


def test_a_result_that_is_not_finite_is_no_json(trained, story, monkeypatch):
    nan = Answer("park", float("nan"), (), ((),), ())
    monkeypatch.setattr("dmn_keras.tasks.question_answering.QuestionAnswerer.ask", lambda *_, **__: nan)
    status, out, err = ask(trained[0], story, "--json")
    assert (status, out) == (2, "")
    assert "holds a number that is not finite" in err


def test_a_lack_of_memory_is_an_error(monkeypatch, tmp_path):
    def allocate(options):
        raise MemoryError("Unable to allocate 67.1 GiB for an array")

    monkeypatch.setattr(cli.train, "config_of", allocate)
    status, _, err = run("train", "--output", tmp_path / "run")
    assert (status, err) == (2, "dmn-keras train: error: Unable to allocate 67.1 GiB for an array\n")


def test_settings_are_listed():
    status, out, _ = run("train", "--set", "help")
    assert status == 0
    assert out.strip() == RunConfig.preset("quick").describe(), "as the main job has them"
    assert run("train", "--preset", "normed", "--set", "help")[1].strip() == RunConfig.preset("normed").describe()
    assert "num_hops=" in run("train", "--set", "help", "--set", "model.family=memn2n")[1]
    assert "phrase_fraction=" in run("train", "--dataset", "sst", "--set", "help")[1]
    status, _, err = run("train", "--dataset", "nope", "--set", "help")
    assert status == 2
    assert "nope" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "sst-fine", "--beam-width", 3), "Leave out --beam-width: it is for question answering"),
        (("calibrate", "sst-fine"), "sst-fine holds a TextClassifier: only a QuestionAnswerer has probabilities to"),
        (("export", "ntm-copy", "--output", "model", "--litert"), "A LiteRT file is for a QuestionAnswerer"),
    ],
)
def test_what_is_for_questions_about_stories_alone(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(*arguments)
    assert status == 2
    assert message in err


def test_help_shows_defaults_and_names():
    status, out, _ = run("--help")
    assert status == 0
    assert "babi-joint" in out
    assert "130 after" in " ".join(out.split())
    assert run("--version")[:2] == (0, f"dmn_keras {__version__}\n")
    assert "(default: 100)" in " ".join(run("evaluate", "--help")[1].split())
    assert ", ".join(PRESETS) in " ".join(run("train", "--help")[1].split())
    assert ",".join(TABLES) in "".join(run("reproduce", "--help")[1].split())  # lines break at hyphens too


def test_words_that_the_terminal_cannot_show(trained, tmp_path, monkeypatch):
    (tmp_path / "story.txt").write_text("Zoë went to the park.", encoding="utf-8")
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", out)
    assert cli.main(["ask", str(trained[0]), "--story", str(tmp_path / "story.txt"), "--question", "Where?"]) == 0
    out.flush()
    assert b"Zo? went to the park." in out.buffer.getvalue()


@pytest.mark.parametrize(
    "arguments", [[], ["--resume"], ["--overwrite"], ["--tasks", "counting,lists", "--one-by-one"]]
)
@pytest.mark.parametrize("below", ["", "deeper/run"])
def test_an_output_that_is_a_file(arguments, below, tmp_path):
    file = tmp_path / "file"
    file.write_text("precious")
    status, out, err = train(*STORIES, *arguments, "--output", file / below)
    assert (status, out) == (2, "")
    assert f"--output {file} is a file; expected a folder." in err
    assert file.read_text() == "precious"


def test_an_export_into_a_file_is_refused_before_the_run_is_looked_for(tmp_path):
    file = tmp_path / "file"
    file.write_text("precious")
    status, out, err = run("export", "no_such_run", "--output", file)
    assert (status, out) == (2, "")
    assert f"--output {file} is a file; expected a folder." in err
    assert file.read_text() == "precious"


def test_ctrl_c_keeps_and_shows_what_there_is(monkeypatch, tmp_path):
    stop_in_batch(monkeypatch, KeyboardInterrupt, 1, 0)
    status, out, _ = train(*STORIES, "--tasks", "counting,lists", "--one-by-one", "--output", tmp_path / "run")
    assert status == 130
    assert "Interrupted: keeping and evaluating the best weights so far." in out
    assert "1 epochs in" in out
    assert "stopped by interrupted" in out
    assert not (tmp_path / "run/lists").exists(), "the next task is not begun"


def test_ctrl_c_before_there_is_anything(monkeypatch, tmp_path):
    stop_in_batch(monkeypatch, KeyboardInterrupt, 0, 0)
    status, _, err = train(*STORIES, "--tasks", "counting", "--output", tmp_path / "run")
    assert (status, err) == (130, "dmn-keras train: interrupted\n")


def test_a_loss_that_is_nan(monkeypatch, tmp_path):
    monkeypatch.setattr(AnswerCrossentropy, "call", lambda self, y_true, y_pred: float("nan") * y_pred[:, 0])
    status, _, err = train(*STORIES, "--tasks", "counting", "--output", tmp_path / "run")
    assert status == 1
    assert err.startswith("dmn-keras train: error: The loss became nan in epoch 1, batch 1.")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--dataset", "babbi"],
            "Received: 'babbi'. Did you mean 'babi'?",
        ),
        (["--tasks", "countin"], "Received: 'countin'. Did you mean 'counting'?"),
        (["--dataset", "babi", "--tasks", "1-21"], "It is an end of the range '1-21'"),
        (["--dataset", "babi", "--tasks", "21"], "tasks must be a number from 1 to 20. Received: '21'.\n"),
        (["--set", "lr=0.1"], "Did you mean 'learning_rate'?"),
        (["--dataset", "babi", "--config", "en10k"], "Did you mean 'en-10k'?"),
        (["--config", "num_fact=3"], "Did you mean 'num_facts'?"),
        (["--preset", "DMN+"], "Did you mean 'dmn_plus'?"),
        (["--preset", "linked", "--dataset", "sst"], "preset 'linked' is not for dataset 'sst': "),
        (["--preset", "ntm_2014"], "preset 'ntm_2014' is not for dataset 'stories': "),
        (["--set", "units"], "a setting must be given as name=value. Received: 'units'"),
        (["--strategy", "mirorred"], "Did you mean 'mirrored'?"),
        (["--dataset", "babi", "--data-dir", "nowhere"], "nowhere"),
        (["--dataset", "babi", "--data-dir", "."], "expected the archive"),
        (["--dataset", "jsonl", "--data-dir", "nowhere"], "Expected a folder with train.jsonl, or one .jsonl file"),
        (["--dataset", "jsonl", "--data-dir", "."], "It holds: nothing"),
        (["--dataset", "jsonl"], "data_dir must be a folder with train.jsonl, or one .jsonl file. Received"),
        (["--set", "word_vectors=nowhere.txt"], "nowhere.txt"),
        (["--strategy", "tpu"], "strategy 'tpu' does not run on the tensorflow backend"),
        (["--strategy", "one", "--devices", "cpu:7"], "devices: there is no device 'cpu:7'"),
        (["--resume", "--output", ""], "--resume and --overwrite need --output, the run folder they are about."),
        (["--overwrite", "--output", ""], "--resume and --overwrite need --output"),
    ],
)
def test_mistakes_in_train_are_named_and_leave_nothing(arguments, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, _, err = run("train", "--output", tmp_path / "run", *arguments)
    assert status == 2
    assert err.startswith("dmn-keras train: error: ")
    assert message in err
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_runs_is_refused(trained, one_by_one):
    for folder, arguments in ((trained[0], []), (one_by_one, []), (one_by_one, ["--one-by-one"])):
        before = snapshot(folder)
        status, _, err = train(*STORIES, "--tasks", "lists", *arguments, "--output", folder)
        assert status == 2
        assert "holds a run already. Resume it, overwrite it or choose another output folder." in err
        assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("evaluate", ["--tasks", "listz"], "Did you mean 'lists'?"),
        ("evaluate", ["--dataset", "storys"], "Did you mean 'stories'?"),
        ("evaluate", ["--config", "num_facs=3"], "Did you mean 'num_facts'?"),
        ("evaluate", ["--batch-size", "0"], "batch_size must be a positive integer. Received: batch_size=0"),
        ("evaluate", ["--beam-width", "0"], "beam_width must be a positive integer. Received: beam_width=0"),
        ("evaluate", ["--json", "."], "--json . is a folder: expected the name of a file to write."),
        ("evaluate", ["--errors", "."], "--errors . is a folder: expected the name of a file to write."),
        ("predict", ["--batch-size", "0"], "batch_size must be a positive integer. Received: batch_size=0"),
        ("calibrate", ["--plot", "x"], "--plot: the suffix must be one of .eps, "),
        ("ask", ["--question", " ? "], "question must hold at least one word. Received: ' ? '"),
        ("ask", ["--question", "Where?", "--beam-width", "0"], "beam_width must be a positive integer"),
        ("ask", ["--question", "Where?", "--plot", "gates.xyz"], "--plot: the suffix must be one of .eps, "),
        ("ask", ["--question", "Where?", "--min-confidence", "0.5"], "min_confidence needs a calibrated model"),
        ("ask", ["--question", "Where?", "--server", "grpc://h:1", "--key", "no.pem"], "--key no.pem does not exist"),
    ],
)
def test_mistakes_in_commands_that_take_a_run(command, arguments, message, trained, story):
    status, out, err = run(command, trained[0], *(["--story", story] if command == "ask" else []), *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"dmn-keras {command}: error: ")
    assert message in err


@pytest.mark.parametrize("arguments", [["--debug", "evaluate"], ["evaluate", "--debug"]])
def test_where_an_error_arose_is_shown_whichever_side_of_the_command_debug_is_on(arguments):
    status, _, err = run(*arguments, "nowhere")
    assert status == 2
    assert "Traceback" in err


def test_tasks_that_no_run_has(one_by_one):
    status, out, err = run("evaluate", one_by_one, "--tasks", "coreference,lists,time")
    assert (status, out) == (2, "")
    assert "--tasks must be one of lists, counting. Received: 'coreference,time'." in err


@pytest.mark.parametrize("command", ["evaluate", "ask"])
def test_folders_that_hold_no_run_to_use(command, trained, story, tmp_path):
    arguments = ["--story", story, "--question", "Where?"] if command == "ask" else []

    def error_of(folder):
        before = snapshot(folder)
        status, _, err = run(command, folder, *arguments)
        assert status == 2
        assert snapshot(folder) == before
        return err

    folder = shutil.copytree(trained[0], tmp_path / "run")
    assert "does not exist: expected a folder that `dmn-keras train` or save_to_preset wrote" in error_of(
        tmp_path / "nowhere"
    )
    (tmp_path / "empty").mkdir()
    assert "does not hold a run" in error_of(tmp_path / "empty")
    (folder / "model.weights.h5").unlink()
    assert "has no model.weights.h5" in error_of(folder)
    (folder / "config.json").write_text("{")
    assert "config.json is damaged" in error_of(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Mary went.\nJohn\x00", "story.txt, line 2: expected text. Received a NUL byte"),
        (None, "story.txt does not exist: expected a file. Did you mean 'story2.txt'?"),
        (os.mkfifo, "story.txt is a pipe or a device: expected a file."),
    ],
)
def test_mistakes_in_a_story(content, message, trained, tmp_path):
    path = tmp_path / "story.txt"
    (tmp_path / "story2.txt").touch()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        content(path)
    status, out, err = ask(trained[0], path)
    assert (status, out) == (2, "")
    assert err.startswith("dmn-keras ask: error: ")
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["trian"], "invalid choice: 'trian'"),
        (["ask"], "required: --question"),
        (["ask", "--question", QUESTION], "--story --index is required"),
        (["ask", "--question", QUESTION, "--story", "x", "--index", "y"], "--index: not allowed with argument --story"),
        (["index", "--story", "x", "--output", "y", "--dtype", "int8"], "argument --dtype: invalid choice: 'int8'"),
    ],
)
def test_argparse_refuses_with_status_2(arguments, message):
    status, _, err = run(*arguments)
    assert status == 2
    assert "usage: dmn-keras" in err
    assert message in err


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """A run with a retriever."""
    folder = tmp_path_factory.mktemp("long")
    task_with_retriever(folder)
    return folder / "run"


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("\n\n".join(sentence.replace(" ", "\n", 1) for sentence in long_story()))
    return path


def ask_index(folder, *arguments):
    return run("ask", "--index", folder, "--question", QUESTION, *arguments)


def test_an_index_is_asked_as_the_book_is(long_run, book, tmp_path):
    folder = tmp_path / "index"
    status, out, err = run("index", long_run, "--story", book, "--output", folder, "--wrapped")
    assert (status, err) == (0, "")
    words = sum(len(sentence.split()) for sentence in long_story())
    assert out == f"150 facts of {words:,} words are in {folder}.\n"
    status, out, _ = run("ask", long_run, "--story", book, "--wrapped", "--question", QUESTION, "--json")
    content = json.loads(out)
    assert (status, content["num_facts"]) == (0, 150)
    assert content["facts"] == [long_story()[i] for i in content["positions"]]
    assert ask_index(folder, "--json")[1] == out
    status, out, _ = ask_index(folder)
    assert out.splitlines()[1] == "8 of 150 sentences were retrieved (the limit); 120 more were above the threshold"
    assert f"[{content['positions'][0] + 1}] {content['facts'][0]}"[:100] in out
    with book.open("a") as file:
        file.write("\n\nMary is home.")
    status, out, _ = run("index", long_run, "--story", book, "--output", folder, "--wrapped")
    assert (status, out.splitlines()[0]) == (0, "Resuming after the first 149 facts, which were read before.")
    status, out, _ = run("index", long_run, "--story", book, "--output", folder, "--dtype", "float16", "--overwrite")
    assert status == 0
    assert StoryIndex(folder).contents.dtype == "float16"


def test_mistakes_with_an_index(trained, long_run, book, tmp_path):
    folder = tmp_path / "index"

    def error_of(*arguments):
        status, out, err = run(*arguments)
        assert (status, out) == (2, "")
        return err

    run("index", long_run, "--story", book, "--output", folder)
    asked = ["--index", folder, "--question", QUESTION]
    assert "--server and --index exclude each other" in error_of("ask", *asked, "--server", "grpc://localhost:1")
    assert "Leave out --wrapped: the index knows" in error_of("ask", *asked, "--wrapped")
    assert "An index is for a model with a retriever" in error_of("ask", trained[0], *asked)
    assert "does not hold an index" in error_of("ask", "--index", tmp_path, "--question", QUESTION)
    new = ["--story", book, "--output", tmp_path / "new"]
    assert f"`dmn-keras train-retriever {trained[0]} --books FOLDER --output DIR` makes" in error_of(
        "index", trained[0], *new
    )
    assert "none does not exist" in error_of("index", long_run, "--story", "none", "--output", tmp_path / "new")
    assert "story must be a text file on a disk" in error_of(
        "index", long_run, "--story", "-", "--output", tmp_path / "new"
    )
    assert not (tmp_path / "new").exists()
    moved = tmp_path / "moved"
    shutil.copytree(long_run, moved)
    with contextlib.closing(sqlite3.connect(folder / "story.sqlite")) as database, database:
        database.execute("UPDATE contents SET json = json_set(json, '$.run', 'gone')")
    assert "was made with the run gone, which is not there" in error_of("ask", *asked)
    assert run("ask", moved, *asked)[0] == 0


@pytest.mark.parametrize("name", ["run", "babi-long"])
def test_an_index_is_asked_from_any_folder_with_the_run_it_names(name, long_run, book, tmp_path, monkeypatch):
    monkeypatch.setattr("dmn_keras.tasks.preset.pretrained_folder", {"babi-long": long_run}.__getitem__)
    monkeypatch.chdir(long_run.parent)
    assert run("index", name, "--story", book, "--output", tmp_path / "index")[0] == 0
    monkeypatch.chdir(tmp_path)
    assert ask_index("index")[0] == 0
    assert StoryIndex("index").contents.run == (name if name == "babi-long" else str(long_run))


def test_sequences_are_predicted_and_evaluated(tmp_path, monkeypatch):
    monkeypatch.setattr("dmn_keras.datasets.sequences.NUM_EXAMPLES", {"train": 4, "valid": 4, "test": 6})
    asked = tmp_path / "asked.jsonl"
    asked.write_text(json.dumps({"inputs": "aabbcc", "task": "anbncn"}))
    status, out, err = run("predict", "stack-rnn-anbncn", "--input", asked)
    assert (status, err) == (0, "")
    answer = json.loads(out)
    assert len(answer["text"]) == len(answer["values"]) == len(answer["probabilities"]) > 0
    # The name of the task alone has the sizes of the training, not the defaults of the data set.
    arguments = ["evaluate", "stack-rnn-anbncn", "--dataset", "formal_languages", "--json", "-"]
    alone, trained = run(*arguments, "--config", "anbncn"), run(*arguments)
    assert alone[:2] == trained[:2]
    assert "config 'anbncn': with the sizes of the training, anbncn,length=2-19,sequences=1" in alone[2]
    assert run(*arguments, "--config", "anbncn,length=4")[1] != ""


def test_prediction_names_the_line_of_what_cannot_be_read(tmp_path):
    """Here an image beside the file that is none; blank lines do not count as records."""
    image, asked = tmp_path / "images" / "1.png", tmp_path / "images" / "asked.jsonl"
    image.parent.mkdir()
    keras.utils.save_img(image, np.zeros((8, 8, 3)))
    (image.parent / "2.png").write_bytes(b"no image")
    lines = [json.dumps({"image": f"{number}.png", "question": "what color is it?"}) for number in (1, 2)]
    asked.write_text("\n\n".join(lines), encoding="utf-8")
    status, out, err = run("predict", "easy-vqa", "--input", asked)
    assert (status, out) == (2, "")
    assert f"{asked}, line 3: question 1: image {str(image.parent / '2.png')!r}" in err


def test_a_model_that_looks_facts_up_in_chains_has_no_index(tmp_path, story):
    settings = ("--set", "fact_encoder=sentence", "--set", "retriever=chain", "--set", "max_retrieved_facts=2")
    status, _, err = train(*STORIES, *settings, "--output", tmp_path / "chain")
    assert status == 0, err
    status, _, err = run("index", tmp_path / "chain", "--story", story, "--output", tmp_path / "index")
    assert status == 2
    assert "chain has retriever='chain', which reads every story whole: it has no index." in err
