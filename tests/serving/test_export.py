"""The exported model answers as the Keras model does, and appears whole or not at all."""

import dataclasses
import errno
import json
import os
import pathlib
import shutil
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported by TensorFlow alone", allow_module_level=True)

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from dmn_keras.datasets import Example
from dmn_keras.models import RETRIEVER
from dmn_keras.serving import SAMPLES, export, served, versions
from dmn_keras.serving.client import answers_from_outputs
from dmn_keras.tasks.question_answering import Calibration
from dmn_keras.text import join_sentences
from tests.serving.exported import QUESTIONS, SETTINGS, answerer, load, record, token_ids
from tests.tasks.answers import assert_same_answer
from tests.training.runs import eagerly

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
    """The task and the signatures of the SavedModel of each kind of model."""
    made, path = exports(request.param)
    return made, load(path).signatures


@pytest.fixture(scope="module")
def saved(exports):
    """The signatures of `plain`."""
    return load(exports("one-word")[1]).signatures


@pytest.fixture
def save_copies(exports, saved, monkeypatch):
    """Exports of `plain` write copies of its SavedModel: to trace the graph takes most of their time."""
    copy = lambda made, target, signatures: shutil.copytree(exports("one-word")[1], target)  # noqa: E731
    monkeypatch.setattr(served, "ServedModel", lambda *arguments, **options: types.SimpleNamespace(endpoints={}))
    monkeypatch.setattr(tf.saved_model, "save", copy)
    monkeypatch.setattr(tf.saved_model, "load", lambda path: types.SimpleNamespace(signatures=saved))


def serve(signatures, asked, name="serving_default"):
    story, question = zip(*asked, strict=True)
    return {
        key: value.numpy()
        for key, value in signatures[name](story=tf.constant(story), question=tf.constant(question)).items()
    }


def assert_as_expected(outputs, answers):
    """Compare a signature's outputs, as the client reads them, with the answers of the Keras model."""
    for row, (given, expected) in enumerate(zip(answers_from_outputs(outputs, len(answers)), answers, strict=True)):
        passes, facts = len(expected.gates), len(expected.facts)  # padding and passes after a learned stop have 0
        assert not outputs["gates"][row][passes:].any()
        assert not outputs["gates"][row][:, facts:].any()
        assert_same_answer(dataclasses.replace(given, gates=given.gates[:passes]), expected)
        assert given.probability == pytest.approx(expected.probability, rel=1e-3)


def test_answers_are_those_of_the_keras_model(both):
    made, signatures = both
    outputs = serve(signatures, ASKED)
    with eagerly():
        answers = [made.ask(*asked, beam_width=3) for asked in ASKED]
    assert_as_expected(outputs, answers)
    assert outputs["known"].tolist() == [answer.known for answer in answers]
    for row, expected in enumerate(answers):
        assert expected.answer == expected.answer.title() or made.vocabulary.placeholder_ids
        assert outputs["probability"][row] == pytest.approx(expected.probability, rel=1e-4)
    assert len({round(answer.confidence, 2) for answer in answers}) > 1
    assert outputs["top_answers"].shape == outputs["top_probabilities"].shape == (len(ASKED), 3)
    assert (np.diff(outputs["top_probabilities"]) <= 0).all()
    np.testing.assert_array_equal(outputs["top_answers"][:, 0], outputs["answer"])
    np.testing.assert_array_equal(outputs["top_probabilities"][:, 0], outputs["probability"])
    of_retriever = {"positions", "num_facts", "num_above_threshold"} if answers[0].positions is not None else set()
    assert set(outputs) == {*OUTPUTS, "confidence", "known", *of_retriever}


def test_of_a_story_that_holds_nothing_about_the_question_nothing_is_known(tmp_path):
    """However sure the model is of its guess."""
    made = answerer(tmp_path / "run", "retriever")
    made.network.get_layer(RETRIEVER).gate.output_bias.assign([-100.0])
    made.calibration = Calibration(1.0, 100.0)
    outputs = serve(served.ServedModel(made).endpoints, [LONG])
    [given] = answers_from_outputs(outputs, 1)
    assert_same_answer(given, made.ask(*LONG, beam_width=3))
    assert (given.known, given.num_facts, given.num_above_threshold) == (False, 40, 0)
    del outputs["num_above_threshold"]  # as of a model that was exported before there was one
    assert answers_from_outputs(outputs, 1) == [dataclasses.replace(given, num_above_threshold=None)]
    del outputs["confidence"], outputs["known"]  # as of one that is not calibrated
    assert [answer.known for answer in answers_from_outputs(outputs, 1)] == [given.known]


PROGRAM = """
import json, sys
sys.modules.update(dict.fromkeys(("dmn_keras", "keras")))
import tensorflow as tf
results = {}
for path, calls in json.load(sys.stdin).items():
    signatures, results[path] = tf.saved_model.load(path).signatures, {}
    for name, inputs in calls.items():
        specs = signatures[name].structured_input_signature[1]
        outputs = signatures[name](**{key: tf.constant(value, specs[key].dtype) for key, value in inputs.items()})
        results[path][name] = {key: value.numpy().tolist() for key, value in outputs.items()}
print(json.dumps(results, default=bytes.decode))
"""


def test_every_signature_gives_what_the_keras_model_gives_in_a_process_of_tensorflow_alone(exports):
    examples = SAMPLES[:5]
    texts = {"story": ["\n".join(e.story) for e in examples], "question": [e.question for e in examples]}
    calls, expected = {}, {}
    for kind in SETTINGS:
        made, path = exports(kind)
        ids = token_ids(made, examples)
        calls[str(path)] = {
            "serving_default": texts,
            "tokens": {name: values.tolist() for name, values in ids.items()},
        }
        with eagerly():
            answers = [made.ask(example.story, example.question, beam_width=3) for example in examples]
        expected[str(path)] = answers, made.network.predict(ids, verbose=0)
        # TensorFlow for Python would run such operations, a server would not.
        graph = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes()).meta_graphs[0].graph_def
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        assert [node.op for node in nodes if "PyFunc" in node.op] == []
        assert len(nodes) > 100

    command, environment = [sys.executable, "-I", "-c", PROGRAM], {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.run(
        command, input=json.dumps(calls), capture_output=True, text=True, check=False, env=environment
    )
    assert process.returncode == 0, process.stderr[-2000:]
    for path, outputs in json.loads(process.stdout.splitlines()[-1]).items():
        answers, of_tokens = expected[path]
        assert_as_expected({n: np.array(values, object) for n, values in outputs["serving_default"].items()}, answers)
        np.testing.assert_allclose(outputs["tokens"]["logits"], of_tokens["answer"], atol=1e-4)
        np.testing.assert_allclose(outputs["tokens"]["gates"], of_tokens["gates"], atol=1e-5)


def test_an_answer_depends_on_no_neighbour(both):
    whole = serve(both[1], ASKED)
    for row, asked in enumerate(ASKED):
        alone = serve(both[1], [asked])
        assert alone["answer"][0] == whole["answer"][row]
        np.testing.assert_allclose(alone["top_probabilities"][0], whole["top_probabilities"][row], rtol=1e-4)
        shape = alone["gates"][0].shape
        np.testing.assert_allclose(alone["gates"][0], whole["gates"][row][: shape[0], : shape[1]], atol=1e-5)


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
        ({"questions": []}, "questions must hold at least one example"),
        ({"questions": [Example((), "Where?")]}, "with a word in it"),
    ],
)
def test_mistakes_in_the_arguments_write_nothing(arguments, message, plain, tmp_path):
    with pytest.raises(ValueError, match=message):
        export(plain, tmp_path / "model", warmup=False, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["answer", "probability", "facts", "gates", "confidence", "known", "others"])
@pytest.mark.usefixtures("save_copies")
def test_a_model_that_answers_otherwise_is_not_exported(name, plain, tmp_path, monkeypatch):
    true = plain.predict

    def wrong(answer):
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

    monkeypatch.setattr(plain, "predict", lambda *asked, **options: list(map(wrong, true(*asked, **options))))
    with pytest.raises(RuntimeError, match=rf"answers '.*' otherwise than the model, in {name} of serving_default: "):
        export(plain, tmp_path / "model", questions=FEW, warmup=False)
    assert list((tmp_path / "model").iterdir()) == []


def test_weights_of_half_the_size_and_no_more_answers_than_words(plain, exports, saved, tmp_path):
    half = export(plain, tmp_path / "model", dtype="bfloat16", top=10_000, questions=FEW, warmup=False)
    variables = [tf.train.list_variables(str(path / "variables/variables")) for path in (exports("one-word")[1], half)]
    sizes = [sum(int(np.prod(shape)) for name, shape in found if "weights" in name) for found in variables]
    assert sizes[0] == sizes[1] == sum(w.size for w in plain.network.get_weights() if w.dtype == "float32")
    reader = tf.train.load_checkpoint(str(half / "variables/variables"))
    stored = {dtype for name, dtype in reader.get_variable_to_dtype_map().items() if "weights" in name}
    assert stored == {tf.bfloat16}
    one, other = serve(saved, ASKED), serve(tf.saved_model.load(str(half)).signatures, ASKED)
    np.testing.assert_allclose(other["probability"], one["probability"], atol=0.02)
    assert not np.array_equal(other["probability"], one["probability"])
    assert other["top_answers"].shape == (len(ASKED), len(plain.vocabulary) - 3)
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
    message = rf"folder {tmp_path}/model cannot be written: No space left on device. Nothing was exported"
    with pytest.raises(OSError, match=message):
        export(plain, tmp_path / "model", questions=FEW, warmup=False)
    assert list((tmp_path / "model").iterdir()) == []


def test_a_folder_that_cannot_be_written(plain, tmp_path):
    (tmp_path / "model").write_text("mine")
    with pytest.raises(NotADirectoryError, match="is a file; expected a folder for the model's versions"):
        export(plain, tmp_path / "model", questions=FEW, warmup=False)
    for folder in (tmp_path / "model" / "below", tmp_path / ("a" * 300), *([] if os.geteuid() == 0 else [ROOT.root])):
        with pytest.raises(OSError, match=r"folder .* cannot be written"):
            export(plain, folder, questions=FEW, warmup=False)
    assert (tmp_path / "model").read_text() == "mine"


def test_a_model_of_weights_that_are_no_numbers_is_not_exported(tmp_path):
    made = answerer(tmp_path / "run", "one-word")
    made.network.set_weights([np.full_like(weight, 1e6) for weight in made.network.get_weights()])
    with pytest.raises(ValueError, match="weights that are no finite numbers in float16"):
        export(made, tmp_path / "model", dtype="float16", questions=FEW, warmup=False)
    made.network.set_weights([np.full_like(weight, np.nan) for weight in made.network.get_weights()])
    with pytest.raises(ValueError, match="weights that are no finite numbers in float32"):
        export(made, tmp_path / "model", questions=FEW, warmup=False)
    assert not (tmp_path / "model").exists()


WAITING = """
import pathlib, sys, types
import tensorflow as tf
from dmn_keras.serving import SAMPLES, export, served
from dmn_keras.tasks.question_answering import QuestionAnswerer
served.ServedModel = lambda *arguments, **options: types.SimpleNamespace(endpoints={})
tf.saved_model.save = lambda made, path, signatures: pathlib.Path(path).mkdir()
tf.saved_model.load = lambda path: (print("written", flush=True), sys.stdin.readline(), sys.exit())
export(QuestionAnswerer.from_preset(sys.argv[1]), sys.argv[2], questions=SAMPLES[:1], warmup=False)
"""


@pytest.mark.usefixtures("save_copies")
def test_a_kill_in_mid_export_shows_no_version_and_the_next_clears_up(plain, tmp_path):
    run, folder = tmp_path / "run", tmp_path / "model"
    answerer(run, "one-word")
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
        assert export(plain, folder, version=2, questions=FEW, warmup=False) == folder / "2"
        assert left() == [of_running]  # what is being written stays
        running.communicate(b"go on\n")
    assert (running.returncode, versions(folder), left()) == (0, [2], [])


@pytest.mark.usefixtures("save_copies")
def test_warm_up_requests_are_where_the_server_looks_for_them(plain, tmp_path):
    prediction_log = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    path = export(plain, tmp_path, questions=SAMPLES[:8])
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
