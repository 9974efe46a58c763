import dataclasses
import json

import numpy as np
import pytest

from dmn_keras.models import DMNConfig, MemN2NConfig
from dmn_keras.tasks.config import PRESETS, RunConfig, preset
from dmn_keras.tasks.sequence_transduction import SequenceTransducer
from dmn_keras.utils.settings import parse_settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"units": 8.0}, "units must be of type int. Received: units=8.0"),
        ({"units": True}, "units must be of type int. Received: units=True"),
        ({"max_facts": 2.5}, "max_facts must be of type int or None. Received: max_facts=2.5"),
        ({"dropout": True}, "dropout must be of type float. Received: dropout=True"),
        ({"dropout": float("nan")}, "dropout must be of type float. Received: dropout=nan"),
        ({"tie_weights": 1}, "tie_weights must be of type bool. Received: tie_weights=1"),
        ({"units": 0}, "units must be between 1 and 1000000000. Received: units=0"),
        ({"dropout": 1.0}, "dropout must be between 0.0 and 0.99. Received: dropout=1.0"),
        ({"seed": -1}, "seed must be between 0 and 4294967295. Received: seed=-1"),
        ({"learning_rate": 0}, "learning_rate must be greater than 0. Received: learning_rate=0.0"),
        ({"clip_norm": 0.0}, "clip_norm must be greater than 0. Received: clip_norm=0.0"),
        ({"gate": "sofmax"}, "gate must be one of sigmoid, softmax. Received: 'sofmax'. Did you mean 'softmax'?"),
        ({"jit_compile": "never"}, "jit_compile must be one of True, False, auto. Received: 'never'."),
        ({"model": 3}, "model must be an object of settings. Received: model=3"),
        (
            {"model": {"family": "dnm"}},
            "Received: 'dnm'. Did you mean 'dmn'?",
        ),
    ],
)
def test_a_wrong_value_is_refused(settings, message):
    with pytest.raises(ValueError, match="Received") as error:
        RunConfig().replace(settings)
    assert message in str(error.value)


NEAR = {"learning_rat": "learning_rate", "lr": "learning_rate", "passes": "num_passes", "embed": "embedding_dim"}


@pytest.mark.parametrize(("name", "near"), [*NEAR.items(), ("Batch-Size", "batch_size")])
def test_an_unknown_name_is_refused_with_the_nearest(name, near):
    with pytest.raises(ValueError, match=rf"setting must be .*Received: '{name}'\. Did you mean '{near}'\?"):
        RunConfig().replace({name: 1})


def test_is_frozen_and_goes_through_a_dict():
    config = RunConfig().replace(units=7, gate="sigmoid", num_passes=2)
    assert RunConfig().replace(json.loads(json.dumps(config.to_dict()))) == config
    changed = config.replace({"model.units": 9})
    assert (changed.model.units, changed.model.memory.gate, config.model.units) == (9, "sigmoid", 7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.model = 8


def test_a_family_is_chosen_by_name():
    config = RunConfig().replace({"model.family": "memn2n", "num_hops": 2})
    assert config.model == MemN2NConfig(num_hops=2)
    assert RunConfig().replace(config.to_dict()) == config
    assert config.replace(family="dmn").model == DMNConfig()
    with pytest.raises(ValueError, match=r"setting must be one of .*Received: 'units'"):
        config.replace(units=3)


def test_settings_describe_themselves():
    lines = RunConfig().describe().splitlines()
    described = {line.split("=")[0].strip() for line in lines if line.startswith("  ")}
    assert described == {path.rpartition(".")[2] for path in RunConfig().flat()}
    [units] = [line for line in lines if line.startswith("  units=64")]
    assert units.endswith("Size of facts, question, episode and memory.")


def test_parse_settings():
    words = ["units=40", "l2=1e-4", "tie-weights=False", "clip_norm=none", "gate=softmax", " seed=1"]
    expected = {"units": 40, "l2": 1e-4, "tie_weights": False, "clip_norm": None, "gate": "softmax", "seed": 1}
    assert parse_settings(words) == expected
    assert parse_settings(["word_vectors=a=b.txt"]) == {"word_vectors": "a=b.txt"}
    assert parse_settings(["units=1", "units=2"]) == {"units": 2}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_valid_configuration_of_its_own(name):
    config = of_its_task(name).replace(seed=7)
    assert config.trainer.seed == 7
    assert config.replace(PRESETS[name]) == config
    assert all(config != of_its_task(other).replace(seed=7) for other in PRESETS if other != name)


def of_its_task(name):
    """Return the settings of a preset; one of another task than question answering has its `task` settings."""
    if PRESETS[name].get("model.family") != "recurrent_memory":
        return RunConfig.preset(name)
    with pytest.raises(ValueError, match=f"'{name}' is a preset of sequence transduction: SequenceTransducer"):
        RunConfig.preset(name)
    return SequenceTransducer(**preset(name)).config


def test_the_default_is_a_preset_but_for_what_the_data_settles():
    assert RunConfig.preset("normed") == RunConfig().replace(fact_encoder="sentence", input_fusion=False)


def test_presets_of_the_ablation_differ_by_one_step_each():
    """Xiong et al. 2016, table 1: the attention GRU with its gates, then the untied ReLU update."""
    second, third, last = (PRESETS[name] for name in ("dmn_2", "dmn_3", "dmn_plus"))
    assert {name for name in second if second[name] != third[name]} == {"episode", "gate_features"}
    assert {name for name in third if third[name] != last[name]} == {"memory_update", "tie_weights"}


def test_numpy_scalars_are_numbers():
    numbers = {
        "units": np.int64(8),
        "dropout": np.float64(0.2),
        "tie_weights": np.bool_(False),
        "max_facts": np.int32(3),
    }
    config = RunConfig().replace(numbers)
    assert config == RunConfig().replace(units=8, dropout=0.2, tie_weights=False, max_facts=3)
    json.dumps(config.to_dict())
