"""The SavedModel in TF Serving's own runtime: TensorFlow's C++ library, with no Python on the serving path."""

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
from tensorflow.core.protobuf import saved_model_pb2

from dmn_keras.serving import SAMPLES
from tests.serving.exported import SETTINGS, exported

LIBRARIES = pathlib.Path(tf.__file__).parent


def request(path, texts, outputs):
    """What `c_api.py` needs to know of the graph, which the server reads from the SavedModel itself."""
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_default"]
    return {
        "inputs": {name: info.name for name, info in signature.inputs.items()},
        "outputs": {name: signature.outputs[name].name for name in outputs},
        "texts": texts,
    }


def ask(path, content, folder):
    (folder / "request.json").write_text(json.dumps(content))
    program = pathlib.Path(__file__).with_name("c_api.py")
    command = [sys.executable, "-I", program, LIBRARIES, path, folder / "request.json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        return result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.skipif(not (LIBRARIES / "libtensorflow_cc.so.2").exists(), reason="a TensorFlow without its C++ library")
@pytest.mark.parametrize("name", SETTINGS)
def test_answers_without_python_are_those_of_the_keras_model(name, tmp_path):
    made, path = exported(tmp_path, name)
    texts = {
        "story": ["\n".join(example.story) for example in SAMPLES],
        "question": [example.question for example in SAMPLES],
    }
    found = ask(path, request(path, texts, ["answer", "probability", "facts", "gates"]), tmp_path)
    assert found["modules"] == []
    outputs = found["outputs"]
    for row, example in enumerate(SAMPLES):
        expected = made.ask(example.story, example.question, beam_width=3)
        assert outputs["answer"][row] == expected.answer
        assert outputs["probability"][row] == pytest.approx(expected.probability, rel=1e-3)
        assert [fact for fact in outputs["facts"][row] if fact] == list(expected.facts)
        gates = np.array(outputs["gates"][row])[: len(expected.gates), : len(expected.facts)]
        np.testing.assert_allclose(gates, expected.gates, atol=1e-4)

    texts["question"] = texts["question"][:3]
    refused = ask(path, request(path, texts, ["answer"]), tmp_path)
    assert "story and question must have the same batch size" in refused
