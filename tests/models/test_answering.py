import keras
import numpy as np
import pytest

from dmn_keras.models import answering_model, forbid_unused_placeholders
from tests.layers.helpers import numpy
from tests.models import stories
from tests.models.test_dmn import assert_close, call, inputs_and_targets, make
from tests.reference.answer import until_end


def asked(setting):
    return inputs_and_targets(setting, with_answer=False)[0]


@pytest.mark.slow
@pytest.mark.parametrize("num_placeholders", [0, 6])
def test_several_words_are_those_of_the_greedy_model(num_placeholders):
    setting = {"answer_words": 3}
    model = make(**setting)
    model = forbid_unused_placeholders(model, num_placeholders) if num_placeholders else model
    outputs = numpy(call(model, asked(setting)))
    answers = answering_model(model).predict(asked(setting), verbose=0)
    words = [until_end(row, stories.END) for row in outputs["answer"].argmax(-1)]
    np.testing.assert_array_equal(answers["words"], words)
    assert answers["words"].dtype == "int32"
    assert_close({"gates": answers["gates"]}, {"gates": outputs["gates"]}, 1e-6)
    assert set(answers) == {"words", "log_probability", "top_words", "top_log_probabilities", "gates"}


def test_one_word_is_the_likeliest():
    setting = {"learned_stop": True}
    model = make(**setting)
    outputs = numpy(call(model, asked(setting)))
    answers = numpy(call(answering_model(model), asked(setting)))
    assert set(answers) == {"words", "log_probability", "top_words", "top_log_probabilities", "gates", "stop"}
    np.testing.assert_array_equal(answers["words"], outputs["answer"].argmax(-1)[:, None])
    logits = outputs["answer"]
    largest = logits.max(-1) - np.log(np.exp(logits).sum(-1))
    np.testing.assert_allclose(answers["log_probability"], largest, atol=1e-5)


@pytest.mark.parametrize("answer_words", [None, 2])
def test_the_likeliest_answers_come_in_order(answer_words):
    setting = {"answer_words": answer_words}
    model = make(**setting)
    answers = numpy(call(answering_model(model, beam_width=4), asked(setting)))
    top = answers["top_log_probabilities"]
    assert top.shape[1] == 4
    assert (np.diff(top) <= 0).all()
    np.testing.assert_array_equal(answers["top_words"][:, 0], answers["words"])
    np.testing.assert_array_equal(top[:, 0], answers["log_probability"])
    for words in answers["top_words"]:
        assert len({tuple(row) for row in words.tolist()}) == 4
    if answer_words is None:
        logits = numpy(call(model, asked(setting)))["answer"]
        np.testing.assert_array_equal(answers["top_words"][..., 0], np.argsort(-logits)[:, :4])


def test_a_model_without_answers_is_refused():
    inputs = keras.Input((3,))
    with pytest.raises(ValueError, match=r"model must have an output of the name answer. Received: 'other' with"):
        answering_model(keras.Model(inputs, keras.layers.Dense(2)(inputs), name="other"))
