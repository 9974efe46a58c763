"""Mention links: message passing between the places at which a word stands."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.input_fusion import InputFusion
from dmn_keras.layers.padding import static_shape
from dmn_keras.layers.weighted_layer import WeightedLayer


@keras.saving.register_keras_serializable(package="dmn_keras")
class MentionLinks(WeightedLayer):
    """Reads facts and question in rounds, between which the mentions of a word exchange their states.

    A mention is a place at which a word stands, in the story or in the question. A bidirectional GRU over its sentence
    gives it a first state `x_p` (`InputFusion`), which holds its role in the sentence, and `h_p = x_p`. Each round
    computes

    - for each mention the message `m_p = max h_r` over the mentions `r` of the same word, in all sentences;
    - for each sentence `f_t = max relu(a_p + b_p + a_p * b_p)` over its places `p`, with `a_p = A x_p + c` and
      `b_p = M m_p`;
    - for each mention `h_p = LayerNorm(z m_p + (1 - z) relu(v))` with `[u, v] = B x_p + N m_p + F f_t + d` and
      `z = sigmoid(u + 1)`.

    Facts and question are `f_t` of the state after the last round. All rounds share their weights; each carries
    information one fact further along the chain of facts that share words: from "X is to the left of Y" and "Y is above
    Z" to where X is, seen from Z. In `LexicalLinks` a word gets the whole other fact, which does not show in which role
    the word stands there.

    Words are compared by their ids, so that all unknown words count as one, unless they have placeholders. Time and
    memory grow with the words of the story times the rounds, not with pairs of words.

    Masking: id 0 is padding, anywhere in a sentence; it is linked to nothing. A fact without words is exactly zero.

    Args:
        units: Positive integer, size of states, facts and question.
        num_rounds: Positive integer, number of rounds. Defaults to 3.
        recompute: As for `InputFusion`. Defaults to `False`.
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
        and product of two projections: Wu et al. 2016, arXiv:1606.06630; the product makes it easy to learn what
        depends on a pair of roles, one in the fact and one in the question.
    """

    def __init__(self, units: int, num_rounds: int = 3, *, recompute: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive_integer("units", units)
        self.num_rounds = positive_integer("num_rounds", num_rounds)
        self.recompute = bool(recompute)
        self.supports_masking = True
        self.read_story, self.read_question = (
            InputFusion(self.units, recompute=self.recompute, name=name, **self.sublayer_options())
            for name in ("read_story", "read_question")
        )
        # A with c, M, B with d, N, F, in the order of the equations.
        self.role = self._dense(self.units, "role", use_bias=True)
        self.message = self._dense(self.units, "message")
        self.update_role = self._dense(2 * self.units, "update_role", use_bias=True)
        self.update_message = self._dense(2 * self.units, "update_message")
        self.update_fact = self._dense(2 * self.units, "update_fact")
        self.norm = keras.layers.LayerNormalization(dtype=self.dtype_policy, name="norm")

    def _dense(self, width, name, use_bias=False):
        return keras.layers.Dense(width, use_bias=use_bias, name=name, **self.sublayer_options("kernel", "bias"))

    def build(self, words_shape, story_shape, question_words_shape, question_shape):
        self.read_story.build((None, None, words_shape[-1]))
        self.read_question.build((None, None, question_words_shape[-1]))
        for layer in (self.role, self.message, self.update_role, self.update_message, self.update_fact, self.norm):
            layer.build((None, None, None, self.units))

    def call(self, words, story, question_words, question):
        # The question is a story of one sentence. Each list holds what belongs to the story and to the question.
        ids = [story, question[:, None]]
        states = [_read(self.read_story, words, ids[0]), _read(self.read_question, question_words[:, None], ids[1])]
        real = [ops.not_equal(part, 0)[..., None] for part in ids]
        roles = [self.role(part) for part in states]
        updates = [self.update_role(part) for part in states]
        numbers = _word_numbers(_in_a_row(ids))

        def exchange(states):
            """Return messages, `(batch, facts, words, units)`, and facts, `(batch, facts, units)`, of both."""
            messages = _split_like(states, _max_of_equals(_in_a_row(states), numbers))
            sent = [self.message(part) for part in messages]
            held = [ops.relu(a + b + a * b) for a, b in zip(roles, sent, strict=True)]
            # No value of `relu` is less than zero, which stands for padding.
            facts = [ops.max(ops.where(*pair, 0.0), axis=2, initial=0.0) for pair in zip(real, held, strict=True)]
            return messages, facts

        messages, facts = exchange(states)
        for _ in range(self.num_rounds):
            states = [self._update(*parts) for parts in zip(updates, messages, facts, strict=True)]
            messages, facts = exchange(states)
        return facts[0], facts[1][:, 0]

    def _update(self, update, messages, facts):
        """Return the next states of the mentions, `(batch, facts, words, units)`."""
        update = update + self.update_message(messages) + self.update_fact(facts)[:, :, None]
        gate, candidate = ops.split(update, 2, axis=-1)
        gate = ops.sigmoid(gate + 1)
        return self.norm(gate * messages + (1 - gate) * ops.relu(candidate))

    def compute_output_shape(self, words_shape, story_shape, question_words_shape, question_shape):
        return (*words_shape[:2], self.units), (question_words_shape[0], self.units)

    def compute_mask(self, words, previous_mask=None):
        return None if previous_mask is None else ops.any(previous_mask, axis=-1), None

    def get_config(self):
        own = {"units": self.units, "num_rounds": self.num_rounds, "recompute": self.recompute}
        return {**super().get_config(), **own}


def _read(reader, words, ids):
    """Return a state for each word, `(batch, facts, words, units)`, of sentences that are read one by one."""
    batch, num_facts, num_words, dim = static_shape(words)
    sentences = ops.reshape(words, (batch * num_facts, num_words, dim))
    states = reader(sentences, mask=ops.not_equal(ops.reshape(ids, (batch * num_facts, num_words)), 0))
    return ops.reshape(states, (batch, num_facts, num_words, reader.units))


def _in_a_row(parts):
    """Return what story and question have at each place, `(batch, places, ...)`, the question last."""
    shapes = [static_shape(part) for part in parts]
    rows = [ops.reshape(part, (s[0], s[1] * s[2], *s[3:])) for part, s in zip(parts, shapes, strict=True)]
    return ops.concatenate(rows, axis=1)


def _split_like(parts, values):
    """Undo `_in_a_row`: values `(batch, places, units)` become two tensors of the shapes of `parts`."""
    _, num_facts, num_words, _ = static_shape(parts[0])
    halves = values[:, : num_facts * num_words], values[:, num_facts * num_words :]
    return [ops.reshape(half, static_shape(part)) for half, part in zip(halves, parts, strict=True)]


def _word_numbers(ids):
    """Number the distinct words of each row of `(batch, places)`, by ascending id, from 0."""
    order = ops.argsort(ids, axis=1)
    ordered = ops.take_along_axis(ids, order, axis=1)
    new = ops.cast(ops.not_equal(ordered[:, 1:], ordered[:, :-1]), "int32")
    numbers = ops.pad(ops.cumsum(new, axis=1), [[0, 0], [1, 0]])
    return ops.take_along_axis(numbers, ops.argsort(order, axis=1), axis=1)


def _max_of_equals(values, numbers):
    """Return at each place the largest values, `(batch, places, units)`, of all places of its row with its number."""
    batch, num_places, dim = static_shape(values)
    segments = ops.reshape(numbers + num_places * ops.arange(batch, dtype="int32")[:, None], (batch * num_places,))
    flat = ops.reshape(values, (batch * num_places, dim))
    largest = ops.segment_max(flat, segments, num_segments=batch * num_places)
    return ops.reshape(ops.take(largest, segments, axis=0), (batch, num_places, dim))
