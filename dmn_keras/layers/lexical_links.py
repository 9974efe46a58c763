"""Lexical links: messages between facts that share a word."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers import recurrence
from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.layers.padding import batched_gather, static_shape
from dmn_keras.layers.scan import scan
from dmn_keras.layers.weighted_layer import WeightedLayer
from dmn_keras.layers.word_places import nearest_places, order_by_word

_NOISE = 1.0  # standard deviation


@keras.saving.register_keras_serializable(package="dmn_keras")
class LexicalLinks(WeightedLayer):
    """Message passing between facts that share a word: each word vector gets what other facts with that word hold.

    A word `w` of the story becomes `[L[w]; P c_before + N c_after]`, where `c_before` is the fact at the place before
    it that holds `w`, `c_after` the one at the place after it, in the same sentence too, and zero where there is none.
    A `FactEncoder` that reads the words again then makes facts that hold information about the facts linked with them:
    two rounds carry "Greg" over "Greg is a swan" and "Lily is a swan" to "Lily is white", and "Mary went to the park"
    holds whether Mary went elsewhere later. Attention has to find such chains by chance, pass after pass; links have a
    gradient of their own. The word that ends every sentence links each fact with the facts before and after it.

    With `mode="chain"`, a word gets more than the nearest facts. The facts that hold it make a chain, along which a
    memory is kept, forwards and backwards: a place `p` of the chain writes `s_p = (1 - z_p) s_(p-1) + z_p x_p` with
    `z = clip(1.2 sigmoid(V [L[w]; c] + b) - 0.1, 0, 1)` and `x = P [L[w]; c] + d`, and the word becomes
    `[L[w]; s_before + s_after]` with the memory before it and, of the chain run backwards with matrices of its own,
    behind it. "Mary took the milk" then holds where Mary went last, however much she did since, and where she will go
    next. A gate can be exactly 0, so that what was written outlasts any number of facts; normally distributed noise,
    added in training to the sigmoid's argument, teaches gates to be 0 or 1.

    Words are compared by their ids, so that all unknown words count as one, unless they have placeholders. Padding (id
    0) is linked to nothing. Time and memory grow with the words of the story, not with their pairs.

    Masking: the mask of `words` is passed on. A fact without words is linked to nothing.

    Args:
        units: Positive integer, size of what is appended to a word vector.
        mode: `"neighbours"` for the nearest facts before and after that share the word, `"chain"` for what was written
            along the whole chain of them. Defaults to `"neighbours"`.
        **kwargs: Initializers and regularizers of the kernels and, with chains, their biases (kernel, bias), as in
            `keras.layers.Dense`, and arguments of every layer.

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
    >>> tuple(dmn_keras.layers.LexicalLinks(32)(words, story, facts).shape)
    (2, 5, 7, 48)

    Reference:
        Not in the papers: message passing over the graph of facts that share a word.
    """

    weight_kinds = ("kernel", "bias")

    def __init__(self, units: int, *, mode: str = "neighbours", **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.mode = one_of("mode", mode, ("neighbours", "chain"))
        chains = self.mode == "chain"
        self.seed_generator = keras.random.SeedGenerator() if chains else None
        self.supports_masking = True
        width = (4 if chains else 2) * self.units
        self.project = keras.layers.Dense(width, use_bias=chains, name="project", **self.sublayer_options())
        # Of the words, to be added to what `project` makes of the facts.
        options = {"use_bias": False, "name": "words", **self.sublayer_options("kernel")}
        self.project_words = keras.layers.Dense(width, **options) if chains else None

    def build(self, words_shape, story_shape, facts_shape):
        self.project.build(tuple(facts_shape))
        if self.project_words is not None:
            self.project_words.build(tuple(words_shape))

    def call(self, words, story, facts, training=False):
        batch, num_facts, num_words, _ = static_shape(words)
        ids = ops.reshape(story, (batch, num_facts * num_words))
        if self.mode == "chain":
            linked = self._along_chains(words, ids, facts, training)
        else:
            linked = self._from_neighbours(ids, facts, num_words)
        linked = ops.reshape(linked, (batch, num_facts, num_words, self.units))
        return ops.concatenate([words, linked], axis=-1)

    def _from_neighbours(self, ids, facts, num_words):
        """Return what each word gets from the nearest facts that hold it, `(batch, places, units)`."""
        # Row 0 stands for no fact at all, row i + 1 for fact i.
        before, after = ((place + num_words - 1) // num_words for place in nearest_places(ids))
        rows = ops.pad(self.project(facts), [[0, 0], [1, 0], [0, 0]])
        return batched_gather(rows[..., : self.units], before) + batched_gather(rows[..., self.units :], after)

    def _along_chains(self, words, ids, facts, training):
        """Return what each word gets along its chain, `(batch, places, units)`."""
        written = self.project_words(words) + self.project(facts)[:, :, None, :]
        written = ops.reshape(written, (*static_shape(ids), 4 * self.units))
        order, same = order_by_word(ids)
        no = ops.zeros_like(same[:, :1])
        written = batched_gather(written, order)
        forwards, backwards = written[..., : 2 * self.units], written[..., 2 * self.units :]
        before = self._memories(forwards, ops.concatenate([same, no], axis=1), training)
        after = self._memories(backwards, ops.concatenate([no, same], axis=1), training, reverse=True)
        return batched_gather(before + after, ops.argsort(order, axis=1))

    def _memories(self, written, continues, training, reverse=False):
        """Return the memory of the chain before each place, or after it with `reverse`.

        Args:
            written: Gates before the sigmoid, and what they write, `(batch, places, 2 * units)`, chain after chain.
            continues: Boolean `(batch, places)`, whether the place that is read next belongs to the same chain.
            training: Whether a gradient is wanted.
            reverse: Whether places are read from the last to the first.

        Returns:
            `(batch, places, units)`, zero where a chain begins.
        """
        z, x = ops.split(written, 2, axis=-1)
        if training:
            z = z + _NOISE * keras.random.normal(ops.shape(z), dtype=z.dtype, seed=self.seed_generator)
        z = ops.clip(1.2 * ops.sigmoid(z) - 0.1, 0.0, 1.0)
        # Where a chain ends, the memory is written over with zeros: the next begins without one.
        z = ops.where(continues[..., None], z, ops.ones_like(z))
        x = ops.where(continues[..., None], x, ops.zeros_like(x))
        along = tuple(ops.transpose(tensor, (1, 0, 2)) for tensor in (z, x))
        state = ops.zeros_like(x[:, 0])
        cell = recurrence.LEAKY
        _, states = scan(cell.step, state, along, reverse=reverse, gradient=cell.gradient if training else None)
        return ops.transpose(states, (1, 0, 2))

    def compute_output_shape(self, words_shape, story_shape, facts_shape):
        return (*words_shape[:-1], words_shape[-1] + self.units)

    def compute_mask(self, words, previous_mask=None):
        return previous_mask

    def get_config(self):
        return {**super().get_config(), "units": self.units, "mode": self.mode}
