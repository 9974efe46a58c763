"""Recurrent networks with a memory as functional models, and their settings."""

import dataclasses
import functools

import keras
import numpy as np
import pytest

from dmn_keras.models import recurrent_memory
from dmn_keras.models.recurrent_memory_config import CELLS, RecurrentMemoryConfig
from dmn_keras.models.recurrent_memory_network import memory_cell

INPUTS = np.random.default_rng(0).standard_normal((2, 5, 3)).astype("float32")
SMALL = {"units": 6, "memory_slots": 5, "memory_width": 4, "num_stacks": 2, "depth": 7, "address_width": 3}


def config(**settings):
    return RecurrentMemoryConfig().replace(SMALL | settings)


@functools.cache
def outputs(settings):
    keras.utils.set_random_seed(0)
    network = settings.build(3, 2)
    for weight in network.weights:  # also those that start at zero
        weight.assign(weight + 0.3 * keras.random.normal(weight.shape, seed=len(weight.path)))
    return keras.ops.convert_to_numpy(network({"inputs": INPUTS})["logits"])


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_makes_logits_that_look_back_alone(cell):
    settings = config(cell=cell, controller="gru")
    network = settings.build(3, 2)
    logits = keras.ops.convert_to_numpy(network({"inputs": INPUTS})["logits"])
    assert logits.shape == (2, 5, 2)
    shorter = keras.ops.convert_to_numpy(network({"inputs": INPUTS[:, :3]})["logits"])
    np.testing.assert_allclose(logits[:, :3], shorter, atol=1e-6)


CHANGES = {
    "ntm": {
        "units": 5,
        "num_layers": 2,
        "memory_slots": 4,
        "memory_width": 3,
        "controller": "feedforward",
        "read_heads": 2,
        "write_heads": 2,
        "shift_range": 2,
        "memory_init": "learned",
        "weights_init": "uniform",
        "read_first": True,
    },
    "dnc": {"link": False, "masked_lookup": True, "deallocate": True, "sharpen_links": True, "read_heads": 2},
    "dynamic_ntm": {"address_width": 2, "num_steps": 2, "lru": False, "addressing": "discrete"},
    "stack_rnn": {
        "num_stacks": 3,
        "cell_size": 2,
        "top_k": 3,
        "no_op": True,
        "recurrent": True,
        "rounding": True,
        "activation": "tanh",
        "value_activation": "tanh",
        "empty_value": 0.0,
        "depth": 2,
    },
    "list_rnn": {"num_stacks": 3, "no_op": True},
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:depth=2 is less")
@pytest.mark.parametrize(("cell", "name"), [(cell, name) for cell, changes in CHANGES.items() for name in changes])
def test_every_setting_changes_the_outputs(cell, name):
    base = {"cell": cell, "controller": "gru", "rounding": False}
    changed = {**base, name: CHANGES[cell][name]}
    assert not np.allclose(outputs(config(**base)), outputs(config(**changed)), atol=1e-4)


def test_all_settings_are_tried():
    tried = {name for changes in CHANGES.values() for name in changes}
    assert tried == {path.rpartition(".")[2] for path in RecurrentMemoryConfig().flat()} - {"cell"}


def test_deeper_stacks_have_the_same_weights():
    shallow, deep = (config(cell="stack_rnn", depth=depth).build(3, 2) for depth in (5, 50))
    deep.set_weights(shallow.get_weights())
    expected = keras.ops.convert_to_numpy(shallow({"inputs": INPUTS})["logits"])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(deep({"inputs": INPUTS})["logits"]), expected, atol=1e-6)


def test_settings_of_the_cell_are_those_of_the_config():
    cell = memory_cell(config(cell="ntm", read_heads=3))
    assert (cell.units, cell.memory_slots, cell.memory_width, cell.read_heads) == (6, 5, 4, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "ntn"}, "cell must be one of ntm, dnc.*Did you mean 'ntm'"),
        ({"memory_slots": 0}, "memory_slots must be between 1"),
        ({"shift_range": 0}, "shift_range must be between 1"),
        ({"depth": 0}, "depth must be between 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        config(**settings)


def test_settings_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="shift_range"):
        config(cell="ntm", memory_slots=2, shift_range=1).build(3, 2)
    with pytest.raises(ValueError, match="top_k"):
        config(cell="stack_rnn", depth=1, top_k=2).build(3, 2)
    with pytest.raises(ValueError, match="input_size must be a positive integer"):
        recurrent_memory(0, 2)


def test_config_is_a_dict_and_back():
    settings = config(cell="dnc", masked_lookup=True)
    assert RecurrentMemoryConfig().replace(settings.to_dict()) == settings
    assert dataclasses.replace(settings, cell="ntm") != settings
