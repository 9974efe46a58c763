import contextlib
import itertools
import json
import logging
import os
import pathlib
import resource
import shutil
import signal
import types

import keras
import numpy as np
import pytest

from dmn_keras.datasets import Source, train_and_validation
from dmn_keras.losses import AnswerCrossentropy
from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.text.word_vectors import word_vector_matrix
from dmn_keras.training import callbacks, trainer
from dmn_keras.training.callbacks import BestWeights, TrainingDivergedError
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.training.trainer import train
from tests.training.runs import (
    eagerly,
    history,
    in_eager_steps,
    own_data,
    snapshot,
    tensorflow_only,
    tiny,
    tiny_task,
    without_tracing,
)

pytestmark = [tensorflow_only, without_tracing, in_eager_steps]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return own_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(source, tmp_path_factory):
    """The folder of a run of three epochs, with dropout, that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with eagerly():
        train(source, tiny(), folder, verbose=0)
    return folder


@pytest.fixture
def run(whole, tmp_path):
    """A copy of `whole`."""
    return shutil.copytree(whole, tmp_path / "run")


def test_a_step_is_traced_once(source, tmp_path, monkeypatch):
    traced, step = [], QuestionAnswerer.train_step
    monkeypatch.setattr(QuestionAnswerer, "train_step", lambda self, data: traced.append(0) or step(self, data))
    tf = pytest.importorskip("tensorflow")
    tf.config.run_functions_eagerly(False)
    train(source, tiny(epochs=2, l2=1e-3), tmp_path / "run", verbose=0)
    assert len(traced) == 1


def metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def weights(folder):
    return RunFolder(folder).load().network.get_weights()


def assert_same_run(one, other):
    """Same losses of every epoch, same weights in the end, to the bit."""
    assert history(one) == history(other)
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("tasks", "epochs", "best_epoch", "status"):
        assert metrics(one)[name] == metrics(other)[name]


class Killed(BaseException):
    """Ends training where it is raised; nothing may catch it, as nothing catches SIGKILL."""


def stop_in_batch(monkeypatch, stop, epoch, batch):
    """Call `stop` at the end of a batch, and raise what it returns."""
    original = BestWeights.on_train_batch_end

    def on_train_batch_end(self, number, logs=None):
        original(self, number, logs)
        if (len(self.history), number) == (epoch, batch) and (error := stop()):
            raise error

    monkeypatch.setattr(BestWeights, "on_train_batch_end", on_train_batch_end)


def stop_in_backup(monkeypatch, epoch):
    """Kill the run in its backup, between the weights and the number of the epoch."""

    def write_json(path, content):
        if path.name == "training_metadata.json" and content["epoch"] == epoch + 1:
            raise Killed
        original(path, content)

    original = callbacks.write_json
    monkeypatch.setattr(callbacks, "write_json", write_json)


STOPS = {
    "in the second epoch": lambda patch: stop_in_batch(patch, Killed, 1, 1),
    "in the first epoch": lambda patch: stop_in_batch(patch, Killed, 0, 1),
    "in the first backup": lambda patch: stop_in_backup(patch, 0),
    "in the second backup": lambda patch: stop_in_backup(patch, 1),
}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS.keys())
def test_a_killed_run_resumes_to_the_same_result(stop, whole, source, tmp_path):
    assert_resumes(stop, source, tiny(), tmp_path / "run")
    assert_same_run(tmp_path / "run", whole)


def test_a_killed_curriculum_resumes_to_the_same_result(source, whole, tmp_path):
    config = tiny(curriculum=2)
    train(source, config, tmp_path / "whole", verbose=0)
    assert history(tmp_path / "whole") != history(whole)
    assert_resumes(STOPS["in the second epoch"], source, config, tmp_path / "run")
    assert_same_run(tmp_path / "run", tmp_path / "whole")


def assert_resumes(stop, source, config, folder):
    with pytest.MonkeyPatch.context() as patch:
        stop(patch)
        with pytest.raises(Killed):
            train(source, config, folder, verbose=0)
    assert not (folder / "metrics.json").exists()
    train(source, config, folder, resume=True, verbose=0)


def test_training_in_parts_is_training_at_once(whole, source, tmp_path):
    run = RunFolder(tmp_path / "run")
    train_examples, valid_examples = train_and_validation(source, validation_fraction=0.1, seed=0)
    for last_epoch in (1, 2, 2, 9):
        task = tiny_task(train_examples["all"])
        run.create(task, source)
        error, _ = trainer.fit_run(task, run, train_examples, valid_examples, last_epoch=last_epoch, verbose=0)
        assert error is None
        assert len(history(run.path)) == min(last_epoch, 3)
        assert not run.metrics.exists()
    assert history(run.path) == history(whole)
    trainer.measure_run(task, run, source, valid_examples)
    assert_same_run(run.path, whole)


def test_a_run_killed_in_its_evaluation_resumes(monkeypatch, whole, source, run):
    (run / "metrics.json").unlink()
    (run / "model.weights.h5").unlink()
    train(source, tiny(), run, resume=True, verbose=0)
    assert_same_run(run, whole)


def sigterm():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("stop", "raised"), [(KeyboardInterrupt, None), (sigterm, SystemExit)])
def test_an_interrupted_run_keeps_its_best_weights_and_resumes(stop, raised, whole, source, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        stop_in_batch(patch, stop, 1, 0)
        with contextlib.nullcontext() if raised is None else pytest.raises(raised, match="143"):
            train(source, tiny(), run, verbose=0)
    result = metrics(run)
    assert (result["status"], result["epochs"], result["best_epoch"]) == ("interrupted", 1, 1)
    assert result["tasks"]["all"]["questions"] == 7
    assert "Interrupted: keeping and evaluating the best weights so far." in caplog.messages
    RunFolder(run).load()
    train(source, tiny(), run, resume=True, verbose=0)
    assert_same_run(run, whole)


@pytest.mark.parametrize("epoch", [0, 1])
def test_a_full_disk_loses_nothing(epoch, whole, source, tmp_path):
    limit, run = resource.getrlimit(resource.RLIMIT_FSIZE), tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        # From then on a file that is as large as weights cannot be written.
        stop_in_batch(patch, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1])), epoch, 0)
        try:
            with pytest.raises(OSError, match=r"run cannot be written: .* space, then resume: .*run"):
                train(source, tiny(), run, verbose=0)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not list(run.glob("**/.writing*"))
    train(source, tiny(), run, resume=True, verbose=0)
    assert_same_run(run, whole)


@pytest.mark.parametrize(("free", "expected"), [(0, OSError), (10**6, RuntimeError)])
def test_an_error_on_a_full_disk_that_is_none_of_the_system(free, expected, monkeypatch, source, tmp_path):
    """TensorFlow's writer of events raises its own."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: types.SimpleNamespace(free=free))
    stop_in_batch(monkeypatch, lambda: RuntimeError("no events"), 0, 0)
    with pytest.raises(expected, match="No space left on device" if free == 0 else "^no events$"):
        train(source, tiny(), tmp_path / "run", verbose=0)


def test_two_processes_do_not_train_into_one_folder(source, tmp_path, run, monkeypatch):
    with RunFolder(run).lock(), pytest.raises(BlockingIOError, match="run is being written by another process"):
        train(source, tiny(), run, overwrite=True, verbose=0)
    folder = tmp_path / "new"

    def report_of_another_process(*arguments):
        shutil.copytree(run, folder, dirs_exist_ok=True)
        return ()

    monkeypatch.setattr(QuestionAnswerer, "data_report", report_of_another_process)
    with pytest.raises(FileExistsError, match="new holds a run already"):
        train(source, tiny(seed=1), folder, verbose=0)
    assert_same_run(folder, run)


def test_a_run_that_ran_out_of_epochs_goes_on_with_more(whole, source, tmp_path):
    assert train(source, tiny(epochs=1), tmp_path / "run", verbose=0)["status"] == "epochs"
    result = train(source, tiny(epochs=3), tmp_path / "run", resume=True, verbose=0)
    assert result["epochs"] == 3
    assert_same_run(tmp_path / "run", whole)
    assert RunFolder(tmp_path / "run").read_task().config.trainer.epochs == 3


def diverge_at(monkeypatch, call):
    """Make the loss of one training step NaN; validation calls count too."""

    original, calls = AnswerCrossentropy.call, itertools.count()  # the first call makes the variables

    def spoiled(self, y_true, y_pred):
        return original(self, y_true, y_pred) * (float("nan") if next(calls) == call else 1.0)

    monkeypatch.setattr(AnswerCrossentropy, "call", spoiled)


def test_a_loss_that_turns_nan_stops_the_run_and_leaves_the_best_weights(monkeypatch, source, tmp_path):
    train(source, tiny(epochs=1), tmp_path / "good", verbose=0)
    # An epoch of two batches, one for validation and two of its check, then the second batch of the next epoch.
    diverge_at(monkeypatch, 2 + 1 + 2 + 2)
    with pytest.raises(TrainingDivergedError, match=r"loss became nan in epoch 2, batch 2\. The best weights .* kept"):
        train(source, tiny(), tmp_path / "run", verbose=0)
    assert metrics(tmp_path / "run")["status"] == "diverged"
    assert metrics(tmp_path / "run")["tasks"] == metrics(tmp_path / "good")["tasks"]
    for a, b in zip(weights(tmp_path / "run"), weights(tmp_path / "good"), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("steps", "call", "where"), [(1, 1, r"batch 1\. There are no weights to keep yet"), (3, 2, r"batches 1 to 2\.")]
)
def test_a_loss_that_is_nan_from_the_start_leaves_no_model(monkeypatch, steps, call, where, source, tmp_path):
    diverge_at(monkeypatch, call)
    with pytest.raises(TrainingDivergedError, match=rf"loss became nan in epoch 1, {where}"):
        train(source, tiny(steps_per_execution=steps), tmp_path / "run", verbose=0)
    assert {path.name for path in (tmp_path / "run").iterdir()} - {".lock", "logs"} == {"config.json"}


def test_overwrite_removes_the_files_of_a_run_alone(source, run):
    (run / "notes.txt").write_text("mine")
    (run / "logs/old").mkdir(parents=True)
    (run / ".writing-left-by-a-kill").mkdir()
    train(source, tiny(epochs=1, seed=1), run, overwrite=True, verbose=0)
    assert (run / "notes.txt").read_text() == "mine"
    assert not (run / "logs/old").exists()
    assert not list(run.glob(".writing*"))
    assert metrics(run)["seed"] == 1
    assert len(history(run)) == 1


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ({"word_vectors": "nowhere.txt"}, r"nowhere\.txt"),
        ({"lexical_links": 1}, "lexical_links needs facts that are read by a word GRU"),
    ],
)
def test_a_mistake_in_the_settings_overwrites_nothing(mistake, message, source, run, vectors, monkeypatch):
    monkeypatch.chdir(pathlib.Path(vectors).parent)
    before = snapshot(run)
    with pytest.raises((ValueError, OSError), match=message):
        train(source, tiny(**mistake), run, overwrite=True, verbose=0)
    with pytest.raises(ValueError, match="strategy must be one of auto, one, mirrored"):
        train(source, tiny(), run, overwrite=True, strategy="mirorred", verbose=0)
    assert snapshot(run) == before


def test_a_mistake_leaves_no_new_run_and_takes_none_away(source, run, tmp_path, monkeypatch):
    def mistake(*arguments, **options):
        raise ValueError("image 'a.png' is damaged")

    monkeypatch.setattr(trainer, "fit_run", mistake)
    with pytest.raises(ValueError, match="is damaged"):
        train(source, tiny(), tmp_path / "new", verbose=0)
    assert not RunFolder(tmp_path / "new").exists()
    for lost in ("metrics.json", "history.json"):
        (run / lost).unlink()
    before = snapshot(run)
    with pytest.raises(ValueError, match="is damaged"):
        train(source, tiny(), run, resume=True, verbose=0)
    assert snapshot(run).keys() == before.keys()
    assert snapshot(run)["model.weights.h5"] == before["model.weights.h5"]


def test_a_solved_run_is_finished_and_keeps_no_backup(tmp_path):
    (tmp_path / "data").mkdir()
    record = {"story": ["Mary park."], "question": "Where is Mary?", "answer": "park"}
    lines = [json.dumps({**record, "story_id": i}) + "\n" for i in range(12)]
    (tmp_path / "data/train.jsonl").write_text("".join(lines))
    config = tiny(epochs=60, stop_after_perfect_epochs=2, learning_rate=0.05)
    source = Source("jsonl", ("all",), str(tmp_path / "data"))
    metrics = train(source, config, tmp_path / "run", verbose=0)
    assert metrics["status"] == "solved"
    assert metrics["epochs"] < 60
    assert metrics["mean_error"] == 0
    assert not (tmp_path / "run/backup").exists()


def test_a_run_out_of_patience_keeps_no_backup(source, tmp_path):
    still = {"learning_rate": 1e-30, "patience": 1}
    assert train(source, tiny(**still, epochs=5), tmp_path / "run", verbose=0)["status"] == "patience"
    assert not (tmp_path / "run/backup").exists()
    assert not (tmp_path / "run/best.weights.h5").exists()
    before = snapshot(tmp_path)
    train(source, tiny(**still, epochs=9), tmp_path / "run", resume=True, verbose=0)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"units": 5}, r"begun with model.units=4\. Received: model.units=5"),
        ({"seed": 1}, r"begun with trainer.seed=0\."),
        (None, "begun with words="),
    ],
)
def test_resuming_with_other_settings_or_data_is_refused(settings, message, source, run, tmp_path):
    before = snapshot(run)
    source = own_data(tmp_path / "other", several=True) if settings is None else source
    with pytest.raises(ValueError, match=f"resume: .*{message}"):
        train(source, tiny(**settings or {}), run, resume=True, verbose=0)
    assert snapshot(run) == before


def test_the_metrics_say_all_that_was_promised(run):
    result = metrics(run)
    row = result["tasks"]["all"]
    assert (row["questions"], row["validation_questions"]) == (7, 6)
    assert 0 <= row["error"] <= 100
    assert 0 <= row["validation_error"] <= 100
    assert result["mean_error"] == row["error"]
    assert result["versions"]["keras"] == keras.__version__
    assert result["seconds"] > 0
    assert result["cpu_seconds"] > 0
    assert result["seed"] == 0
    best = min(range(3), key=lambda i: (history(run)[i]["val_error"], history(run)[i]["val_loss"]))
    assert result["best_epoch"] == best + 1
    assert row["validation_error"] == pytest.approx(100 * history(run)[best]["val_error"], abs=1e-3)
    assert list((run / "logs").rglob("events*")), "TensorBoard"


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("mary 1 0 0.5\noffice 0 1 2\nunused 1 1 1")
    return str(path)


def vectors_of(folder):
    task = RunFolder(folder).load()
    matrix = task.network.get_layer("semantic_memory").get_weights()[0]
    return {word: matrix[i] for i, word in enumerate(task.vocabulary.words)}


@pytest.mark.parametrize("tuned", [False, True])
def test_word_vectors_are_frozen_or_tuned(tuned, vectors, source, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    config = tiny(word_vectors=vectors, train_word_vectors=tuned, epochs=1, fact_encoder="sentence")
    train(source, config, tmp_path / "run", verbose=0)
    start = word_vector_matrix(vectors, RunFolder(tmp_path / "run").load().vocabulary, seed=0)[0]
    assert "Word vectors: 2 words found, 6 missing: bill, home, is, john, park, where" in caplog.messages
    learned = vectors_of(tmp_path / "run")
    np.testing.assert_array_equal(start[list(learned).index("mary")], [1, 0, 0.5])
    changed = {word for i, word in enumerate(learned) if (learned[word] != start[i]).any()}
    assert changed == ({"mary", "john", "bill", "where", "is", "park", "home", "office", "<end>"} if tuned else set())


@pytest.mark.parametrize("steps", [2, 3])
def test_several_steps_per_execution_are_the_same_steps(whole, source, tmp_path, steps):
    # Of an epoch's two batches, three never reach into the next epoch.
    train(source, tiny(steps_per_execution=steps), tmp_path / "run", verbose=0)
    for a, b in zip(history(whole), history(tmp_path / "run"), strict=True):
        assert b == pytest.approx(a, rel=1e-5)
    for a, b in zip(weights(whole), weights(tmp_path / "run"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
