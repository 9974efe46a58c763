"""The SavedModel in TF Serving's own runtime: TensorFlow's C++ library, in a process without this package."""

import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("served by TensorFlow alone", allow_module_level=True)

import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from dmn_keras.serving import SAMPLES
from tests.serving.exported import SETTINGS, exported, record, token_ids
from tests.training.runs import eagerly

LIBRARIES = pathlib.Path(tf.__file__).parent


def call(path, name, **inputs):
    """What `c_api.py` needs to know of a signature, which a server reads from the SavedModel itself."""
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def[name]
    kinds = (types_pb2.DT_FLOAT, types_pb2.DT_INT32, types_pb2.DT_STRING)
    return {
        "inputs": {signature.inputs[key].name: value for key, value in inputs.items()},
        "outputs": {key: info.name for key, info in signature.outputs.items() if info.dtype in kinds},
    }


def run(path, calls, folder):
    (folder / "calls.json").write_text(json.dumps(calls))
    program = pathlib.Path(__file__).with_name("c_api.py")
    command = [sys.executable, "-I", program, LIBRARIES, path, folder / "calls.json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        return result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.skipif(not (LIBRARIES / "libtensorflow_cc.so.2").exists(), reason="a TensorFlow without its C++ library")
@pytest.mark.parametrize("name", SETTINGS)
def test_every_signature_gives_without_python_what_the_keras_model_gives(name, tmp_path):
    made, path = exported(tmp_path, name)
    examples = SAMPLES[:5]
    texts = {"story": ["\n".join(e.story) for e in examples], "question": [e.question for e in examples]}
    records = [record(story=[story], question=[asked]) for story, asked in zip(*texts.values(), strict=True)]
    ids = token_ids(made, examples)
    calls = [
        call(path, "serving_default", **texts),
        call(path, "record", examples=[data.decode("utf-8", "surrogateescape") for data in records]),
        call(path, "tokens", **{name: values.tolist() for name, values in ids.items()}),
    ]
    found = run(path, calls, tmp_path)
    assert found["modules"] == []
    of_texts, of_records, of_tokens = found["results"]
    assert of_records == of_texts
    with eagerly():
        answers = [made.ask(example.story, example.question, beam_width=3) for example in examples]
    for row, expected in enumerate(answers):
        assert of_texts["answer"][row] == expected.answer
        assert of_texts["probability"][row] == pytest.approx(expected.probability, rel=1e-3)
        assert [fact for fact in of_texts["facts"][row] if fact] == list(expected.facts)
        gates = np.array(of_texts["gates"][row])[: len(expected.gates), : len(expected.facts)]
        np.testing.assert_allclose(gates, expected.gates, atol=1e-4)
    expected = made.model.predict(ids, verbose=0)
    np.testing.assert_allclose(of_tokens["logits"], expected["answer"], atol=1e-4)
    np.testing.assert_allclose(of_tokens["gates"], expected["gates"], atol=1e-5)

    texts["question"] = texts["question"][:3]
    refused = run(path, [call(path, "serving_default", **texts)], tmp_path)
    assert "story and question must have the same batch size" in refused
