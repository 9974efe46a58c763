"""The exported model answers as the Keras model does, and appears whole or not at all."""

import dataclasses
import errno
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import types
import unicodedata

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported by TensorFlow alone", allow_module_level=True)

import tensorflow as tf
from dmn_keras.models.dmn import NARROWING, can_narrow

from dmn_keras.datasets import Example
from dmn_keras.serving import SAMPLES, export, served, versions
from dmn_keras.serving.client import answers_from_outputs
from dmn_keras.tasks.question_answering import Calibration, QuestionAnswerer
from dmn_keras.text import join_sentences
from tests.serving.exported import QUESTIONS, SETTINGS, answerer, record, token_ids
from tests.training.runs import eagerly

pytestmark = pytest.mark.xdist_group("export")
load = functools.cache(tf.saved_model.load)
ROOT = pathlib.Path(__file__).parents[2]
FEW = SAMPLES[:2]
OUTPUTS = ("answer", "probability", "top_answers", "top_probabilities", "facts", "gates", "unknown_words")
LONG = ("Mary went to the kitchen. " * 40, "Where is Mary?")
ASKED = [(join_sentences(example.story), example.question) for example in (*SAMPLES[::3], *QUESTIONS)] + [
    ("Zoe flew to the moon?\n\nMary's in the kitchen! . Sandra went", "where is   Zoe"),
    ("ÉCOLE. Ωμέγα\tfoo-bar", "İs it ünknown"),
    LONG,
]


@pytest.fixture(scope="module", params=SETTINGS)
def both(request, exports):
    """The Keras model and the loaded SavedModel of each kind of model."""
    made, path = exports(request.param)
    return made, load(str(path)).signatures


@pytest.fixture(scope="module")
def saved_path(plain, tmp_path_factory):
    return export(plain, tmp_path_factory.mktemp("saved") / "model", questions=FEW, warmup=False)


@pytest.fixture(scope="module")
def saved(saved_path):
    return load(str(saved_path)).signatures


@pytest.fixture
def save_copies(saved_path, exports, monkeypatch):
    """A function that makes exports write copies of a SavedModel: to trace the graph takes most of their time."""

    def save_copies(path):
        copy = lambda made, target, signatures: shutil.copytree(path, target)  # noqa: E731
        monkeypatch.setattr(tf.saved_model, "save", copy)
        monkeypatch.setattr(tf.saved_model, "load", lambda copied: load(str(path)))

    exports("one-word")  # not after the next line
    monkeypatch.setattr(served, "ServedModel", lambda *arguments, **options: types.SimpleNamespace(endpoints={}))
    save_copies(saved_path)
    return save_copies


def serve(signatures, asked, name="serving_default"):
    story, question = zip(*asked, strict=True)
    return {
        key: value.numpy()
        for key, value in signatures[name](story=tf.constant(story), question=tf.constant(question)).items()
    }


def test_answers_are_those_of_the_keras_model(both):
    made, signatures = both
    outputs = serve(signatures, ASKED)
    with eagerly():
        answers = [made.ask(*asked, beam_width=3) for asked in ASKED]
    for row, expected in enumerate(answers):
        assert outputs["answer"][row].decode() == expected.answer == expected.answer.title()
        assert outputs["probability"][row] == pytest.approx(expected.probability, rel=1e-4)
        assert outputs["confidence"][row] == pytest.approx(expected.confidence, rel=1e-3)
        assert outputs["known"][row] == expected.known
        unknown = (unicodedata.normalize("NFC", word.decode()) for word in outputs["unknown_words"][row] if word)
        assert tuple(unknown) == expected.unknown_words
        facts = [fact.decode() for fact in outputs["facts"][row] if fact]
        assert facts == list(expected.facts)
        gates = outputs["gates"][row]
        np.testing.assert_allclose(gates[: len(expected.gates), : len(facts)], expected.gates, atol=1e-5)
        assert not gates[len(expected.gates) :].any()
        assert not gates[:, len(facts) :].any()
    assert len({round(answer.confidence, 2) for answer in answers}) > 1
    assert outputs["top_answers"].shape == outputs["top_probabilities"].shape == (len(ASKED), 3)
    assert (np.diff(outputs["top_probabilities"]) <= 0).all()
    np.testing.assert_array_equal(outputs["top_answers"][:, 0], outputs["answer"])
    np.testing.assert_array_equal(outputs["top_probabilities"][:, 0], outputs["probability"])
    of_retriever = {"positions", "num_facts", "num_open"} if can_narrow(made.model) else set()
    assert set(outputs) == {*OUTPUTS, "confidence", "known", *of_retriever}


@pytest.mark.parametrize("bias", [-100.0, 100.0])
def test_a_client_learns_what_a_first_pass_kept(bias, tmp_path):
    """Of a story of which nothing is kept nothing is known, however sure the model is of its guess."""
    made = answerer(tmp_path / "run", "narrowing")
    made.model.get_layer(NARROWING).gate.output_bias.assign([bias])
    made.calibration = Calibration(1.0, 100.0)
    endpoints = served.ServedModel(made.model, made.vocabulary, calibration=made.calibration).endpoints
    outputs = serve(endpoints, [LONG])
    [given] = answers_from_outputs(outputs, 1)
    expected = made.ask(*LONG, beam_width=3)
    for name in ("answer", "known", "facts", "unknown_words", "positions", "num_facts", "num_open"):
        assert getattr(given, name) == getattr(expected, name), name
    assert (given.known, given.num_facts, given.num_open) == ((False, 40, 0) if bias < 0 else (True, 40, 40))
    del outputs["num_open"]  # as of a model that was exported before there was one
    assert answers_from_outputs(outputs, 1) == [dataclasses.replace(given, num_open=None)]
    del outputs["confidence"], outputs["known"]  # as of one that is not calibrated
    assert [answer.known for answer in answers_from_outputs(outputs, 1)] == [given.known]


def test_an_answer_depends_on_no_neighbour(both):
    whole = serve(both[1], ASKED)
    for row, asked in enumerate(ASKED):
        alone = serve(both[1], [asked])
        assert alone["answer"][0] == whole["answer"][row]
        np.testing.assert_allclose(alone["top_probabilities"][0], whole["top_probabilities"][row], rtol=1e-4)
        shape = alone["gates"][0].shape
        np.testing.assert_allclose(alone["gates"][0], whole["gates"][row][: shape[0], : shape[1]], atol=1e-5)


def test_tokens_in_logits_and_gates_out(both):
    made, signatures = both
    inputs = token_ids(made, SAMPLES)
    outputs = signatures["tokens"](**{name: tf.constant(ids) for name, ids in inputs.items()})
    expected = made.model.predict(inputs, verbose=0)
    np.testing.assert_allclose(outputs["logits"].numpy(), expected["answer"], atol=1e-4)
    np.testing.assert_allclose(outputs["gates"].numpy(), expected["gates"], atol=1e-5)


def test_records_are_read_as_texts_are(both):
    expected = serve(both[1], ASKED)
    records = [record(story=[story], question=[question]) for story, question in ASKED]
    sentences = [record(story=example.story, question=[example.question]) for example in SAMPLES[::3]]
    outputs = both[1]["record"](examples=tf.constant(records))
    for name, value in outputs.items():
        np.testing.assert_array_equal(value.numpy(), expected[name])
    one_each = both[1]["record"](examples=tf.constant(sentences))["answer"].numpy()
    np.testing.assert_array_equal(one_each, expected["answer"][: len(sentences)])
    with pytest.raises(tf.errors.InvalidArgumentError, match="question"):
        both[1]["record"](examples=tf.constant([record(story=["Mary."])]))


@pytest.mark.parametrize(
    ("story", "question"),
    [
        ("", "Where is Mary?"),
        ("Mary went.", ""),
        ("", ""),
        ("... ? !", "?!."),
        (b"\xff\xfe Mary \xc3", b"\x80 where"),
        ("Mary\x00 went. \x00", "Where\x00?"),
        ("Mary went. " * 10_000, "Where is Mary?"),
        ("a" * 1_000_000, "a" * 10_000),
    ],
)
def test_whatever_is_asked_the_answer_is_finite_and_the_next_is_right(story, question, plain, saved):
    outputs = serve(saved, [(story, question), ASKED[0]])
    for name in ("probability", "top_probabilities", "gates"):
        assert np.isfinite(outputs[name]).all()
    assert set(outputs) == set(OUTPUTS)
    assert outputs["answer"][1].decode() == plain.ask(*ASKED[0]).answer


def test_no_question_at_all_has_no_answer(saved):
    empty = tf.constant([], tf.string)
    assert saved["serving_default"](story=empty, question=empty)["answer"].shape == (0,)


@pytest.mark.parametrize("name", ["serving_default", "tokens"])
def test_unequal_batches_are_refused(name, saved):
    if name == "tokens":
        inputs = {"story": tf.ones((2, 3, 4), tf.int32), "question": tf.ones((3, 2), tf.int32)}
    else:
        inputs = {"story": tf.constant(["a", "b"]), "question": tf.constant(["a", "b", "c"])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="story and question must have the same batch size"):
        saved[name](**inputs)


@pytest.mark.parametrize(
    ("story", "question", "name"),
    [
        ([[[3, -1]]], [[3, 2]], "story"),
        ([[[3, 2]]], [[10_000, 2]], "question"),
        ([[[]]], [[3, 2]], "story"),
        ([[[3, 2]]], [[]], "question"),
    ],
)
def test_ids_that_are_no_words_are_refused(story, question, name, saved):
    inputs = {"story": tf.constant(story, tf.int32), "question": tf.constant(question, tf.int32)}
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name} must hold ids from 0 to"):
        saved["tokens"](**inputs)


def test_a_sentence_without_end_takes_no_more_memory_than_a_long_one(saved, plain):
    endless, usual = "Mary went. " * 100 + "Mary " * 200_000, "John went to the kitchen."
    outputs = serve(saved, [(endless, "Where is Mary?"), (usual, "Where is John?")])
    assert outputs["answer"][1].decode() == plain.ask(usual, "Where is John?").answer
    assert outputs["answer"][0].decode() == plain.ask(endless, "Where is Mary?").answer


@pytest.mark.usefixtures("save_copies")
def test_versions_are_counted_and_never_replaced(plain, tmp_path):
    folder = tmp_path / "model"
    assert versions(folder) == []
    (folder / "notes").mkdir(parents=True)
    (folder / "7.bad").mkdir()
    assert export(plain, folder, questions=FEW, warmup=False) == folder / "8"
    assert export(plain, folder, version=3, questions=FEW, warmup=False) == folder / "3"
    assert versions(folder) == [3, 8]
    with pytest.raises(FileExistsError, match="8 is there already; a version is never replaced"):
        export(plain, folder, version=8)
    assert sorted(path.name for path in folder.iterdir()) == ["3", "7.bad", "8", "notes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"version": 0}, "version must be a positive integer. Received: version=0"),
        ({"top": 0}, "top must be a positive integer. Received: top=0"),
        ({"dtype": "float15"}, "dtype must be .*float16"),
        ({"questions": []}, "questions must hold at least one question"),
        ({"questions": [Example((), "Where?")]}, "questions must hold a word each"),
    ],
)
def test_mistakes_in_the_arguments_write_nothing(arguments, message, plain, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(plain, tmp_path / "model", warmup=False, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["answer", "probability", "facts", "gates", "confidence", "known", "others"])
def test_a_model_that_answers_otherwise_is_not_exported(name, exports, save_copies, tmp_path, monkeypatch):
    made, path = exports("one-word")
    save_copies(path)
    true = made.ask

    def wrong(*asked, **options):
        answer = true(*asked, **options)
        changed = {
            "answer": "nonsense",
            "probability": 0.0,
            "facts": (*answer.facts[1:], "Nobody."),
            "gates": tuple((0.0,) * len(gates) for gates in answer.gates),
            "confidence": 2.0,
            "known": not answer.known,
            "others": tuple((text, 2.0) for text, _ in answer.others),
        }
        return dataclasses.replace(answer, **{name: changed[name]})

    monkeypatch.setattr(made, "ask", wrong)
    with pytest.raises(RuntimeError, match=rf"answers '.*' otherwise than the model, in {name} of serving_default: "):
        export(made, tmp_path / "model", questions=FEW, warmup=False)
    assert list((tmp_path / "model").iterdir()) == []


@pytest.mark.parametrize(("dtype", "top"), [("float16", 3), ("bfloat16", 10_000)])
def test_weights_of_half_the_size_and_no_more_answers_than_words(dtype, top, plain, saved_path, saved, tmp_path):
    half = export(plain, tmp_path / "model", dtype=dtype, top=top, questions=FEW, warmup=False)
    variables = [tf.train.list_variables(str(path / "variables/variables")) for path in (saved_path, half)]
    sizes = [sum(int(np.prod(shape)) for name, shape in found if "weights" in name) for found in variables]
    assert sizes[0] == sizes[1] == sum(w.size for w in plain.model.get_weights() if w.dtype == "float32")
    reader = tf.train.load_checkpoint(str(half / "variables/variables"))
    stored = {dtype for name, dtype in reader.get_variable_to_dtype_map().items() if "weights" in name}
    assert stored == {tf.as_dtype(dtype)}
    one, other = serve(saved, ASKED), serve(tf.saved_model.load(str(half)).signatures, ASKED)
    np.testing.assert_allclose(other["probability"], one["probability"], atol=0.02)
    assert not np.array_equal(other["probability"], one["probability"])
    assert other["top_answers"].shape == (len(ASKED), min(top, len(plain.vocabulary) - 3))
    assert all(len(set(row)) == len(row) for row in other["top_answers"].tolist())
    assert (other["top_probabilities"] > 0).all()


@pytest.mark.usefixtures("save_copies")
def test_a_version_that_somebody_else_wrote_meanwhile_stays(plain, tmp_path, monkeypatch):
    save = tf.saved_model.save
    both = lambda *arguments, **options: (save(*arguments, **options), (tmp_path / "model/1").mkdir())  # noqa: E731
    monkeypatch.setattr(tf.saved_model, "save", both)
    with pytest.raises(FileExistsError, match="1 is there already"):
        export(plain, tmp_path / "model", questions=FEW, warmup=False)
    assert list((tmp_path / "model/1").iterdir()) == []
    assert versions(tmp_path / "model") == [1]


@pytest.mark.usefixtures("save_copies")
@pytest.mark.parametrize(
    "problem",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        tf.errors.ResourceExhaustedError(None, None, "model/variables; No space left on device"),
    ],
)
def test_a_full_disk_leaves_nothing(problem, plain, tmp_path, monkeypatch):
    def full(*arguments, **options):
        pathlib.Path(arguments[1], "variables").mkdir(parents=True)
        raise problem

    monkeypatch.setattr(tf.saved_model, "save", full)
    message = rf"folder \(--output\) {tmp_path}/model cannot be written: No space left on device. Nothing was exported"
    with pytest.raises(OSError, match=message):
        export(plain, tmp_path / "model", questions=FEW, warmup=False)
    assert list((tmp_path / "model").iterdir()) == []


def test_a_folder_that_cannot_be_written(plain, tmp_path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file; expected a folder for the model's versions"):
        export(plain, tmp_path / "model", questions=FEW, warmup=False)
    for folder in (tmp_path / "model" / "below", tmp_path / ("a" * 300), *([] if os.geteuid() == 0 else [ROOT.root])):
        with pytest.raises(OSError, match=r"folder \(--output\) .* cannot be written"):
            export(plain, folder, questions=FEW, warmup=False)
    assert (tmp_path / "model").read_text() == "mine"


def test_a_model_of_weights_that_are_no_numbers_is_not_exported(tmp_path):
    made = answerer(tmp_path / "run", "one-word")
    made.model.set_weights([np.full_like(weight, 1e6) for weight in made.model.get_weights()])
    with pytest.raises(ValueError, match="weights that are no finite numbers in float16"):
        export(made, tmp_path / "model", dtype="float16", questions=FEW, warmup=False)
    made.model.set_weights([np.full_like(weight, np.nan) for weight in made.model.get_weights()])
    with pytest.raises(ValueError, match="weights that are no finite numbers in float32"):
        export(made, tmp_path / "model", questions=FEW, warmup=False)
    assert not (tmp_path / "model").exists()


WAITING = """
import pathlib, sys, types
import tensorflow as tf
from dmn_keras.serving import SAMPLES, export, served
served.ServedModel = lambda *arguments, **options: types.SimpleNamespace(endpoints={})
tf.saved_model.save = lambda made, path, signatures: pathlib.Path(path).mkdir()
tf.saved_model.load = lambda path: (print("written", flush=True), sys.stdin.readline(), sys.exit())
export(*sys.argv[1:], questions=SAMPLES[:1], warmup=False)
"""


@pytest.mark.usefixtures("save_copies")
def test_a_kill_in_mid_export_shows_no_version_and_the_next_clears_up(tmp_path):
    run, folder = tmp_path / "run", tmp_path / "model"
    made = answerer(run, "one-word")
    left = lambda: sorted(path for path in folder.iterdir() if not path.name.isdigit())  # noqa: E731
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "env": {**os.environ, "PYTHONPATH": str(ROOT)}}
    with subprocess.Popen([sys.executable, "-c", WAITING, run, folder], **pipes) as killed:
        assert killed.stdout.readline() == b"written\n"
        killed.kill()
    assert versions(folder) == []
    assert len(left()) == 1
    with subprocess.Popen([sys.executable, "-c", WAITING, run, folder], **pipes) as running:
        assert running.stdout.readline() == b"written\n"
        [of_running] = left()
        assert export(made, folder, version=2, questions=FEW, warmup=False) == folder / "2"
        assert left() == [of_running]  # what is being written stays
        running.communicate(b"go on\n")
    assert (running.returncode, versions(folder), left()) == (0, [2], [])


@pytest.mark.usefixtures("save_copies")
def test_warm_up_requests_are_where_the_server_looks_for_them(plain, tmp_path):
    prediction_log = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    path = export(plain, tmp_path)
    records = list(tf.data.TFRecordDataset(str(path / "assets.extra" / "tf_serving_warmup_requests")))
    assert 1 < len(records) <= 1000  # the server reads no more
    signatures = tf.saved_model.load(str(path)).signatures
    sizes = []
    for data in records:
        request = prediction_log.PredictionLog.FromString(data.numpy()).predict_log.request
        inputs = {name: tf.constant(tf.make_ndarray(proto)) for name, proto in request.inputs.items()}
        sizes.append(len(signatures[request.model_spec.signature_name](**inputs)["answer"]))
    assert sizes == [1] * 8 + [8]


def test_without_its_library_the_warm_up_names_it(plain, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with pytest.raises(ImportError, match=r"pip install 'dmn_keras\[serving\]'"):
        export(plain, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_other_backends_are_told_which_writes(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ImportError, match="KERAS_BACKEND=tensorflow, which reads the runs of every backend"):
        export(plain, tmp_path / "model")


def test_a_run_without_a_model_says_so(tmp_path):
    answerer(tmp_path / "run", "one-word")
    (tmp_path / "run" / "model.weights.h5").unlink()
    with pytest.raises(FileNotFoundError, match=r"has no model\.keras yet"):
        export(tmp_path / "run", tmp_path / "model")
    assert not (tmp_path / "model").exists()
    with pytest.raises(FileNotFoundError, match="does not exist: expected a folder that `dmn-keras train` wrote"):
        QuestionAnswerer.from_preset(tmp_path / "nowhere")
