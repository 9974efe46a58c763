"""Question-aware facts: each word of the story gets the question's state at the same word."""

import math
from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.padding import static_shape
from dmn_keras.layers.weighted_layer import WeightedLayer


@keras.saving.register_keras_serializable(package="dmn_keras")
class QuestionMatch(WeightedLayer):
    """Appends to each word vector the question's state at the same word.

    A word `w` of the story becomes `[L[w]; W s_w]`, where `s_w` is the mean of the question's states at the places
    where it has `w`, and zero where it does not. A fact then shows in which role it shares a word with the question
    ("the place we come from is here the subject"), in the same way for every word, also for pairs that training never
    showed.

    Words are compared by their ids, so that all unknown words count as one word, unless they have placeholders.
    Padding (id 0) matches nothing.

    Masking: the mask of `words` is passed on. Question states behind the question's end are ignored.

    Args:
        units: Positive integer, size of what is appended to a word vector.
        **kwargs: `kernel_initializer` and `kernel_regularizer` of `W`, and arguments of every layer.

    Call arguments:
        words: Word vectors, `(batch, facts, words, dim)`, or `(batch, words, dim)` for a single sentence.
        story: Their ids, integer, `(batch, facts, words)` or `(batch, words)`.
        question: Ids of the question's words, integer, `(batch, question words)`.
        states: A state for each of them, `(batch, question words, state dim)`.

    Returns:
        Word vectors, of the shape of `words` with `dim + units` in place of `dim`.

    Raises:
        ValueError: If `units` is no positive integer.

    Example:

    >>> words, states = keras.random.normal((2, 5, 7, 16)), keras.random.normal((2, 4, 8))
    >>> story, question = np.ones((2, 5, 7), "int32"), np.ones((2, 4), "int32")
    >>> tuple(dmn_keras.layers.QuestionMatch(32)(words, story, question, states).shape)
    (2, 5, 7, 48)

    Reference:
        Not in the papers. Exact matches between question and text are a feature of Chen et al. 2017,
        arXiv:1704.00051, section 3.2; here they carry the question's state and not only whether there is one.
    """

    weight_kinds = ("kernel",)

    def __init__(self, units: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.supports_masking = True
        self.project = keras.layers.Dense(self.units, use_bias=False, name="project", **self.sublayer_options())

    def build(self, words_shape, story_shape, question_shape, states_shape):
        self.project.build(tuple(states_shape))

    def call(self, words, story, question, states):
        shape = static_shape(words)
        flat = ops.reshape(story, (shape[0], math.prod(shape[1:-1]), 1))
        same = ops.logical_and(ops.equal(flat, question[:, None, :]), ops.not_equal(flat, 0))  # (B, F * W, Q)
        same = ops.cast(same, words.dtype)
        share = same / ops.maximum(ops.sum(same, axis=-1, keepdims=True), 1)
        matched = ops.matmul(share, self.project(states))
        return ops.concatenate([words, ops.reshape(matched, (*shape[:-1], self.units))], axis=-1)

    def compute_output_shape(self, words_shape, story_shape, question_shape, states_shape):
        return (*words_shape[:-1], words_shape[-1] + self.units)

    def compute_mask(self, words, previous_mask=None):
        return previous_mask

    def get_config(self):
        return {**super().get_config(), "units": self.units}
