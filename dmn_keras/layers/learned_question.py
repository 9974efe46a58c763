"""The question of a task that asks the same of every example."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="dmn_keras")
class LearnedQuestion(keras.layers.Layer):
    """A learned question vector, the same for every example.

    Call arguments:
        facts: `(batch, facts, units)`.

    Returns:
        Questions, `(batch, units)`.

    Example:

    >>> tuple(dmn_keras.layers.LearnedQuestion()(keras.random.normal((2, 5, 32))).shape)
    (2, 32)
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(self, facts_shape):
        initializer = keras.initializers.RandomNormal(stddev=0.1)
        self.question = self.add_weight(name="question", shape=(facts_shape[-1],), initializer=initializer)

    def call(self, facts):
        return ops.zeros_like(facts[:, 0]) + ops.cast(self.question, facts.dtype)

    def compute_output_shape(self, facts_shape):
        return (facts_shape[0], facts_shape[-1])

    def compute_mask(self, facts, previous_mask=None):
        return None
