import inspect

import keras
import numpy as np
import pytest
from keras import ops

from dmn_keras.losses import AnswerCrossentropy, GateCrossentropy
from dmn_keras.models import answering_model, memn2n
from dmn_keras.models.linear_start import LinearStart
from tests.layers.helpers import numpy, randomize
from tests.models import stories
from tests.models.test_dmn import assert_close, call, inputs_and_targets, sow
from tests.reference import memn2n as reference

DIM, HOPS, TIMES = 6, 2, 2
SETTINGS = {
    "adjacent": {},
    "layer-wise": {"tying": "layer_wise"},
    "hard": {"tying": "layer_wise", "attention": "hard"},
    "bag-of-words": {"position_encoding": False, "temporal_encoding": None},
    "without-time": {"temporal_encoding": None},
    "answer-words": {"answer_words": 2},
}
each_setting = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())


def make(seed=0, **setting):
    sizes = {"embedding_dim": DIM, "num_hops": HOPS, "temporal_encoding": TIMES}
    return randomize(memn2n(stories.VOCABULARY_SIZE, **{**sizes, **setting}), seed)


def weights_of(model, setting):
    """The weights by the paper's symbols, for `tests.reference.memn2n`."""
    layers = {layer.name: layer for layer in model.layers}
    words = {name[10:]: numpy(layer.embeddings) for name, layer in layers.items() if name.startswith("embedding_")}
    times = {name[18:]: numpy(layer.embeddings) for name, layer in layers.items() if name.startswith("temporal_enc")}
    if "tying" in setting:
        keys, values, question, H = ["A"] * HOPS, ["C"] * HOPS, "B", numpy(layers["memory_hop"].state_kernel)
        W = numpy(layers["answer_embedding"].embeddings).T
    else:
        keys, values, question, H = "01", "12", "0", None
        W = words["2"].T
    matrices = {"A": [words[k] for k in keys], "C": [words[k] for k in values], "B": words[question], "W": W, "H": H}
    return {**matrices, "T_A": [times.get(k) for k in keys], "T_C": [times.get(k) for k in values]}


@pytest.fixture(scope="module", params=SETTINGS.values(), ids=SETTINGS)
def untrained(request):
    """A setting and its model, whose weights stay as they are."""
    return request.param, make(**request.param)


def test_outputs_are_those_of_the_equations(untrained):
    setting, model = untrained
    inputs, _ = inputs_and_targets(setting)
    outputs = numpy(call(model, inputs))
    options = {"attention": setting.get("attention", "softmax"), "weighted": setting.get("position_encoding", True)}
    weights = weights_of(model, setting)
    rows = zip(inputs["story"], inputs["question"], strict=True)
    expected = [reference.memn2n(*row, weights, hops=HOPS, **options) for row in rows]
    logits, gates = map(np.stack, zip(*expected, strict=True))
    np.testing.assert_allclose(outputs["gates"], gates, atol=1e-5)
    if "answer_words" in setting:
        assert outputs["answer"].shape == (8, 3, stories.VOCABULARY_SIZE)
    else:
        np.testing.assert_allclose(outputs["answer"], logits, atol=5e-5)
        assert np.all(outputs["answer"][:, 0] == 0)
    assert_close(model.predict(inputs, verbose=0), outputs, 5e-6)


def test_padding_and_other_stories_change_nothing(untrained):
    setting, model = untrained
    inputs, _ = inputs_and_targets(setting)
    whole = numpy(call(model, inputs))
    sown, rows = sow(inputs)
    outputs = numpy(call(model, sown))
    assert np.all(np.delete(outputs["gates"], rows, axis=-1) == 0)
    outputs |= {name: outputs[name][..., rows] for name in ("gates", "gate_logits")}
    assert_close(outputs, whole, 1e-5)
    alone = numpy(call(model, {name: x[2:3] for name, x in inputs.items()}))
    assert_close(alone, {name: x[2:3] for name, x in whole.items()}, 1e-5)


@pytest.mark.parametrize("empty", ["story", "question"])
def test_an_empty_story_or_question_is_finite(untrained, empty):
    setting, model = untrained
    inputs, _ = inputs_and_targets(setting)
    inputs[empty] = np.zeros_like(inputs[empty])
    assert all(np.isfinite(x).all() for x in numpy(call(model, inputs)).values())


@each_setting
def test_a_training_step_moves_every_weight_but_those_of_padding(setting):
    model = make(**setting)
    model.compile(
        keras.optimizers.SGD(1.0, clipnorm=40),
        loss={"answer": AnswerCrossentropy(reduction="sum"), "gate_logits": GateCrossentropy("softmax")},
        run_eagerly=True,
    )
    before = numpy([variable.value for variable in model.trainable_variables])
    model.fit(*inputs_and_targets(setting), batch_size=8, verbose=0)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        moved = np.abs(numpy(variable.value) - old) > 1e-6
        assert moved.any(), variable.path
        assert not (moved[0].any() and variable.path.startswith(("embedding_", "temporal_encoding_")))


@pytest.mark.slow
@pytest.mark.parametrize("setting", [SETTINGS["adjacent"], SETTINGS["layer-wise"]])
def test_clipping_bounds_the_step_of_each_variable(setting):
    model = make(**setting)
    loss = {"answer": AnswerCrossentropy(reduction="sum")}
    model.compile(keras.optimizers.SGD(1.0, clipnorm=0.01), loss=loss, run_eagerly=True)
    inputs, targets = inputs_and_targets(setting)
    before = numpy([variable.value for variable in model.trainable_variables])
    model.train_on_batch(inputs, {"answer": targets["answer"]})
    steps = [np.linalg.norm(numpy(v.value) - old) for v, old in zip(model.trainable_variables, before, strict=True)]
    assert max(steps) == pytest.approx(0.01, rel=1e-3)


def test_the_nil_word_is_zero_when_words_are_drawn_from_a_normal_distribution():
    model = memn2n(2000, 50, num_hops=1)
    for name in ("embedding_0", "embedding_1"):
        embeddings = numpy(model.get_layer(name).embeddings)
        assert np.all(embeddings[0] == 0)
        assert embeddings[1:].std() == pytest.approx(0.1, rel=0.02)
        assert abs(embeddings[1:].mean()) < 0.002


def test_facts_before_those_with_a_temporal_encoding_share_one():
    model = make(num_hops=1)
    story = np.full((1, 5, 2), 7, "int32")
    gates = numpy(call(model, {"story": story, "question": story[:, 0]}))["gates"][0, 0]
    assert len(set(gates[:3].round(6))) == 1
    assert len(set(gates.round(6))) == 3


def test_noise_is_of_training_alone():
    model = make(random_noise=0.9, temporal_encoding=20)
    inputs, _ = inputs_and_targets({})
    plain, again = (numpy(call(model, inputs))["gates"] for _ in range(2))
    np.testing.assert_array_equal(plain, again)
    assert np.abs(numpy(call(model, inputs, training=True))["gates"] - plain).max() > 1e-3


@pytest.mark.slow
@each_setting
def test_saved_and_cloned_models_compute_the_same(setting, tmp_path):
    model = make(**setting)
    if setting.get("attention") != "hard":
        model.get_layer("memory_hop").linear.assign(True)
    inputs, _ = inputs_and_targets(setting, with_answer=False)
    model.save(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for again in (keras.models.load_model(tmp_path / "model.keras"), clone):
        assert type(again) is type(model)
        assert_close(numpy(call(again, inputs)), numpy(call(model, inputs)), 0)


def test_answers_are_those_of_the_logits(untrained):
    setting, model = untrained
    inputs, _ = inputs_and_targets(setting, with_answer=False)
    outputs = numpy(call(model, inputs))
    answers = answering_model(model, beam_width=1).predict(inputs, verbose=0)
    likeliest = outputs["answer"].argmax(-1)
    np.testing.assert_array_equal(answers["words"][:, 0], likeliest if likeliest.ndim == 1 else likeliest[:, 0])
    np.testing.assert_allclose(answers["gates"], outputs["gates"], atol=1e-6)


def is_linear(model):
    return bool(ops.convert_to_numpy(model.get_layer("memory_hop").linear))


class _Linear(keras.callbacks.Callback):
    """Records whether the hops are linear, and whether their attention is."""

    def __init__(self, inputs):
        super().__init__()
        self.inputs, self.seen = inputs, []

    def on_test_begin(self, logs=None):
        self.seen.append(is_linear(self.model))

    def on_epoch_end(self, epoch, logs=None):
        sums = self.model.predict(self.inputs, verbose=0)["gates"].sum(-1)
        assert np.allclose(sums, 1, atol=1e-5) != self.seen[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("initial_epoch", "expected"), [(0, [True, True, False, False]), (1, [True, False, False])])
def test_linear_start_of_a_compiled_model(initial_epoch, expected):
    keras.utils.set_random_seed(0)
    model = memn2n(stories.VOCABULARY_SIZE, DIM, HOPS)
    model.compile("sgd", loss={"answer": AnswerCrossentropy()})
    inputs, targets = inputs_and_targets({})
    linear = _Linear(inputs)
    model.fit(
        inputs,
        {"answer": targets["answer"]},
        validation_data=(inputs, {"answer": targets["answer"]}),
        epochs=4,
        initial_epoch=initial_epoch,
        callbacks=[LinearStart(2), linear],
        verbose=0,
    )
    assert linear.seen == expected


@pytest.mark.slow
def test_linear_start_trains_without_the_softmax():
    losses = []
    for callbacks in ([], [LinearStart(1)]):
        model = make(seed=3)
        model.compile("sgd", loss={"answer": AnswerCrossentropy()}, run_eagerly=True)
        inputs, targets = inputs_and_targets({})
        history = model.fit(inputs, {"answer": targets["answer"]}, verbose=0, callbacks=callbacks).history
        losses.append(history["loss"][0])
    assert abs(losses[0] - losses[1]) > 1e-3


def test_linear_start_finds_hops_in_a_nested_model():
    model = memn2n(stories.VOCABULARY_SIZE, DIM, HOPS)
    symbols = {name: keras.Input(tensor.shape[1:], dtype="int32", name=name) for name, tensor in model.input.items()}
    outer = keras.Model(symbols, model(symbols)["answer"])
    callback = LinearStart(1)
    callback.set_model(outer)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    assert is_linear(model)


def test_linear_start_needs_a_softmax_to_switch_off():
    callback = LinearStart(1)
    callback.set_model(make(attention="hard"))
    with pytest.raises(ValueError, match=r"needs a model with a MemoryHop of attention='softmax'. Received: 'memn2n'"):
        callback.on_train_begin()
    with pytest.raises(ValueError, match=r"epochs must be a positive integer. Received: epochs=0"):
        LinearStart(0)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adjacent", "hard"])
def test_learns_32_stories(name):
    keras.utils.set_random_seed(0)
    setting = SETTINGS[name]
    model = memn2n(stories.VOCABULARY_SIZE, num_hops=HOPS, **setting)
    loss = {"answer": AnswerCrossentropy()}
    if name == "hard":
        loss["gate_logits"] = GateCrossentropy("softmax")
    model.compile(keras.optimizers.Adam(0.03, clipnorm=40), loss=loss)
    inputs, targets = inputs_and_targets(setting, 32)
    model.fit(inputs, {key: targets[key] for key in loss}, batch_size=32, epochs=60, verbose=0)
    outputs = numpy(call(model, inputs))
    assert np.all(outputs["answer"].argmax(-1) == targets["answer"])
    if name == "hard":
        np.testing.assert_array_equal(outputs["gates"].argmax(-1), targets["gate_logits"].argmax(-1))


OTHERS = {
    "vocabulary_size": stories.VOCABULARY_SIZE + 1,
    "embedding_dim": DIM + 1,
    "num_hops": HOPS + 1,
    "tying": "layer_wise",
    "attention": "hard",
    "position_encoding": False,
    "temporal_encoding": None,
    "random_noise": 0.9,
    "answer_words": 2,
    "name": "other",
}


def observed(**changes):
    keras.utils.set_random_seed(1)
    arguments = {"vocabulary_size": stories.VOCABULARY_SIZE, "embedding_dim": DIM, "num_hops": HOPS, "random_noise": 0}
    model = memn2n(**arguments | changes)
    outputs = numpy(call(model, inputs_and_targets(changes)[0], training=True))
    return model.name, [tuple(w.shape) for w in model.weights], outputs["answer"].tolist()


@pytest.mark.slow
def test_every_argument_changes_the_model():
    assert [*OTHERS] == [*inspect.signature(memn2n).parameters]
    base = observed()
    assert base == observed()
    for argument, value in OTHERS.items():
        assert observed(**{argument: value}) != base, argument


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabulary_size": 0}, "vocabulary_size must be a positive integer. Received: vocabulary_size=0"),
        ({"embedding_dim": 0}, "embedding_dim must be a positive integer. Received: embedding_dim=0"),
        ({"num_hops": 0}, "num_hops must be a positive integer. Received: num_hops=0"),
        (
            {"tying": "layer"},
            "tying must be one of adjacent, layer_wise. Received: 'layer'. Did you mean 'layer_wise'?",
        ),
        ({"attention": "soft"}, "attention must be one of softmax, hard. Received: 'soft'."),
        ({"temporal_encoding": 0}, "temporal_encoding must be a positive integer. Received: temporal_encoding=0"),
        ({"random_noise": 1}, "random_noise must be a number with 0 <= random_noise < 1. Received: random_noise=1"),
        ({"answer_words": 0}, "max_words must be a positive integer"),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message.replace("?", "[?]")):
        memn2n(**{"vocabulary_size": 9, **arguments})


def test_mixed_precision_is_close():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = make()
    finally:
        keras.config.set_dtype_policy("float32")
    inputs, _ = inputs_and_targets({})
    outputs = call(mixed, inputs)
    assert {keras.backend.standardize_dtype(x.dtype) for x in outputs.values()} == {"float32"}
    assert_close(numpy(outputs), numpy(call(make(), inputs)), 0.1)
