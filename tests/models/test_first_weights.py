"""The seed decides a model's first weights, in every process."""

import functools
import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest

from dmn_keras.models import baseline, dmn, memn2n, recurrent_memory, text_dmn, visual_dmn
from dmn_keras.tasks.config import RunConfig

MODELS = {
    **{
        preset: functools.partial(dmn, 20, config=RunConfig.preset(preset).model)
        for preset in ("dmn_2015", "dmn_plus", "linked", "mentions")
    },
    **{tying: functools.partial(memn2n, 20, tying=tying) for tying in ("adjacent", "layer_wise")},
    "baseline": functools.partial(baseline, 20),
    "text": functools.partial(text_dmn, 3, 20, num_characters=9),
    "visual": functools.partial(visual_dmn, 20, 4),
    "recurrent": functools.partial(recurrent_memory, 4, 3),
}


def first_weights():
    """Return the sum of each weight of each model."""
    sums = {}
    for name, build in MODELS.items():
        keras.utils.set_random_seed(0)
        sums[name] = [float(keras.ops.sum(keras.ops.abs(weight))) for weight in build().weights]
    return sums


@pytest.mark.slow
def test_first_weights_do_not_depend_on_the_hash_seed():
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), "PYTHONHASHSEED": other}
    code = "from tests.models.test_first_weights import *; print(json.dumps(first_weights()))"
    root = pathlib.Path(__file__).parents[2]
    output = subprocess.check_output([sys.executable, "-c", code], cwd=root, env=environment, text=True)
    assert json.loads(output.splitlines()[-1]) == first_weights()
