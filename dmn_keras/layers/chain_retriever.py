"""The chain retriever: looks up what a question mentions, then what the facts found so mention."""

import functools
from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import non_negative_integer, positive_integer
from dmn_keras.layers.fact_retriever import retriever_spec, select_facts
from dmn_keras.layers.padding import batched_gather, static_shape
from dmn_keras.layers.position_encoding import PositionEncoding
from dmn_keras.layers.weighted_layer import WeightedLayer

RELATIONS = ("previous", "next", "last")
"""Where a step looks for a fact: the nearest match before or after the fact it starts from, or the story's last."""

_LEAST, _MOST = 2e-9, 1 - 1e-6
"""Bounds of a gate whose logit is taken; a fact that no step reaches has the lower one."""


@keras.saving.register_keras_serializable(package="dmn_keras")
class ChainRetriever(WeightedLayer):
    """Selects the facts that a chain of reasoning needs, in several rounds.

    Round 1 starts from the question, every other round from the `beam_width` facts with the highest gates in the round
    before. A step follows a word `w` of a fact `s` to a fact `t` that holds the same word. The fact, the word, its
    position and the question decide what the step looks for, and where:

        k_t = tanh(W [c_t; a_t] + b)
        [u; d; v] = U tanh(V [c_s; a_s] + P l_w w + Q q + e) + g
        m_t = sigmoid(u . k_t + d)
        [p_previous; p_next; p_last; p_none] = softmax(v)

    with position-weighted sums `c` of the words of a fact and `a` of those that the question holds too. The step takes
    the nearest match alone: before `s`, with `p_previous m_t (1 - m_i) (1 - m_j) ...` over all facts `i`, `j`, ... with
    the word that lie between `t` and `s`; likewise the next match behind `s`, and the last match of the story. Their
    sum, times the gate of `s`, is the probability that this word of this fact leads to `t`, and the gate of `t` in a
    round that any word of any fact does. The gate of a fact is the highest of its rounds.

    "Where is the milk?" thus finds the last fact about the milk, "Mary took the milk", and with the word "Mary" the
    last place that she went to, whatever else she and others did.

    Facts with a gate above 0.5 are selected, in the story's order; where there are more than `max_facts` of them, those
    with the highest gates. As a step depends on the order of facts and not on their distance, what is learned from
    short stories holds for long ones.

    The choice is hard and has no gradient, but gates have one, through all steps of their chains. They learn from
    supporting facts as targets of `GateCrossentropy("sigmoid")`, in each round the fact that it is to find.

    Masking: id 0 is padding. A fact without a word has gate 0 and is dropped.

    Args:
        vocabulary_size: Positive integer, number of token ids, padding included.
        units: Positive integer, size of a word vector and of the hidden layer. Defaults to 32.
        max_facts: Positive integer, the most facts that are selected. Defaults to 10.
        num_rounds: Positive integer, the most steps of a chain. Defaults to 3.
        beam_width: Positive integer, from how many facts a round starts. Defaults to 4.
        num_placeholders: How many ids at the end of the vocabulary stand for unknown words: each is compared by its
            id, and read as id 1, the unknown word. Defaults to 0.
        **kwargs: Initializers and regularizers of the kernels and biases (kernel, bias), as in `keras.layers.Dense`,
            and arguments of every layer.

    Call arguments:
        story: Ids, integer, `(batch, facts, words)`.
        question: Ids, integer, `(batch, question words)`.

    Returns:
        A dict, as of `FactRetriever`:

        - `"story"`: ids of the selected facts, int32 `(batch, min(facts, max_facts), words)`, padded behind them;
        - `"gates"`: float32 `(batch, facts)`, between 0 and 1;
        - `"gate_logits"`: float32 `(batch, num_rounds, facts)`; the sigmoid of the highest of its rounds is a gate;
        - `"retrieved"`: boolean `(batch, facts)`, which facts are selected.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> story, question = np.ones((2, 500, 7), "int32"), np.ones((2, 4), "int32")
    >>> retrieved = dmn_keras.layers.ChainRetriever(vocabulary_size=20, max_facts=5)(story, question)
    >>> tuple(retrieved["story"].shape), tuple(retrieved["gates"].shape)
    ((2, 5, 7), (2, 500))

    Reference:
        Not in the papers. One fact after the other is looked up as in Weston et al. 2014, arXiv:1410.3916, here along
        shared words; the nearest match is taken as in the geometric attention of Csordás et al. 2021,
        arXiv:2110.07732, equation 7.
    """

    weight_kinds = ("kernel", "bias")

    def __init__(
        self,
        vocabulary_size: int,
        units: int = 32,
        max_facts: int = 10,
        *,
        num_rounds: int = 3,
        beam_width: int = 4,
        num_placeholders: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
        self.units = positive_integer("units", units)
        self.max_facts = positive_integer("max_facts", max_facts)
        self.num_rounds = positive_integer("num_rounds", num_rounds)
        self.beam_width = positive_integer("beam_width", beam_width)
        self.num_placeholders = non_negative_integer("num_placeholders", num_placeholders)
        self.gate_dtype = "float64" if self.variable_dtype == "float64" else "float32"
        self.words = keras.layers.Embedding(self.vocabulary_size, self.units, dtype=self.dtype_policy, name="words")
        self.encoder = PositionEncoding(dtype=self.dtype_policy, name="encoder")
        self.project_target = self._dense("target", use_bias=True)
        self.project_source = self._dense("source")
        self.project_word = self._dense("word")
        self.project_question = self._dense("question", use_bias=True)
        options = {**self.sublayer_options(), "dtype": self.gate_dtype, "name": "query"}
        self.query = keras.layers.Dense(self.units + 1 + len(RELATIONS) + 1, **options)

    def _dense(self, name, use_bias=False):
        kinds = self.weight_kinds if use_bias else ("kernel",)
        return keras.layers.Dense(self.units, use_bias=use_bias, name=name, **self.sublayer_options(*kinds))

    def build(self, story_shape, question_shape):
        self.words.build()
        for layer in (self.project_target, self.project_source):
            layer.build((None, 2 * self.units))
        for layer in (self.project_word, self.project_question, self.query):
            layer.build((None, self.units))

    def call(self, story, question):
        # Empty facts behind the last one, so that there are always `beam_width` of them.
        ids = ops.pad(ops.cast(story, "int32"), [[0, 0], [0, self.beam_width], [0, 0]])
        question = ops.cast(question, "int32")[:, None, :]  # read as a story of one fact
        terms, question_terms = self._terms(ids), self._terms(question)
        asked = ops.any(ops.equal(ids[..., None], question[:, :, None, :]), axis=-1)  # (B, F, W)
        of_question = ops.where(asked[..., None], terms, ops.zeros_like(terms))
        facts = ops.concatenate([ops.sum(terms, axis=-2), ops.sum(of_question, axis=-2)], axis=-1)  # [c; a]
        keys = ops.cast(ops.tanh(self.project_target(facts)), self.gate_dtype)
        q = self.project_question(ops.sum(question_terms, axis=-2))  # (B, 1, units)
        sources, words = self.project_source(facts) + q, self.project_word(terms)

        batch, num_facts, num_words = static_shape(ids)
        start = ops.ones((batch, 1), self.gate_dtype)
        behind = ops.full((batch, 1), num_facts, "int32")
        roles = self.project_word(question_terms) + q[:, :, None, :]
        rounds = [self._step(ids, keys, start, behind, question, roles)]
        flat = ops.reshape(words, (batch, num_facts, num_words * self.units))
        for _ in range(self.num_rounds - 1):
            start, place = ops.top_k(_gates(rounds[-1]), self.beam_width)
            from_words = ops.reshape(batched_gather(flat, place), (batch, self.beam_width, num_words, self.units))
            roles = from_words + batched_gather(sources, place)[:, :, None, :]
            place = ops.cast(place, "int32")
            rounds.append(self._step(ids, keys, start, place, batched_gather(ids, place), roles))

        rounds = [log_none[:, : num_facts - self.beam_width] for log_none in rounds]
        gates = _gates(functools.reduce(ops.minimum, rounds))
        log_none = ops.stack(rounds, axis=1)  # (B, rounds, F)
        logits = ops.log(_gates(ops.minimum(log_none, -_LEAST))) - log_none
        return {"gates": gates, "gate_logits": logits, **select_facts(story, gates, self.max_facts)}

    def _terms(self, ids):
        """Return the position-weighted word vectors of facts, `(batch, facts, words, units)`."""
        known = ops.where(ids < self.vocabulary_size - self.num_placeholders, ids, 1)
        return self.encoder.weigh(self.words(known), mask=ops.not_equal(ids, 0))

    def _step(self, story, keys, start, place, words, roles):
        """Follow the words of some facts.

        Args:
            story: Ids, `(batch, facts, words)`.
            keys: What each fact is found by, `(batch, facts, units)`.
            start: Gates of the facts that are followed, `(batch, starts)`.
            place: Their places, int32 `(batch, starts)`; that of the question is behind the last fact.
            words: Their words, int32 `(batch, starts, their words)`.
            roles: What is known of each of these words, `(batch, starts, their words, units)`.

        Returns:
            Logarithm of the probability that no word leads to a fact, `(batch, facts)`.
        """
        query = self.query(ops.tanh(roles))  # (B, K, W, units + 1 + relations + 1)
        relations = ops.softmax(query[..., self.units + 1 :])
        match = ops.einsum("bfu,bkwu->bkwf", keys, query[..., : self.units]) + query[..., self.units, None]
        at, here = ops.arange(ops.shape(story)[1], dtype="int32"), place[:, :, None, None]
        holds = ops.any(ops.equal(story[:, None, None, :, :], words[..., None, None]), axis=-1)
        holds = ops.logical_and(holds, ops.not_equal(words, 0)[..., None])
        holds = ops.logical_and(holds, ops.not_equal(at, here))  # (B, K, W, F)
        log_other = ops.where(holds, ops.log_sigmoid(-match), ops.zeros_like(match))  # log(1 - m)

        until = ops.cumsum(log_other, axis=-1)  # over the facts up to each one, itself included
        before = at < here
        all_before = ops.sum(ops.where(before, log_other, ops.zeros_like(log_other)), axis=-1, keepdims=True)
        nothing = ops.zeros_like(match)
        # Differences of large sums may come out a little above 0, and a probability above 1 has no logarithm.
        nearest = (
            ops.where(before, ops.exp(ops.minimum(all_before - until, 0.0)), nothing),
            ops.where(before, nothing, ops.exp(ops.minimum(until - log_other - all_before, 0.0))),
            ops.exp(ops.minimum(until[..., -1:] - until, 0.0)),
        )
        found = sum(relations[..., r, None] * nearest[r] for r in range(len(RELATIONS)))
        found = ops.where(holds, found * ops.sigmoid(match), nothing) * start[:, :, None, None]
        return ops.sum(ops.log1p(-_MOST * found), axis=(1, 2))

    def compute_output_spec(self, story, question):
        spec = retriever_spec(story, self.max_facts, self.gate_dtype)
        batch, num_facts, _ = story.shape
        return {**spec, "gate_logits": keras.KerasTensor((batch, self.num_rounds, num_facts), dtype=self.gate_dtype)}

    def get_config(self):
        names = ("vocabulary_size", "units", "max_facts", "num_rounds", "beam_width", "num_placeholders")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _gates(log_none):
    """Return the probability of a fact of the logarithm of the probability of none."""
    return -ops.expm1(log_none)
