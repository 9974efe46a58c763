"""
A task of your own
==================

A task is a preprocessor, a network, targets and ``decode``. It then has ``fit``, ``evaluate``, ``predict``,
``save_to_preset`` and ``export`` for raw examples. This one finds the fact that answers a question.
"""

import pathlib
import tempfile

import keras
import numpy as np

from dmn_keras import RunConfig, Task
from dmn_keras.datasets import stories
from dmn_keras.losses import GateCrossentropy
from dmn_keras.tasks import FeatureSpec, Target
from dmn_keras.tasks.question_answering import QuestionAnsweringPreprocessor

# %%
# The task
# --------
#
# - ``preprocessor_class`` turns examples into arrays. Here that of question answering does.
# - ``build_network`` returns a functional model with a dict of outputs. The network of the settings is
#   ``self.config.model.build(...)``; this one keeps the logits of its last pass.
# - ``targets`` says what each output learns from: its shape, its value for an example, its loss and its metrics. The
#   first metric of the first target chooses the best weights.
# - ``decode`` turns outputs into answers.


class FactFinder(Task):
    """Finds the fact that a question is about: the gates of the last pass are the answer."""

    preprocessor_class = QuestionAnsweringPreprocessor

    def build_network(self):
        dmn = self.config.model.build(len(self.preprocessor.vocabulary))
        return keras.Model(dmn.input, {"fact": dmn.output["gate_logits"][:, -1]})

    def targets(self):
        spec, accuracy = FeatureSpec("float32", ("facts",), padding=-1), keras.metrics.CategoricalAccuracy("accuracy")
        return [Target("fact", spec, one_hot, GateCrossentropy("softmax"), metrics=(accuracy,))]

    def decode(self, outputs, encoded):
        return [example.facts[row["fact"].argmax()] for row, example in zip(outputs, encoded, strict=True)]


def one_hot(example):
    return np.eye(len(example.story), dtype="float32")[example.supporting_facts[-1]]


# %%
# Train and predict
# -----------------

keras.utils.set_random_seed(0)
train = stories.generate("one-supporting-fact", num_examples=500)
test = stories.generate("one-supporting-fact", split="test", num_examples=100)
finder = FactFinder(RunConfig.preset("fused", num_passes=2, units=32, num_buckets=1, learning_rate=3e-3))
finder.fit(train, epochs=4, verbose=0)
print({name: round(value, 3) for name, value in finder.evaluate(test, verbose=0).items()})
print(test[0].question, finder.predict(test[:1]))

# %%
# Save and load
# -------------

folder = pathlib.Path(tempfile.mkdtemp()) / "finder"
finder.save_to_preset(folder)
print(FactFinder.from_preset(folder).predict(test[:1]))
