"""The LiteRT file answers as the Keras model does."""

import dataclasses
import warnings

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported by TensorFlow alone", allow_module_level=True)

import tensorflow as tf

from dmn_keras import cli
from dmn_keras.datasets import Example
from dmn_keras.serving import SAMPLES, export_litert, versions
from tests.serving.exported import SETTINGS, answerer


def run(path, made, example, num_facts=32, num_words=16):
    """What the file in a version's folder says about one question."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(path / "model.tflite"))
    [encoded] = made.preprocessor.encode([example])
    sizes = {"facts": num_facts, "words": num_words, "question_words": num_words}
    ids = {name: spec.pad([getattr(encoded, name)], sizes) for name, spec in made.preprocessor.specs.items()}
    return interpreter.get_signature_runner()(**ids)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A task that is quickly converted, and its folder."""
    folder = tmp_path_factory.mktemp("plain")
    without_gru = {"fact_encoder": "position", "question_match": None, "lexical_links": 0}
    return answerer(folder, "one-word", **without_gru), folder


@pytest.mark.parametrize("name", [name for name in SETTINGS if name != "one-word"])  # which is quantised below
def test_answers_and_gates_are_those_of_the_keras_model(name, tmp_path):
    made = answerer(tmp_path / "run", name)
    path, same = export_litert(made, tmp_path / "model", num_facts=20, num_words=12, quantize=False)
    assert path == tmp_path / "model/litert-1"
    assert versions(tmp_path / "model") == [], "a server would take it for a SavedModel"
    assert same == 1
    num_facts = made.preprocessor.max_facts or 20  # no more than the model reads
    words = (path / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    for example in SAMPLES[:5]:
        outputs = run(path, made, example, num_facts, 12)
        assert outputs["gates"].shape == (1, made.config.model.num_passes, num_facts)
        expected = made.ask(example.story, example.question)
        said = [words[i] for i in outputs["words"][0] if i > 2]
        assert " ".join(said) == expected.answer
        assert outputs["log_probability"][0] == pytest.approx(np.log(expected.probability), abs=1e-4)
        facts = range(len(expected.facts)) if expected.positions is None else expected.positions
        gates = outputs["gates"][0, : len(expected.gates), list(facts)].T
        np.testing.assert_allclose(gates, expected.gates, atol=1e-5)


def test_quantised_weights_make_the_file_smaller(tmp_path):
    made = answerer(tmp_path / "run", "one-word", units=64)
    sizes = {}
    for quantize in (False, True):
        path, same = export_litert(made, tmp_path / "model", quantize=quantize)
        answers = [[i for i in run(path, made, example)["words"][0] if i > 2] for example in SAMPLES]
        words = made.vocabulary.words
        expected = [made.ask(example.story, example.question).answer for example in SAMPLES]
        right = [" ".join(words[i] for i in ids) == answer for ids, answer in zip(answers, expected, strict=True)]
        assert same == sum(right) / len(SAMPLES)
        sizes[quantize] = (path / "model.tflite").stat().st_size
    assert sizes[True] < 0.6 * sizes[False]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_facts": 0}, "num_facts must be a positive integer"),
        ({"num_words": 1.5}, "num_words must be a positive integer"),
        ({"num_words": 2}, "No question fits into num_facts=32 and num_words=2"),
        ({"questions": []}, "questions must hold at least one example"),
        ({"questions": [Example(("Mary went.",) * 40, "Where?")]}, "No question fits into num_facts=32"),
        ({"version": -1}, "version must be a positive integer"),
    ],
)
def test_mistakes_in_the_arguments_write_nothing(arguments, message, plain, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_litert(plain[0], tmp_path / "model", **arguments)
    assert not (tmp_path / "model").exists() or list((tmp_path / "model").iterdir()) == []


def test_a_file_that_answers_otherwise_is_not_kept(plain, tmp_path, monkeypatch):
    made, _ = plain
    true = made.predict
    wrong = lambda asked: [dataclasses.replace(answer, answer="nonsense") for answer in true(asked)]  # noqa: E731
    monkeypatch.setattr(made, "predict", wrong)
    with pytest.raises(RuntimeError, match=r"the model's answers to .*% of the questions only. Nothing was exported"):
        export_litert(made, tmp_path / "model", quantize=False)
    assert list((tmp_path / "model").iterdir()) == []


def test_the_command_line(plain, tmp_path, capsys):
    command = ["export", str(plain[1]), "--output", str(tmp_path / "model"), "--litert"]
    assert cli.main([*command, "--no-quantize", "--num-facts", "20"]) == 0
    assert "gave the model's answer to 100.0% of the questions" in capsys.readouterr().out
    assert cli.main([*command, "--num-words", "0"]) == 2
    assert "num_words must be a positive integer" in capsys.readouterr().err
    assert cli.main([*command, "--dtype", "float16", "--no-warmup"]) == 2
    assert "Leave out --dtype, --no-warmup: only used without --litert" in capsys.readouterr().err
    assert cli.main([*command[:-1], "--num-facts", "3"]) == 2
    assert "Leave out --num-facts: only used with --litert" in capsys.readouterr().err
