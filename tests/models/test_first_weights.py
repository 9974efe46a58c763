"""The seed decides a model's first weights, in every process."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest

BUILD = """
import json
import keras
from dmn_keras.models import baseline, dmn, memn2n, recurrent_memory, text_dmn, visual_dmn
from dmn_keras.tasks.config import RunConfig

sums = {}
def add(name, model):
    sums[name] = [float(keras.ops.sum(keras.ops.abs(weight))) for weight in model.weights]
    keras.utils.set_random_seed(0)

keras.utils.set_random_seed(0)
for preset in ("dmn_2015", "dmn_plus", "linked", "mentions"):
    add(preset, dmn(20, config=RunConfig.preset(preset).model))
for tying in ("adjacent", "layer_wise"):
    add(tying, memn2n(20, tying=tying))
add("baseline", baseline(20))
add("text", text_dmn(3, 20, num_characters=9))
add("visual", visual_dmn(20, 4))
add("recurrent", recurrent_memory(4, 3))
print(json.dumps(sums))
"""


@pytest.mark.slow
def test_first_weights_do_not_depend_on_the_hash_seed():
    root = pathlib.Path(__file__).parents[2]
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    built = []
    for seed in ("1", "2"):
        command = [sys.executable, "-c", BUILD]
        output = subprocess.check_output(command, cwd=root, env={**environment, "PYTHONHASHSEED": seed}, text=True)
        built.append(json.loads(output.splitlines()[-1]))
    assert built[0] == built[1]
