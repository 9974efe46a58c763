"""Replaces word ids by that of the unknown word."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import fraction, positive_integer
from dmn_keras.text import UNKNOWN_ID


@keras.saving.register_keras_serializable(package="dmn_keras")
class WordDropout(keras.layers.Layer):
    """Replaces words by the unknown word: those without an entry of their own always, any of them in training.

    A model that never meets the unknown word in training cannot use it in prediction.

    Args:
        num_words: Positive integer: an id from here on has no entry of its own.
        rate: Fraction of the words that training replaces. Defaults to 0.
        **kwargs: Arguments of every layer.

    Call arguments:
        words: Integer ids of any shape; 0, padding, stays.

    Returns:
        Ids below `num_words`, int32, of the same shape.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> keras.ops.convert_to_numpy(dmn_keras.layers.WordDropout(10)(np.array([[3, 12, 0]])))
    array([[3, 1, 0]], dtype=int32)

    Reference:
        Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic Methods for Text Classification", ACL, section
        3.1. Deviation: a word is replaced, not left out.
    """

    def __init__(self, num_words: int, rate: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_words = positive_integer("num_words", num_words)
        self.rate = fraction("rate", rate)
        self.seed_generator = keras.random.SeedGenerator()
        self.built = True

    def call(self, words, training=False):
        words = ops.cast(words, "int32")
        replaced = words >= self.num_words
        if training and self.rate:
            drawn = keras.random.uniform(ops.shape(words), seed=self.seed_generator) < self.rate
            replaced = ops.logical_or(replaced, ops.logical_and(drawn, words > 0))
        return ops.where(replaced, UNKNOWN_ID, words)

    def compute_output_spec(self, words, training=False):
        return keras.KerasTensor(words.shape, dtype="int32")

    def get_config(self):
        return {**super().get_config(), "num_words": self.num_words, "rate": self.rate}
