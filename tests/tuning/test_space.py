import random
import warnings

import keras
import keras_tuner
import pytest

from dmn_keras.datasets import Example
from dmn_keras.tasks.config import PRESETS
from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.tasks.registry import TASKS, task_class
from tests.tuning.searches import quiet
from tuning.folder import SearchFolder
from tuning.hypermodel import OBJECTIVE
from tuning.space import PRESET, SPACES, Choice, Space, make_space, parse_choices, to_label
from tuning.tuner import TUNERS, SearchTuner, make_oracle

pytestmark = quiet
SMALL = SPACES["QuestionAnswerer"]["small"]


@pytest.mark.parametrize("tuner", TUNERS)
@pytest.mark.parametrize("name", SPACES["QuestionAnswerer"])
def test_the_first_trials_of_each_tuner_are_models(name, tuner, tmp_path):
    space, built = make_space(name, settings={"supervise_gates": True} if name == "small" else {}), {}
    oracle, folder = make_oracle(tuner, space, seed=3, epochs=9), SearchFolder(tmp_path)
    oracle.verbose, oracle.num_initial_points = 0, 50  # Bayesian search takes a quarter of a second a later trial
    SearchTuner(oracle, None, folder, seeds=[0], epochs=9, budget=None)
    rng, seen = random.Random(0), set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn's, on few points
        for _ in range(60):
            trial = oracle.create_trial("tuner0")
            values = space.declare(trial.hyperparameters)
            assert space.labels(trial.hyperparameters.values) == {n: to_label(v) for n, v in values.items()}
            c = space.config(values, seed=3)
            settings = {**PRESETS.get(values.get(PRESET), {}), **values, "seed": 3}
            flat = {path.rpartition(".")[2]: value for path, value in c.flat().items()}
            assert all(
                flat[name] == value for name, value in settings.items() if name not in (PRESET, "supervise_gates")
            )
            seen |= set(values)
            # The parts of a model; sizes only in so far as they are equal, so that few models are built.
            size = None if c.model.embedding_dim in (None, c.model.units) else 3
            module = c.model.input
            match = module.question_match and 2
            parts = (
                module.fact_encoder,
                module.input_fusion,
                size,
                match,
                module.num_links,
                c.model.memory.gate_features,
            )
            built.setdefault(parts, c.replace(units=4, embedding_dim=size, question_match=match, num_passes=1))
            oracle.update_trial(trial.trial_id, {OBJECTIVE: rng.random()})
            trial.status = "COMPLETED"
            oracle.end_trial(trial)
    assert seen == set(space.names())
    example = Example(("Mary park.",), "Where is Mary?", ("park",))
    for config in random.Random(0).sample(list(built.values()), min(len(built), 5)):
        task = QuestionAnswerer(config)
        task.adapt([example])
        assert isinstance(task.network, keras.Model)


@pytest.mark.parametrize(("task", "name"), [(task, name) for task in TASKS for name in SPACES[task]])
def test_every_task_has_spaces_of_its_settings(task, name):
    space, rng = make_space(name, task=task, base={"epochs": 3}), random.Random(0)
    for _ in range(20):
        values = space.sample(rng)
        config = space.config(values, seed=1)
        flat = {path.rpartition(".")[2]: value for path, value in config.flat().items()}
        assert values.items() - {(PRESET, values.get(PRESET))} <= flat.items()
        assert (config.trainer.seed, config.trainer.epochs) == (1, 3)
        assert isinstance(config.model, type(task_class(task).default_config.model))


def declared(space):
    hp = keras_tuner.HyperParameters()
    space.declare(hp)
    return hp


def test_what_is_not_chosen_is_off():
    config = make_space("full", preset="linked").config({"units": 8, "fact_encoder": "story"})
    module = config.model.input
    assert (module.num_links, module.input_fusion, module.question_match) == (0, False, None)
    assert (config.task.gate_weight, config.model.embedding_dim) == (1.0, None)


def test_fixed_settings_are_not_searched():
    space = make_space("full", settings={"fact_encoder": "position", "input_fusion": True, "units": 7})
    assert not {"fact_encoder", "input_fusion", "units", "lexical_links"} & set(space.names())
    assert {"question_match", "embedding_dim"} <= set(space.names())
    assert all(not choice.when for choice in space.choices if choice.name == "question_match")
    config = space.config(space.sample(random.Random(0)))
    module = config.model.input
    assert (module.fact_encoder, module.input_fusion, config.model.units) == (
        "position",
        True,
        7,
    )


def test_a_preset_takes_the_place_of_the_choice_of_one():
    space = make_space("small", preset="fused", base={"epochs": 3})
    assert PRESET not in space.names()
    config = space.config({"units": 32})
    module = config.model.input
    assert (module.question_match, module.fact_encoder, config.trainer.epochs) == (
        32,
        "position",
        3,
    )


def test_one_value_is_no_choice_and_what_is_fixed_precedes_the_base():
    choices = {"units": [9], PRESET: ["fused"]}
    space = make_space("small", choices=choices, base={"patience": 5, "epochs": 7}, settings={"patience": 6})
    assert not {"units", PRESET} & set(space.names())
    config = space.config({})
    assert (config.model.units, config.model.input.fact_encoder) == (9, "position")
    assert (config.trainer.patience, config.trainer.epochs) == (6, 7)


def test_gates_are_supervised_only_where_facts_are_named():
    assert {"supervise_gates", "gate_weight"} <= set(make_space("full").names())
    assert not {"supervise_gates", "gate_weight"} & set(make_space("full", facts_named=False).names())
    assert "gate_weight" not in make_space("small").names()
    assert "gate_weight" in make_space("small", settings={"supervise_gates": True}).names()


def test_further_settings_can_be_searched():
    space = make_space("small", choices={"max_facts": [None, 70, 130]})
    assert {space.config(space.sample(random.Random(i))).data.max_facts for i in range(20)} == {None, 70, 130}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "smal"}, "--space must be one of small, full. Received: 'smal'. Did you mean 'small'?"),
        ({"choices": {"unit": [1, 2]}}, "--choices must be one of preset, .*Did you mean 'units'?"),
        ({"choices": {"units": [8, 0]}}, "--choices: units must be between 1 and .*Received: units=0"),
        ({"choices": {"units": [8, 8]}}, "--choices units must have values, each once"),
        ({"choices": {"preset": ["fuse", "linked"]}}, "--choices: preset must be one of .*Did you mean 'fused'?"),
        (
            {"choices": {"units": [8, 9]}, "settings": {"units": 8}},
            "--choices units and --set units exclude each other",
        ),
        ({"choices": {"preset": ["fused", "linked"]}, "preset": "fused"}, "--choices preset and --preset exclude"),
        ({"preset": "fuse"}, "preset must be one of"),
        ({"settings": {"dropout": 2.0}}, "dropout must be between"),
        ({"settings": {"dropuot": 0.1}}, "Did you mean 'dropout'?"),
        (
            {"name": "full", "settings": {"fact_encoder": "position"}, "choices": {"lexical_links": [1, 2]}},
            "The space is contradictory: --choices lexical_links can never be chosen; it needs fact_encoder=sentence",
        ),
        (
            {"name": "full", "settings": {"lexical_links": 2}},
            "The space is contradictory: with .*fact_encoder=position.*lexical_links needs facts that are read",
        ),
        (
            {
                "preset": "fused",
                "settings": {c.name: c.values[0] for c in SPACES["QuestionAnswerer"]["small"] if c.name != PRESET},
            },
            "The space is empty",
        ),
    ],
)
def test_a_space_that_cannot_be_searched_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_space(**{"name": "small", **options})


def test_values_keep_their_types():
    choice = Choice("l2", (None, 0.0, 1e-5, True, "soft"))
    space = Space([choice], {}, {})
    for value in choice.values:
        hp = declared(space)
        hp.values = {"l2": to_label(value)}
        assert space.declare(hp) == {"l2": value}
        assert type(space.declare(hp)["l2"]) is type(value)


def test_parse_choices():
    parsed = parse_choices(["units=8, 16", "dropout=0,0.1", "gate=sigmoid", "max-facts=none,70"])
    assert parsed == {"units": [8, 16], "dropout": [0, 0.1], "gate": ["sigmoid"], "max_facts": [None, 70]}
    for wrong in ("units", "units="):
        with pytest.raises(ValueError, match="--choices must be given as name=value,value"):
            parse_choices([wrong])
