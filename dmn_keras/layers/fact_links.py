"""Linked facts: a word brings along the other facts that hold the same word."""

import keras
from keras import ops

from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.sequences import known_shape, take_rows


@keras.saving.register_keras_serializable(package="dmn_keras")
class FactLinks(keras.layers.Layer):
    """Word vectors with what the story says elsewhere at the same word.

    A word `w` of the story becomes `[L[w]; W c_w]`, where `c_w` is the mean of the facts at all other places of the
    story that hold `w`, those in its own sentence too, and zero where it stands nowhere else. A `FactEncoder` that
    reads the words again then makes facts that know their neighbours: two rounds carry "Greg" over "Greg is a swan" and
    "Lily is a swan" to "Lily is white". What attention has to find by chance, pass after pass, such facts carry with a
    gradient of their own.

    Words are compared by their ids, so that all unknown words count as one. Padding (id 0) is linked to nothing. Time
    and memory grow with the words of the story, not with their pairs.

    Masking: the mask of `words` is passed on. A fact without words is linked to nothing.

    Args:
        units: Positive integer, size of what is appended to a word vector.
        kernel_regularizer: Regularizer of `W`. Defaults to `None`.

    Call arguments:
        words: Word vectors, `(batch, facts, words, dim)`.
        story: Their ids, integer, `(batch, facts, words)`.
        facts: `(batch, facts, fact dim)`.

    Returns:
        Word vectors, `(batch, facts, words, dim + units)`.

    Raises:
        ValueError: If `units` is no positive integer.

    Example:

    >>> words, facts = keras.random.normal((2, 5, 7, 16)), keras.random.normal((2, 5, 8))
    >>> story = np.ones((2, 5, 7), "int32")
    >>> dmn_keras.layers.FactLinks(32)(words, story, facts).shape
    (2, 5, 7, 48)

    Reference:
        Not in the papers: message passing over the graph of facts that share a word.
    """

    def __init__(self, units, *, kernel_regularizer=None, **kwargs):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.supports_masking = True
        self.project = keras.layers.Dense(
            units, use_bias=False, kernel_regularizer=self.kernel_regularizer, dtype=self.dtype_policy, name="project"
        )

    def build(self, words_shape, story_shape, facts_shape):
        self.project.build(tuple(facts_shape))

    def call(self, words, story, facts):
        batch, num_facts, num_words, _ = known_shape(words)
        places = num_facts * num_words
        ids = ops.reshape(story, (batch, places))
        segment = _word_segments(ids)  # (B, P)
        facts = self.project(facts)
        # What each place holds, its fact, summed over the places of the same word; less its own, over the others.
        of_fact = ops.expand_dims(ops.arange(places, dtype="int32") // num_words, 0) + ops.zeros_like(segment)
        held = ops.reshape(take_rows(facts, of_fact), (batch * places, self.units))
        # Sums over hundreds of places need more than the half precision of a mixed policy.
        held = ops.cast(held, self.variable_dtype)
        real = ops.cast(ops.reshape(ids, (-1, 1)) > 0, held.dtype)
        held = held * real
        flat = ops.reshape(segment + ops.expand_dims(ops.arange(batch, dtype="int32") * places, 1), (-1,))
        totals = ops.segment_sum(ops.concatenate([held, real], axis=-1), flat, num_segments=batch * places)
        others = ops.take(totals, flat, axis=0) - ops.concatenate([held, real], axis=-1)
        linked = real * others[:, :-1] / ops.maximum(others[:, -1:], 1)
        linked = ops.reshape(ops.cast(linked, words.dtype), (batch, num_facts, num_words, self.units))
        return ops.concatenate([words, linked], axis=-1)

    def compute_output_shape(self, words_shape, story_shape, facts_shape):
        return (*words_shape[:-1], words_shape[-1] + self.units)

    def compute_mask(self, words, previous_mask=None):
        return previous_mask

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


def _word_segments(ids):
    """Number the different words of each row of ids `(batch, places)`: equal ids have equal numbers below `places`."""
    ids = ops.cast(ids, "int32")
    order = ops.argsort(ids, axis=1)
    ordered = ops.take_along_axis(ids, order, axis=1)
    starts = ops.cast(ops.not_equal(ordered[:, 1:], ordered[:, :-1]), "int32")
    numbers = ops.pad(ops.cumsum(starts, axis=1), [[0, 0], [1, 0]])
    return ops.take_along_axis(numbers, ops.argsort(order, axis=1), axis=1)
