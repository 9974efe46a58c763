"""The examples run."""

import keras
import numpy as np

from dmn_keras.datasets import stories
from dmn_keras.tasks.question_answering import QuestionAnsweringPreprocessor
from examples import dmn_from_layers


def test_a_model_from_the_layers_is_trained_saved_and_loaded(tmp_path, capsys):
    path = tmp_path / "model.keras"
    accuracy = dmn_from_layers.main(["--examples", "200", "--epochs", "2", "--path", str(path)])
    *_, question, answer, measured = capsys.readouterr().out.splitlines()
    assert question.endswith("?")
    assert answer.islower()
    assert measured == f"accuracy on 500 new stories: {accuracy:.3f}"
    preprocessor = QuestionAnsweringPreprocessor()
    preprocessor.adapt(stories.generate("one-supporting-fact", num_examples=200))
    test = stories.generate("one-supporting-fact", split="test", num_examples=500)
    inputs, answers = dmn_from_layers.arrays(preprocessor, test)
    likeliest = keras.models.load_model(path).predict(inputs, verbose=0).argmax(-1)
    np.testing.assert_allclose(np.mean(likeliest == answers), accuracy, atol=1e-6)


def test_a_model_from_the_layers_learns():
    keras.utils.set_random_seed(0)
    examples = stories.generate("one-supporting-fact", num_examples=32, num_facts=2)
    preprocessor = QuestionAnsweringPreprocessor()
    preprocessor.adapt(examples)
    model = dmn_from_layers.build(len(preprocessor.vocabulary), units=20, num_passes=1)
    model.compile(keras.optimizers.Adam(0.02), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    inputs, answers = dmn_from_layers.arrays(preprocessor, examples)
    model.fit(inputs, answers, batch_size=32, epochs=60, verbose=0)
    assert np.mean(model.predict(inputs, verbose=0).argmax(-1) == answers) > 0.9
