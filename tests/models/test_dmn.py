import inspect
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.losses import AnswerCrossentropy, GateCrossentropy
from dmn_keras.metrics import AnswerAccuracy
from dmn_keras.models import CHAIN_RETRIEVER, RETRIEVER, answering_model, dmn
from dmn_keras.tasks.config import RunConfig
from tests.layers.helpers import numpy, randomize
from tests.models import stories
from tests.training.runs import eagerly, without_tracing

UNITS, PASSES, WORDS = 6, 2, 2
DMN_PLUS = {
    "fact_encoder": "position",
    "input_fusion": True,
    "gate": "softmax",
    "gate_features": "dmn_plus",
    "episode": "attention_gru",
    "memory_update": "relu",
    "tie_weights": False,
}
SETTINGS = {
    "2015": {},
    "2016": DMN_PLUS,
    "answer-words": {"answer_words": WORDS},
    "learned-stop": {"learned_stop": True, "episode": "soft_attention"},
    "question-match": {"question_match": 3},
    "lexical-links": {"fact_encoder": "sentence", "question_match": 3, "lexical_links": 2},
    "chains": {"fact_encoder": "sentence", "lexical_links": 2, "link_mode": "chain"},
    "mentions": {"fact_encoder": "sentence", "question_match": 3, "lexical_links": 2, "link_mode": "mentions"},
    "ordered-mentions": {"fact_encoder": "sentence", "lexical_links": 2, "link_mode": "ordered_mentions"},
    "retriever": {"fact_encoder": "sentence", "lexical_links": 1, "max_retrieved_facts": 3},
    "chain-retriever": {"fact_encoder": "sentence", "max_retrieved_facts": 3, "retriever": "chain"},
    "normed": {"fact_encoder": "sentence", "question_match": 3, "lexical_links": 2, "layer_norm": True},
}
DMN_2015 = RunConfig.preset("dmn_2015", dropout=0.0, l2=0.0).model
each_setting = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="XLA by jit_compile, on TensorFlow"
)


def make(seed=0, **setting):
    model = randomize(
        dmn(stories.VOCABULARY_SIZE, config=DMN_2015, **{"units": UNITS, "num_passes": PASSES, **setting}), seed
    )
    if setting.get("retriever") == "chain":
        query = model.get_layer(CHAIN_RETRIEVER).query  # so that the facts before those with the question's words match
        query.kernel.assign(0.1 * query.kernel)
        query.bias.assign([0.0] * 32 + [1.0, 6.0, 0.0, 0.0, 0.0])
    elif "max_retrieved_facts" in setting:
        model.get_layer(RETRIEVER).gate.output_bias.assign([0.5])  # so that most gates are above the threshold
    return model


def inputs_and_targets(setting, count=8, with_answer=True):
    """What `fit` takes for a model of this setting."""
    inputs, targets = stories.make(count)
    targets["gate_logits"] = np.repeat(targets.pop("gates")[:, None], PASSES, axis=1)
    if "max_retrieved_facts" in setting:
        of_round = targets["gate_logits"][:, 0]
        chain = setting.get("retriever") == "chain"
        targets["retriever_logits"] = np.repeat(of_round[:, None], 3, axis=1) if chain else of_round
    if "answer_words" in setting:
        targets["answer"] = stories.word_by_word(targets["answer"], WORDS)
        if with_answer:
            inputs["answer"] = targets["answer"]
    return inputs, targets


def call(model, inputs, **options):
    return model({name: ops.convert_to_tensor(x) for name, x in inputs.items()}, **options)


def compile_model(model, optimizer, **options):
    loss = {
        "answer": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "gate_logits": GateCrossentropy(model.get_layer("episodic_memory").gate),
    }
    weights = {"answer": 1.0, "gate_logits": 0.1}
    if "retriever_logits" in model.output:
        loss["retriever_logits"], weights["retriever_logits"] = GateCrossentropy("sigmoid"), 0.1
    model.compile(optimizer, loss=loss, loss_weights=weights, **options)
    return model


def assert_close(left, right, atol):
    assert set(left) == set(right)
    for name in left:
        np.testing.assert_allclose(left[name], right[name], rtol=0, atol=atol, err_msg=name)


@pytest.fixture(scope="module", params=SETTINGS.values(), ids=SETTINGS)
def untrained(request):
    """A setting and its model, whose weights stay as they are."""
    return request.param, make(**request.param)


@pytest.mark.slow
def test_named_inputs_and_outputs(untrained):
    setting, model = untrained
    inputs, _ = inputs_and_targets(setting)
    outputs = call(model, inputs)
    names = {"answer", "gates", "gate_logits"} | ({"stop", "stop_logits"} if setting.get("learned_stop") else set())
    names |= {"retriever", "retriever_logits"} if "max_retrieved_facts" in setting else set()
    assert set(outputs) == set(model.output) == names
    assert {tensor.name for tensor in model.inputs} == set(inputs)
    num_facts = inputs["story"].shape[1]
    steps = (WORDS + 1,) if "answer_words" in setting else ()
    assert tuple(outputs["answer"].shape) == (8, *steps, stories.VOCABULARY_SIZE)
    assert tuple(outputs["gates"].shape) == (8, PASSES, num_facts)
    assert tuple(model.output["answer"].shape) == (None, *steps, stories.VOCABULARY_SIZE)
    assert tuple(model.output["gates"].shape) == (None, PASSES, None)
    real = inputs["story"].any(-1)
    if "max_retrieved_facts" in setting:
        ids = [ops.convert_to_tensor(inputs[name]) for name in ("story", "question")]
        layer = model.get_layer(CHAIN_RETRIEVER if setting.get("retriever") == "chain" else RETRIEVER)
        retrieved = ops.convert_to_numpy(layer(*ids)["retrieved"])
        assert 0 < retrieved.sum() < real.sum()
        real = retrieved
    gates = numpy(outputs["gates"])
    assert np.all(gates[~np.repeat(real[:, None], PASSES, axis=1)] == 0)
    assert np.all(gates[np.repeat(real[:, None], PASSES, axis=1)] > 0)


@pytest.mark.slow
def test_the_answer_may_be_left_out():
    setting = SETTINGS["answer-words"]
    model = make(**setting)
    inputs, _ = inputs_and_targets(setting)
    without = {name: x for name, x in inputs.items() if name != "answer"}
    assert_close(numpy(call(model, without)), numpy(call(model, inputs)), 0)
    assert_close(model.predict(without, verbose=0), numpy(call(model, inputs)), 1e-6)
    forced = numpy(call(model, inputs, training=True))
    assert np.abs(forced["answer"] - numpy(call(model, without, training=True))["answer"]).max() > 1e-3


def sow(inputs):
    """Put padding between the words and the sentences of stories, and into the question."""
    story, question = inputs["story"], inputs["question"]
    padded, rows = np.zeros((len(story), 7, 5), "int32"), [0, 2, 3, 6]
    padded[np.ix_(range(len(story)), rows, [0, 1, 4])] = story
    longer = np.zeros((len(question), 6), "int32")
    longer[:, [1, 2, 4]] = question
    return {**inputs, "story": padded, "question": longer}, rows


@pytest.mark.slow
def test_padding_anywhere_changes_nothing(untrained):
    setting, model = untrained
    inputs, _ = inputs_and_targets(setting)
    sown, rows = sow(inputs)
    outputs = numpy(call(model, sown))
    for name in {"gates", "retriever"} & set(outputs):
        assert np.all(np.delete(outputs[name], rows, axis=-1) == 0)
    for name in {"gates", "gate_logits", "retriever", "retriever_logits"} & set(outputs):
        outputs[name] = outputs[name][..., rows]
    assert_close(outputs, numpy(call(model, inputs)), 5e-6)


@pytest.mark.slow
@pytest.mark.parametrize("empty", ["story", "question"])
def test_an_empty_story_or_question_is_finite(untrained, empty):
    setting, model = untrained
    inputs, _ = inputs_and_targets(setting)
    inputs[empty] = np.zeros_like(inputs[empty])
    assert all(np.isfinite(x).all() for x in numpy(call(model, inputs)).values())


@pytest.mark.slow
@each_setting
def test_a_training_step_moves_every_weight(setting):
    model = compile_model(make(**setting), keras.optimizers.SGD(1.0), run_eagerly=True)
    before = numpy([variable.value for variable in model.trainable_variables])
    history = model.fit(*inputs_and_targets(setting), batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    for variable, old in zip(model.trainable_variables, before, strict=True):
        # A softmax does not change when all its logits move alike.
        still = setting.get("gate") == "softmax" and variable.path.endswith("/output_bias")
        assert (np.abs(numpy(variable.value) - old).max() > 1e-6) != still, variable.path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["2015", "answer-words"])
def test_overfits_32_stories(name):
    keras.utils.set_random_seed(0)
    setting = SETTINGS[name]
    model = dmn(stories.VOCABULARY_SIZE, config=DMN_2015, units=24, num_passes=PASSES, **setting)
    compile_model(model, keras.optimizers.Adam(0.03))
    inputs, targets = inputs_and_targets(setting, 32)
    history = model.fit(inputs, targets, batch_size=32, epochs=60, verbose=0).history
    outputs = numpy(call(model, {name: inputs[name] for name in ("story", "question")}))
    answered = outputs["answer"].argmax(-1)
    if name == "2015":
        assert np.all(answered == targets["answer"])
    else:
        assert np.all(answered[:, :2] == targets["answer"][:, :2])
    assert np.all((outputs["gates"][:, -1] > 0.5) == targets["gate_logits"][:, -1])
    assert history["loss"][-1] < 0.1 * history["loss"][0]


LOAD = """
import pathlib, sys
import numpy as np
import keras
import dmn_keras
for path in sys.argv[1:]:
    folder = pathlib.Path(path)
    model = keras.models.load_model(folder / "model.keras")
    outputs = model({name: keras.ops.convert_to_tensor(x) for name, x in np.load(folder / "inputs.npz").items()})
    np.savez(folder / "outputs.npz", **{name: keras.ops.convert_to_numpy(x) for name, x in outputs.items()})
"""


@pytest.mark.slow
def test_saved_models_give_the_same_to_the_bit_in_a_fresh_process(tmp_path):
    expected = {}
    for name in ("2016", "answer-words", "learned-stop"):
        folder, setting = tmp_path / name, SETTINGS[name]
        folder.mkdir()
        inputs, _ = inputs_and_targets(setting, with_answer=False)
        model = make(**setting)
        expected[folder] = numpy(call(model, inputs))
        model.save(folder / "model.keras")
        np.savez(folder / "inputs.npz", **inputs)
        again = keras.models.load_model(folder / "model.keras")
        assert_close(numpy(call(again, inputs)), expected[folder], 0)
        assert type(again) is type(model)
    environment = {**os.environ, "KERAS_BACKEND": keras.backend.backend()}
    root = pathlib.Path(__file__).parents[2]
    command = [sys.executable, "-c", LOAD, *map(str, expected)]
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for folder, outputs in expected.items():
        assert_close(dict(np.load(folder / "outputs.npz")), outputs, 0)


@pytest.mark.slow
@tensorflow_only
def test_trains_under_xla():
    model = compile_model(make(num_passes=1), keras.optimizers.SGD(0.1), jit_compile=True)
    inputs, targets = inputs_and_targets({})
    targets["gate_logits"] = targets["gate_logits"][:, :1]
    plain = compile_model(make(num_passes=1), keras.optimizers.SGD(0.1), run_eagerly=True)
    losses = [m.fit(inputs, targets, batch_size=8, verbose=0).history["loss"][0] for m in (model, plain)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for compiled, eager in zip(model.weights, plain.weights, strict=True):
        np.testing.assert_allclose(numpy(compiled.value), numpy(eager.value), atol=1e-5)


VECTORS = np.random.default_rng(4).standard_normal((stories.VOCABULARY_SIZE, UNITS)).astype("float32")
OTHERS = {
    "embedding_dim": 5,
    "embedding_scale": 2.0,
    "train_word_vectors": False,
    "dropout": 0.5,
    "l2": 0.1,
    "max_retrieved_facts": 1,
    "retriever": "chain",
    "retriever_rounds": 1,
    "fact_encoder": "sentence",
    "question_match": 3,
    "lexical_links": 1,
    "link_mode": "chain",
    "input_fusion": True,
    "num_passes": PASSES + 1,
    "gate": "softmax",
    "gate_features": "dmn_plus",
    "gate_units": UNITS + 1,
    "episode": "attention_gru",
    "memory_update": "relu",
    "tie_weights": False,
    "learned_stop": True,
    "num_heads": 2,
    "layer_norm": True,
    "top_facts": 1,
    "units": UNITS + 1,
    "vocabulary_size": stories.VOCABULARY_SIZE + 1,
    "answer_words": 2,
    "word_vectors": VECTORS,
    "num_placeholders": 3,
    "name": "other",
}
NEEDED = {
    "link_mode": {"lexical_links": 1, "fact_encoder": "sentence"},
    "num_placeholders": {"max_retrieved_facts": 1},
    "retriever": {"max_retrieved_facts": 1},
    "retriever_rounds": {"max_retrieved_facts": 1, "retriever": "chain"},
}
"""What else an argument needs to have an effect."""


def test_every_argument_is_listed():
    settings = {path.rpartition(".")[2] for path in DMN_2015.flat()}
    arguments = inspect.signature(dmn).parameters.keys() - {"config", "settings"}
    # What `recompute` changes is memory; the layers' conformance tests show that it changes nothing else.
    assert OTHERS.keys() == (settings | arguments) - {"recompute"}


def observed(changes):
    """All that an argument can change: names, shapes of the weights and the outputs, and results of training."""
    keras.utils.set_random_seed(1)
    size = changes.get("vocabulary_size", stories.VOCABULARY_SIZE)
    changes = {name: value for name, value in changes.items() if name != "vocabulary_size"}
    model = dmn(size, config=DMN_2015, **{"units": UNITS, "num_passes": PASSES, **changes})
    inputs, _ = inputs_and_targets(changes)
    shapes = [tuple(w.shape) for w in model.trainable_variables] + [model.name]
    outputs = numpy(call(model, inputs, training=True))
    return str(shapes), [*outputs.values(), numpy(ops.convert_to_tensor(sum(model.losses, 0.0)))]


@pytest.fixture(scope="module")
def base():
    again = observed({})
    base = observed({})
    assert base[0] == again[0]
    assert all(np.array_equal(a, b) for a, b in zip(base[1], again[1], strict=True))
    return base


@pytest.mark.slow
@pytest.mark.parametrize("argument", OTHERS)
def test_every_argument_changes_the_model(argument, base):
    needed = NEEDED.get(argument, {})
    base = observed(needed) if needed else base
    shapes, results = observed({argument: OTHERS[argument], **needed})
    same = len(results) == len(base[1]) and all(
        a.shape == b.shape and np.array_equal(a, b) for a, b in zip(results, base[1], strict=True)
    )
    assert shapes != base[0] or not same


def test_word_vectors_are_taken_and_kept():
    setting = {"word_vectors": VECTORS, "train_word_vectors": False, "units": UNITS, "num_passes": PASSES}
    model = compile_model(dmn(stories.VOCABULARY_SIZE, config=DMN_2015, **setting), "sgd", run_eagerly=True)
    model.fit(*inputs_and_targets({}), batch_size=8, verbose=0)
    np.testing.assert_array_equal(numpy(model.get_layer("semantic_memory").embeddings), VECTORS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"word_vectors": VECTORS},
            r"word_vectors must have shape \(vocabulary_size, embedding_dim\) with vocabulary_size=9. "
            r"Received: word_vectors.shape=\(14, 6\)",
        ),
        ({"embedding_dim": 0}, r"embedding_dim must be between 1 and .* Received: embedding_dim=0"),
        ({"fact_encoder": "bag"}, r"fact_encoder must be one of story, sentence, position. Received: 'bag'"),
        (
            {"fact_encoder": "position", "embedding_dim": 5},
            r"embedding_dim must equal units, and question_match be None, with fact_encoder='position', unless "
            r"input_fusion is set. Received: embedding_dim=5, units=80, question_match=None",
        ),
        (
            {"fact_encoder": "position", "lexical_links": 1},
            r"lexical_links needs facts that are read by a word GRU.* fact_encoder='position'",
        ),
        ({"question_match": 0}, r"question_match must be between 1 and .* Received: question_match=0"),
        ({"lexical_links": -1}, r"lexical_links must be between 0 and 1000. Received: lexical_links=-1"),
        ({"dropout": 1}, r"dropout must be between 0.0 and 0.99. Received: dropout=1"),
        ({"link_mode": "chain"}, r"link_mode='chain' needs lexical_links of at least 1. Received: lexical_links=0"),
        (
            {"link_mode": "mentions", "fact_encoder": "sentence"},
            r"link_mode='mentions' needs lexical_links of at least 1. Received: lexical_links=0",
        ),
        (
            {"link_mode": "mentions"},
            r"link_mode='mentions' needs fact_encoder='sentence'. Received: fact_encoder='story'",
        ),
        (
            {"link_mode": "mentions", "fact_encoder": "position"},
            r"link_mode='mentions' needs fact_encoder='sentence'. Received: fact_encoder='position'",
        ),
        ({"max_retrieved_facts": 0}, r"max_retrieved_facts must be between 1 .* Received: max_retrieved_facts=0"),
        ({"retriever": "chain"}, r"retriever='chain' needs max_retrieved_facts. Received: max_retrieved_facts=None"),
        ({"retriever": "book"}, r"retriever must be one of sentence, chain. Received: 'book'"),
        ({"retriever_rounds": 0}, r"retriever_rounds must be between 1 and 1000. Received: retriever_rounds=0"),
        ({"unit": 3}, r"setting must be one of .*Received: 'unit'. Did you mean 'units'"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        dmn(9, config=DMN_2015, **arguments)


@pytest.mark.slow
@without_tracing
@pytest.mark.parametrize(("name", "key"), [("2015", "answer"), ("2016", "task"), ("answer-words", "id")])
def test_inputs_are_taken_by_name(name, key):
    model = make(**SETTINGS[name])
    inputs, _ = inputs_and_targets(SETTINGS[name], with_answer=False)
    further = {key: np.full((8, 3), 7, "int32"), **inputs}
    with eagerly():
        for asked in (model, answering_model(model)):
            assert_close(asked.predict_on_batch(further), asked.predict_on_batch(inputs), 0)
    del further["question"]
    with pytest.raises(ValueError, match=f"inputs must have the keys question. Received: {key}, story"):
        call(model, further)


@pytest.mark.slow
def test_a_clone_and_another_model_leave_the_answer_out(tmp_path):
    model = make(**SETTINGS["answer-words"])
    inputs, _ = inputs_and_targets(SETTINGS["answer-words"], with_answer=False)
    expected = numpy(call(model, inputs))
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert_close(numpy(call(clone, inputs)), expected, 0)
    symbols = {name: keras.Input((None,) * (x.ndim - 1), dtype="int32", name=name) for name, x in inputs.items()}
    outer = keras.Model(symbols, {"answer": model(symbols)["answer"]})
    outer.save(tmp_path / "outer.keras")
    for nested in (outer, keras.models.load_model(tmp_path / "outer.keras")):
        assert_close(nested.predict_on_batch(inputs), {"answer": expected["answer"]}, 1e-6)


@pytest.mark.parametrize("save", [lambda model, path: model.save(path), keras.saving.save_model])
def test_hdf5_is_refused(save, tmp_path):
    with pytest.raises(ValueError, match=r"Save it to a file that ends in .keras"):
        save(make(), tmp_path / "model.h5")


@pytest.mark.slow
def test_a_metric_and_a_target_of_the_answer_alone():
    model = make()
    metrics = {"answer": [AnswerAccuracy()]}
    model.compile("sgd", loss={"answer": AnswerCrossentropy()}, metrics=metrics, run_eagerly=True)
    inputs, targets = inputs_and_targets({})
    right = numpy(call(model, inputs))["answer"].argmax(-1)
    for weights in (None, {"answer": np.ones(8, "float32")}):
        logs = model.evaluate(inputs, {"answer": right}, sample_weight=weights, verbose=0, return_dict=True)
        assert logs["answer_accuracy"] == 1.0
    with pytest.raises(ValueError, match=r"y_true must hold the ids of words.*14\), y_pred.shape=\("):
        model.fit(inputs, {"answer": keras.utils.to_categorical(targets["answer"], 14)}, verbose=0)


def test_numpy_scalars_are_numbers(tmp_path):
    numbers = {
        "units": np.int32(6), "embedding_scale": np.float32(0.5), "dropout": np.float32(0.25), "l2": np.float64(0.5),
        "max_retrieved_facts": np.int64(2), "tie_weights": np.bool_(False), "train_word_vectors": np.bool_(False),
        "lexical_links": np.int64(1), "question_match": np.int64(3),
    }  # fmt: skip
    model = dmn(np.int64(14), **numbers)
    model.save(tmp_path / "model.keras")
    expected = dmn(14, **{name: number.item() for name, number in numbers.items()})
    for layer, other in zip(model.layers, expected.layers, strict=True):
        assert layer.get_config() == other.get_config()
