"""A task of one's own, from public parts: it finds the fact that answers a question."""

import sys

import keras
import numpy as np

from dmn_keras import Task, datasets
from dmn_keras.losses import GateCrossentropy
from dmn_keras.tasks import FeatureSpec, Target
from dmn_keras.tasks.question_answering import QuestionAnsweringPreprocessor


class FactFinder(Task):
    """Finds the fact that a question is about: the gates of the last pass are the answer."""

    preprocessor_class = QuestionAnsweringPreprocessor

    def build_network(self):
        dmn = self.config.model.build(len(self.preprocessor.vocabulary))
        return keras.Model(dmn.input, {"fact": dmn.output["gate_logits"][:, -1]})

    def targets(self):
        spec, accuracy = FeatureSpec("float32", ("facts",), padding=-1), keras.metrics.CategoricalAccuracy("accuracy")
        return [Target("fact", spec, _one_hot, GateCrossentropy("softmax"), metrics=(accuracy,))]

    def decode(self, outputs, encoded):
        return [example.facts[row["fact"].argmax()] for row, example in zip(outputs, encoded, strict=True)]


def _one_hot(example):
    return np.eye(len(example.story), dtype="float32")[example.supporting_facts[-1]]


if __name__ == "__main__":
    train, test = (datasets.load("stories", task="yes-no", split=split) for split in ("train", "test"))
    finder = FactFinder(num_passes=2)
    finder.fit(train, epochs=2)
    print(finder.evaluate(test), finder.predict(test[:1]))
    finder.export(sys.argv[1])
