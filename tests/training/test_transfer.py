import numpy as np
import pytest

from dmn_keras.datasets import Example
from dmn_keras.tasks.config import RunConfig
from dmn_keras.training.transfer import continue_from, load_start
from tests.layers.helpers import randomize
from tests.tasks.answers import assert_same_answer
from tests.tasks.test_question_answerer import SETTINGS, examples, task
from tests.training.runs import eagerly, without_tracing

pytestmark = without_tracing
NEW = [Example(("zoe is in the cellar",), "where is zoe", ("cellar",), (0,))]


@pytest.mark.parametrize("saved", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_a_training_starts_from_the_words_and_weights_of_a_model(several, saved, tmp_path):
    with eagerly():
        start = task(several)
        if saved:  # opened again, as a command does
            start.save_to_preset(tmp_path / "start")
            start = type(start).from_preset(tmp_path / "start")
        task()  # another model in between
        again = continue_from(start, start.config.replace(seed=5, learning_rate=0.5), NEW)
        assert again.config.trainer.learning_rate == 0.5
        words = start.vocabulary.words
        assert again.vocabulary.words == (*words, "cellar", "zoe")
        arrays = start.preprocessor(examples(6))
        expected, found = (qa.network.predict_on_batch(arrays) for qa in (start, again))
        np.testing.assert_allclose(found["gates"], expected["gates"], atol=1e-6)
        np.testing.assert_allclose(found["answer"][..., : len(words)], expected["answer"], atol=1e-5)
        assert not again.predict(NEW)[0].unknown_words
        randomize(start.network, seed=9)
        same = continue_from(start, start.config, examples())
        for one, other in zip(same.predict(examples(6)), start.predict(examples(6)), strict=True):
            assert_same_answer(one, other)
    assert SETTINGS["units"] == again.config.model.units


def test_a_model_of_one_word_learns_answers_of_several():
    with eagerly():
        start = task()
        again = continue_from(start, start.config, examples(several=True))
        arrays = start.preprocessor(examples(6))
        expected, found = (qa.network.predict_on_batch(arrays)["gates"] for qa in (start, again))
        np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("start", "settings", "message"),
    [
        (
            "sst-fine",
            {},
            "start_from needs a QuestionAnswerer of family 'dmn'. Received: .*sst-fine, family 'text_dmn'",
        ),
        (
            "babi-joint",
            {"units": 40},
            "leave out settings of the model, max_facts and word_vectors. Received: units=40",
        ),
        (
            "babi-joint",
            {"max_facts": 1, "word_vectors": "glove.txt"},
            "Received: max_facts=1, word_vectors='glove.txt'",
        ),
        (
            "babi-joint",
            {"model.family": "memn2n"},
            "start_from needs settings of family 'dmn'. Received: .* 'memn2n'",
        ),
    ],
)
def test_another_model_is_refused(start, settings, message):
    with pytest.raises(ValueError, match=message):
        load_start(start, RunConfig().replace(settings))
