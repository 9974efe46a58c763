"""Mention links: message passing between the places at which a word stands."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.input_fusion import InputFusion
from dmn_keras.layers.padding import batched_gather, max_or_zero, static_shape
from dmn_keras.layers.weighted_layer import WeightedLayer
from dmn_keras.layers.word_places import nearest_places, order_by_word


@keras.saving.register_keras_serializable(package="dmn_keras")
class MentionLinks(WeightedLayer):
    """Encodes facts and question in rounds of messages between the mentions of a word.

    A mention is a place at which a word stands, in the story or in the question. A bidirectional GRU over its sentence
    gives it a first state `x_p` (`InputFusion`), which holds its role in the sentence, and `h_p = x_p`. Each round
    computes

    - for each mention the message `m_p = max h_r` over the mentions `r` of the same word, in all sentences;
    - for each sentence `f_t = max relu(a_p + b_p + a_p * b_p)` over its places `p`, with `a_p = A x_p + c` and
      `b_p = M m_p`;
    - for each mention `h_p = LayerNorm(z m_p + (1 - z) relu(v))` with `[u, v] = B x_p + N m_p + F f_t + d` and
      `z = sigmoid(u + 1)`.

    Facts and question are `f_t` of the states after the last round. All rounds share their weights; each carries
    information one fact further along the chain of facts that share words: from "X is to the left of Y" and "Y is above
    Z" to where X is, seen from Z. In `LexicalLinks` a word gets the whole other fact, which does not show in which role
    the word stands there.

    With `ordered`, the messages also tell the order of the facts: in `b_p` and in `[u, v]`, `m_p` becomes
    `m_p + P h_before + S h_after`, with the states of the nearest mentions before and after, zero where there is none.
    The question stands behind the story, so that its "Mary" is told where Mary was last. Without it the order of the
    facts is not represented, which suits relations (StepGame), where a chain may be longer than any in training.

    Words are compared by their ids, so that all unknown words count as one, unless they have placeholders. Time and
    memory grow with the words of the story times the rounds, not with pairs of words.

    Masking: id 0 is padding, anywhere in a sentence; it is linked to nothing. A fact without words is exactly zero.

    Args:
        units: Positive integer, size of states, facts and question.
        num_rounds: Positive integer, number of rounds. Defaults to 3.
        ordered: Whether messages tell the order of the mentions. Defaults to `False`.
        recompute: As for `InputFusion`, which reads the sentences; the rounds keep what they compute. Defaults to
            `False`.
        **kwargs: Initializers and regularizers of kernels and GRUs (kernel, recurrent, bias), as in `keras.layers.GRU`,
            and arguments of every layer.

    Call arguments:
        words: Word vectors of the story, `(batch, facts, words, dim)`.
        story: Their ids, integer, `(batch, facts, words)`.
        question_words: Word vectors of the question, `(batch, question words, question dim)`.
        question: Their ids, integer, `(batch, question words)`.

    Returns:
        A tuple: the facts, `(batch, facts, units)`, and the question, `(batch, units)`.

    Raises:
        ValueError: If `units` or `num_rounds` is no positive integer.

    Example:

    >>> words, question_words = keras.random.normal((2, 5, 7, 16)), keras.random.normal((2, 4, 16))
    >>> story, question = np.ones((2, 5, 7), "int32"), np.ones((2, 4), "int32")
    >>> facts, q = dmn_keras.layers.MentionLinks(32)(words, story, question_words, question)
    >>> tuple(facts.shape), tuple(q.shape)
    ((2, 5, 32), (2, 32))

    Reference:
        Not in the papers. Message passing between the mentions of a word: De Cao et al. 2019, arXiv:1808.09920. Sum
        and product of two projections: Wu et al. 2016, arXiv:1606.06630; the product shows a pair of roles of a word,
        in this sentence and in another.
    """

    def __init__(
        self, units: int, num_rounds: int = 3, *, ordered: bool = False, recompute: bool = False, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.num_rounds = positive_integer("num_rounds", num_rounds)
        self.ordered, self.recompute = bool(ordered), bool(recompute)
        self.supports_masking = True
        self.read_story, self.read_question = (
            InputFusion(self.units, recompute=self.recompute, name=name, **self.sublayer_options())
            for name in ("read_story", "read_question")
        )
        # A with c, M, B with d, N, F, then P and S side by side, in the order of the equations.
        self.role = self._dense(self.units, "role", use_bias=True)
        self.message = self._dense(self.units, "message")
        self.update_role = self._dense(2 * self.units, "update_role", use_bias=True)
        self.update_message = self._dense(2 * self.units, "update_message")
        self.update_fact = self._dense(2 * self.units, "update_fact")
        self.order = self._dense(2 * self.units, "order") if self.ordered else None
        self.norm = keras.layers.LayerNormalization(dtype=self.dtype_policy, name="norm")

    def _dense(self, width, name, use_bias=False):
        return keras.layers.Dense(width, use_bias=use_bias, name=name, **self.sublayer_options("kernel", "bias"))

    def build(self, words_shape, story_shape, question_words_shape, question_shape):
        self.read_story.build((None, None, words_shape[-1]))
        self.read_question.build((None, None, question_words_shape[-1]))
        layers = [self.role, self.message, self.update_role, self.update_message, self.update_fact, self.norm]
        if self.ordered:
            layers.append(self.order)
        for layer in layers:
            layer.build((None, None, self.units))

    def call(self, words, story, question_words, question):
        batch, num_facts, num_words, dim = static_shape(words)
        num_places = num_facts * num_words
        rows = ops.reshape(story, (batch * num_facts, num_words))
        states = self.read_story(ops.reshape(words, (*static_shape(rows), dim)), mask=ops.not_equal(rows, 0))
        asked = self.read_question(question_words, mask=ops.not_equal(question, 0))
        # All places in a row, those of the question last.
        states = ops.concatenate([ops.reshape(states, (batch, num_places, self.units)), asked], axis=1)
        ids = ops.concatenate([ops.reshape(story, (batch, num_places)), question], axis=1)
        real, segments = ops.not_equal(ids, 0)[..., None], _segments_of_words(ids)
        nearest = nearest_places(ids) if self.ordered else ()
        role, update = self.role(states), self.update_role(states)

        def exchange(states):
            """Return states to keep, messages, both `(batch, places, units)`, and what the sentences hold.

            That is the facts, `(batch, facts, units)`, and the question, `(batch, units)`.
            """
            kept = messages = _max_over_mentions(states, segments)
            if nearest:
                # Row 0 stands for no mention at all, row i + 1 for place i.
                rows = ops.split(ops.pad(self.order(states), [[0, 0], [1, 0], [0, 0]]), 2, axis=-1)
                messages = messages + sum(map(batched_gather, rows, nearest))
            projected = self.message(messages)
            # No feature is less than zero, which stands for padding.
            features = ops.where(real, ops.relu(role + projected + role * projected), 0.0)
            of_story = ops.reshape(features[:, :num_places], (batch, num_facts, num_words, self.units))
            return kept, messages, max_or_zero(of_story, axis=2), max_or_zero(features[:, num_places:], axis=1)

        def places_of(facts, question):
            """Return at each place what its sentence has, `(batch, places, size)`."""
            size = facts.shape[-1]
            of_story = ops.broadcast_to(facts[:, :, None], (batch, num_facts, num_words, size))
            of_question = ops.broadcast_to(question[:, None], (batch, static_shape(asked)[1], size))
            return ops.concatenate([ops.reshape(of_story, (batch, num_places, size)), of_question], axis=1)

        kept, messages, facts, q = exchange(states)
        for _ in range(self.num_rounds):
            of_sentence = places_of(self.update_fact(facts), self.update_fact(q))
            gate, candidate = ops.split(update + self.update_message(messages) + of_sentence, 2, axis=-1)
            gate = ops.sigmoid(gate + 1)
            kept, messages, facts, q = exchange(self.norm(gate * kept + (1 - gate) * ops.relu(candidate)))
        return facts, q

    def compute_output_shape(self, words_shape, story_shape, question_words_shape, question_shape):
        return (*words_shape[:2], self.units), (question_words_shape[0], self.units)

    def compute_mask(self, words, previous_mask=None):
        return (None if previous_mask is None else ops.any(previous_mask, axis=-1)), None

    def get_config(self):
        own = {"units": self.units, "num_rounds": self.num_rounds, "ordered": self.ordered}
        return {**super().get_config(), **own, "recompute": self.recompute}


def _segments_of_words(ids):
    """Number the distinct words of all rows of `(batch, places)`: the number at each place, in a row."""
    batch, num_places = static_shape(ids)
    order, same = order_by_word(ids)
    numbers = ops.pad(ops.cumsum(ops.cast(ops.logical_not(same), "int32"), axis=1), [[0, 0], [1, 0]])
    numbers = ops.take_along_axis(numbers, ops.argsort(order, axis=1), axis=1)
    return ops.reshape(numbers + num_places * ops.arange(batch, dtype="int32")[:, None], (batch * num_places,))


def _max_over_mentions(states, segments):
    """Return at each place the largest states of all places of its word, `(batch, places, units)`."""
    batch, num_places, units = static_shape(states)
    rows = ops.reshape(states, (batch * num_places, units))
    # One segment more than needed: PyTorch takes none for an unknown number.
    largest = ops.segment_max(rows, segments, num_segments=batch * num_places + 1)
    return ops.reshape(ops.take(largest, segments, axis=0), (batch, num_places, units))
