"""A SavedModel needs TensorFlow alone: it answers in a process that can import neither this package nor Keras."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("served by TensorFlow alone", allow_module_level=True)

from tensorflow.core.protobuf import saved_model_pb2

from dmn_keras.serving import SAMPLES
from tests.serving.exported import SETTINGS, token_ids
from tests.training.runs import eagerly

pytestmark = pytest.mark.xdist_group("export")
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


def test_every_signature_gives_what_the_keras_model_gives(exports):
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
        found = outputs["serving_default"]
        for row, answer in enumerate(answers):
            assert found["answer"][row] == answer.answer
            assert found["probability"][row] == pytest.approx(answer.probability, rel=1e-3)
            assert [fact for fact in found["facts"][row] if fact] == list(answer.facts)
            gates = np.array(found["gates"][row])[: len(answer.gates), : len(answer.facts)]
            np.testing.assert_allclose(gates, answer.gates, atol=1e-4)
        np.testing.assert_allclose(outputs["tokens"]["logits"], of_tokens["answer"], atol=1e-4)
        np.testing.assert_allclose(outputs["tokens"]["gates"], of_tokens["gates"], atol=1e-5)
