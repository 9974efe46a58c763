"""Answers that hold a placeholder only where the story holds it."""

import keras
from keras import ops

from dmn_keras.layers.answer_decoder import FORBIDDEN
from dmn_keras.layers.checks import positive_integer
from dmn_keras.models.dynamic_memory_network import DynamicMemoryNetwork

ALLOWED_WORDS = "allowed_words"
"""Name of the layer that knows which words an answer may hold, in a model that has placeholders."""


def forbid_unused_placeholders(model: keras.Model, num_placeholders: int) -> DynamicMemoryNetwork:
    """Return a model, on the layers and weights of another, whose answers hold no placeholder that its story lacks.

    Placeholders stand for the unknown words of a story (`dmn_keras.text.assign_placeholders`). Of those that neither
    story nor question hold, the logits are so low that no probability is left to them.

    Args:
        model: What `dmn` or `memn2n` returned.
        num_placeholders: Positive integer, how many ids at the end of the vocabulary are placeholders.

    Returns:
        The model, with the inputs and outputs of the other.
    """
    inputs, outputs = model.input, dict(model.output)
    logits = outputs["answer"]
    allowed_words = _AllowedWords(logits.shape[-1], num_placeholders, name=ALLOWED_WORDS)
    allowed = allowed_words(inputs["story"], inputs["question"])
    of_words = allowed if len(logits.shape) == 2 else allowed[:, None]
    outputs["answer"] = ops.where(of_words, logits, FORBIDDEN)
    return DynamicMemoryNetwork(inputs, outputs, name=model.name)


@keras.saving.register_keras_serializable(package="dmn_keras", name="AllowedWords")
class _AllowedWords(keras.layers.Layer):
    """Which words an answer may hold, boolean `(batch, vocabulary_size)`: all but placeholders that are not there."""

    def __init__(self, vocabulary_size, num_placeholders, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
        self.num_placeholders = positive_integer("num_placeholders", num_placeholders)

    def build(self, story_shape, question_shape):
        """Nothing to build."""

    def call(self, story, question):
        first = self.vocabulary_size - self.num_placeholders
        ids = ops.arange(first, self.vocabulary_size, dtype="int32")
        words = ops.concatenate([ops.reshape(story, (ops.shape(story)[0], -1)), question], axis=1)
        is_there = ops.any(ops.equal(words[:, :, None], ids), axis=1)
        return ops.pad(is_there, [[0, 0], [first, 0]], constant_values=True)

    def compute_output_spec(self, story, question):
        return keras.KerasTensor((story.shape[0], self.vocabulary_size), dtype="bool")

    def get_config(self):
        sizes = {"vocabulary_size": self.vocabulary_size, "num_placeholders": self.num_placeholders}
        return {**super().get_config(), **sizes}
