"""Networks that read all words in a row: what they read, and that padding never counts."""

import functools

import keras
import numpy as np
import pytest

from dmn_keras.datasets import Example
from dmn_keras.models import answering_model, baseline
from dmn_keras.models.recurrent_memory_config import CELLS
from dmn_keras.tasks.question_answering import QuestionAnswerer
from tests.layers.helpers import gradients, numpy, randomize
from tests.models import stories
from tests.models.test_dmn import call, inputs_and_targets

ENCODERS = (*CELLS, "transformer")
each_encoder = pytest.mark.parametrize("encoder", ENCODERS)
SMALL = {"units": 6, "num_heads": 2, "memory_slots": 5, "memory_width": 4, "num_stacks": 2, "dropout": 0.0}


@functools.cache
def make(**settings):
    """Return a model that no test changes."""
    return randomize(baseline(stories.VOCABULARY_SIZE, **SMALL | settings))


def widened(inputs):
    """The same stories and questions with padding: words, facts, and words of the question."""
    return {
        "story": np.pad(inputs["story"], [(0, 0), (0, 1), (0, 1)]),
        "question": np.pad(inputs["question"], [(0, 0), (0, 1)]),
    }


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["lstm", "transformer", "ntm"])
@pytest.mark.parametrize("reads", ["all", "question", "story"])
def test_an_answer_depends_on_what_is_read_alone(encoder, reads):
    model = make(encoder=encoder, reads=reads)
    inputs, _ = inputs_and_targets({})
    for part in ("story", "question"):
        other = {**inputs, part: np.roll(inputs[part], 1, axis=0)}
        same = np.allclose(numpy(call(model, inputs)["answer"]), numpy(call(model, other)["answer"]), atol=1e-6)
        assert same == (reads not in ("all", part))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        *({"encoder": encoder} for encoder in ENCODERS),
        {"encoder": "lstm", "num_layers": 2},
        {"encoder": "transformer", "num_layers": 2},
        {"encoder": "ntm", "num_layers": 2, "controller": "lstm", "read_heads": 2},
        {"encoder": "dynamic_ntm", "num_steps": 3, "addressing": "discrete", "controller": "feedforward"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_padding_and_the_rest_of_the_batch_change_nothing(settings):
    model = make(**settings)
    inputs, _ = inputs_and_targets({})
    outputs = numpy(call(model, inputs))
    np.testing.assert_allclose(numpy(call(model, widened(inputs)))["answer"], outputs["answer"], atol=1e-5)
    alone = {name: array[:1] for name, array in inputs.items()}
    np.testing.assert_allclose(numpy(call(model, alone))["answer"], outputs["answer"][:1], atol=1e-5)
    num_facts = (inputs["story"] != 0).any(axis=-1).sum(axis=-1)
    expected = (inputs["story"] != 0).any(axis=-1) / np.maximum(num_facts, 1)[:, None]
    np.testing.assert_allclose(outputs["gates"][:, 0], expected, atol=1e-5)


@each_encoder
def test_the_order_of_words_matters(encoder):
    model = make(encoder=encoder, reads="question")
    question = np.array([[5, 6, 7], [6, 5, 7]], "int32")
    one, other = numpy(call(model, {"story": np.ones((2, 1, 1), "int32"), "question": question})["answer"])
    assert not np.allclose(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["lstm", "transformer", "dynamic_ntm"])
def test_answers_of_several_words(encoder):
    model = make(encoder=encoder, answer_words=2)
    inputs, _ = inputs_and_targets({"answer_words": 2})
    assert numpy(call(model, inputs)["answer"]).shape == (8, 3, stories.VOCABULARY_SIZE)
    generated = answering_model(model)({name: inputs[name] for name in ("story", "question")})
    assert numpy(generated["words"]).shape == (8, 3)


@pytest.mark.slow
@each_encoder
def test_every_weight_has_a_finite_gradient(encoder):
    model = make(encoder=encoder)
    inputs, targets = inputs_and_targets({})
    inputs = widened(inputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    found = gradients(
        lambda: loss(targets["answer"], call(model, inputs, training=True)["answer"]), variables=model.trainable_weights
    )
    for weight, gradient in zip(model.trainable_weights, found, strict=True):
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 0, weight.path


@pytest.mark.slow
@each_encoder
def test_a_saved_model_answers_as_before(encoder, tmp_path):
    model = make(encoder=encoder)
    inputs, _ = inputs_and_targets({})
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = numpy(call(model, inputs)["answer"])
    np.testing.assert_allclose(numpy(call(loaded, inputs)["answer"]), expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["lstm", "transformer"])
def test_it_learns_as_a_family_of_question_answering(encoder, tmp_path):
    settings = {"units": 16, "memory_slots": 8, "dropout": 0.0, "learning_rate": 0.01, "batch_size": 3}
    qa = QuestionAnswerer(family="baseline", encoder=encoder, **settings)
    examples = [
        {"story": [f"{name} is in the {place}."], "question": f"Where is {name}?", "answer": place}
        | {"supporting_facts": [0]}
        for name in ("Mary", "John", "Daniel")
        for place in ("garden", "hall", "park")
    ]
    keras.utils.set_random_seed(0)
    qa.fit(examples, epochs=60, verbose=0)
    assert qa.evaluate(examples, verbose=0)["answer_accuracy"] > 0.8
    asked = [Example(("Mary is here.",), "Where is Mary?", ("here",), (0,))]
    assert qa.score(asked, qa.predict(asked)).keys() == {"accuracy"}, "gates that are all alike find nothing"
    qa.save_to_preset(tmp_path)
    again = QuestionAnswerer.from_preset(tmp_path)
    assert [a.answer for a in again.predict(examples)] == [a.answer for a in qa.predict(examples)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoder": "dntm"}, "encoder must be one of ntm, dnc.*transformer"),
        ({"encoder": "dynamic_ntm", "controller": "lstm"}, "controller must be"),
        ({"encoder": "ntm", "memory_slots": 2}, "shift_range"),
        ({"encoder": "stack_rnn", "depth": 1, "top_k": 2}, "top_k"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_word_vectors_are_refused():
    qa = QuestionAnswerer(family="baseline", word_vectors="vectors.txt")
    qa.adapt([{"story": "Mary left.", "question": "Who left?", "answer": "Mary"}])
    with pytest.raises(ValueError, match=r"word_vectors must be None for model\.family=baseline"):
        qa.build()
