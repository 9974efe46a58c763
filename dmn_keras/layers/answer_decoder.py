"""Answer module: memory, question -> answer logits."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.weighted_layer import WeightedLayer
from dmn_keras.text import END_ID

FORBIDDEN = -1e9
"""Logit of a word that an answer may not hold; finite, so that losses are."""


@keras.saving.register_keras_serializable(package="dmn_keras")
class AnswerDecoder(WeightedLayer):
    """Answers from the last memory: in several words, or in one.

    With memory `m`, question `q` and previous word `y_{t-1}`:

    - `max_words=n`: `a_0 = m`, `a_t = GRU([L[y_{t-1}]; q], a_{t-1})`, `logits_t = W a_t + b`, for `n` words and the
      end-of-sequence word. The word before the first is `start_id`. `L` is the decoder's own table of word vectors.
    - `max_words=None`: classification, the case without recurrence, `logits = W [m; q] + b`.

    In training the previous words are those of the right `answer` (teacher forcing), where it is given. In inference,
    or without `answer`, each word is the likeliest one after those chosen before (greedy); a given `answer` is then
    ignored. `generate` returns the words themselves, by greedy or beam search.

    Args:
        vocabulary_size: Positive integer, number of words that can be answered, `start_id` and `end_id` included.
        max_words: Positive integer, the longest answer in words without the end-of-sequence word; `None` for
            classification. Defaults to `None`.
        start_id: Id that stands before the first word. Defaults to 0, the padding id, which is part of no answer.
        end_id: Id of the end-of-sequence word. Defaults to 2.
        **kwargs: Initializers and regularizers of the GRU (kernel, recurrent, bias) and of `W` and `b` (kernel, bias),
            as in `keras.layers.GRU`, and arguments of every layer.

    Call arguments:
        memory: `(batch, units)`.
        question: `(batch, dim)`.
        answer: Integer ids of the right answers, `(batch, max_words + 1)`, ending with `end_id`, padded with
            anything; or `None`. Must be `None` for classification.
        allowed: Boolean `(batch, vocabulary_size)`, the words that the answer of each row may hold, all others at a
            probability of 0. Defaults to `None`, which allows all.
        training: Whether to use teacher forcing.

    Returns:
        Logits, `(batch, max_words + 1, vocabulary_size)`; `(batch, vocabulary_size)` for classification.

    Raises:
        ValueError: If an argument is out of range, or `answer` comes with `max_words=None` or too short.

    Example:

    >>> memory, question = keras.random.normal((2, 32)), keras.random.normal((2, 32))
    >>> tuple(dmn_keras.layers.AnswerDecoder(20)(memory, question).shape)
    (2, 20)
    >>> tuple(dmn_keras.layers.AnswerDecoder(20, max_words=3)(memory, question).shape)
    (2, 4, 20)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, section 2.4. Deviation: the previous word enters as a learned vector in
        place of its one-hot, which is the same product, one matrix earlier.
    """

    def __init__(
        self,
        vocabulary_size: int,
        max_words: int | None = None,
        *,
        start_id: int = 0,
        end_id: int = END_ID,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
        self.max_words = None if max_words is None else positive_integer("max_words", max_words)
        self.start_id = self._word_id("start_id", start_id)
        self.end_id = self._word_id("end_id", end_id)
        self.supports_masking = True
        self.logits = keras.layers.Dense(
            self.vocabulary_size,
            name="logits",
            # float32 under mixed precision: in bfloat16 many words would be tied
            **{**self.sublayer_options("kernel", "bias"), "dtype": self.variable_dtype},
        )

    def _word_id(self, argument, value):
        if self.max_words is not None and not 0 <= value < self.vocabulary_size:
            raise ValueError(
                f"{argument} must be a word id below vocabulary_size={self.vocabulary_size}. "
                f"Received: {argument}={value!r}"
            )
        return int(value)

    def build(self, memory_shape, question_shape, answer_shape=None, allowed_shape=None):
        batch, units = memory_shape[0], memory_shape[-1]
        if self.max_words is None:
            self.logits.build((batch, units + question_shape[-1]))
            return
        self.previous_word = keras.layers.Embedding(
            self.vocabulary_size, units, dtype=self.dtype_policy, name="previous_word"
        )
        self.cell = keras.layers.GRUCell(units, name="cell", **self.sublayer_options())
        self.previous_word.build((batch,))
        self.cell.build((batch, units + question_shape[-1]))
        self.logits.build((batch, units))

    def call(self, memory, question, answer=None, allowed=None, training=False):
        if self.max_words is None:
            if answer is not None:
                raise ValueError("answer must be None for classification (max_words=None).")
            return self._logits(ops.concatenate([memory, question], axis=-1), allowed)
        if training and answer is not None:
            return self._teacher_forced(memory, question, answer, allowed)
        return self._greedy(memory, question, allowed)

    def _logits(self, state, allowed):
        """Return the logits of states `(batch, ..., units)`, `FORBIDDEN` for the words that are not allowed."""
        logits = self.logits(state)
        return logits if allowed is None else ops.where(allowed, logits, FORBIDDEN)

    def _teacher_forced(self, memory, question, answer, allowed):
        if answer.shape[1] is not None and answer.shape[1] < self.max_words:
            raise ValueError(
                f"answer must have at least max_words={self.max_words} ids a row. "
                f"Received: answer.shape={tuple(answer.shape)}"
            )
        state, states = memory, []
        word = self._start(memory)
        for t in range(self.max_words + 1):
            state = self._step(word, question, state)
            states.append(state)
            word = answer[:, min(t, self.max_words - 1)]
        return self._logits(ops.stack(states, axis=1), None if allowed is None else allowed[:, None])

    def _greedy(self, memory, question, allowed):
        state, logits = memory, []
        word = self._start(memory)
        for _ in range(self.max_words + 1):
            state = self._step(word, question, state)
            logits.append(self._logits(state, allowed))
            word = ops.argmax(logits[-1], axis=-1)
        return ops.stack(logits, axis=1)

    def _start(self, memory):
        return ops.full_like(memory[:, 0], self.start_id, dtype="int32")

    def _step(self, word, question, state):
        """Return `a_t` from the previous word `(batch,)`, the question and `a_{t-1}`."""
        inputs = ops.concatenate([self.previous_word(word), question], axis=-1)
        return self.cell(inputs, [state])[0]

    def generate(
        self,
        memory: Any,
        question: Any,
        beam_width: int = 1,
        suppress_tokens: Sequence[int] = (),
        allowed: Any = None,
    ) -> dict[str, Any]:
        """Search the likeliest answer, and stop when every row has ended.

        A row's answer never depends on the others: a row that has ended stays as it is while others continue.

        Args:
            memory: `(batch, units)`.
            question: `(batch, dim)`.
            beam_width: Positive integer; how many partial answers are kept a row. 1 is greedy search. The search
                compares sums of log-probabilities, without length normalisation.
            suppress_tokens: Ids of words that no answer holds. Their probability is not given to the others.
            allowed: As in the call.

        Returns:
            A dict: `"words"`, int32 ids `(batch, max_words + 1)`, 0 after `end_id`; `"log_probability"`, float32
            `(batch,)`, of the whole answer; `"top_words"`, `(batch, beam_width, max_words + 1)`, and
            `"top_log_probabilities"`, `(batch, beam_width)`, the same of all answers kept, the likeliest first.

        Raises:
            ValueError: If `beam_width` is no positive integer or exceeds `vocabulary_size`, or the decoder is a
                classifier (`max_words=None`), whose answer is the argmax of its logits.
        """
        beam_width = positive_integer("beam_width", beam_width)
        if self.max_words is None:
            raise ValueError("generate needs a decoder with max_words; this one classifies (max_words=None).")
        if beam_width > self.vocabulary_size:
            raise ValueError(
                f"beam_width must not exceed vocabulary_size={self.vocabulary_size}. Received: beam_width={beam_width}"
            )
        rows = ops.shape(memory)[0] * beam_width
        questions = ops.repeat(question, beam_width, axis=0)  # (B * K, D)
        allowed = None if allowed is None else ops.repeat(allowed, beam_width, axis=0)
        # A loop keeps its types: the state has that of the cell's result from the start.
        state = ops.repeat(ops.cast(memory, self.compute_dtype), beam_width, axis=0)
        zeros = ops.zeros((rows,), dtype="int32")
        # All beams of a row are equal at the start: only the first may be continued.
        first = ops.equal(ops.arange(rows, dtype="int32") % beam_width, 0)
        score = ops.where(first, 0.0, float("-inf"))
        words = ops.zeros((rows, self.max_words + 1), dtype="int32")
        loop = (ops.zeros((), "int32"), words, state, score, zeros + self.start_id, ops.cast(zeros, "bool"))

        def unfinished(t, words, state, score, word, ended):
            return ops.logical_not(ops.all(ended))

        def advance(t, words, state, score, word, ended):
            state = self._step(word, questions, state)
            logits = ops.cast(self._logits(state, allowed), "float32")
            log_probabilities = suppress(ops.log_softmax(logits), suppress_tokens)
            score, word, origin = self._best_continuations(log_probabilities, score, ended, beam_width)
            ended = ops.take(ended, origin, axis=0)
            column = ops.equal(ops.arange(self.max_words + 1, dtype="int32"), t)
            words = ops.where(column, word[:, None], ops.take(words, origin, axis=0))
            ended = ops.logical_or(ended, ops.equal(word, self.end_id))
            return t + 1, words, ops.take(state, origin, axis=0), score, word, ended

        _, words, _, score, _, _ = ops.while_loop(unfinished, advance, loop, maximum_iterations=self.max_words + 1)
        # The beams of a row are sorted, best first.
        words = ops.reshape(words, (-1, beam_width, self.max_words + 1))
        score = ops.reshape(score, (-1, beam_width))
        return {
            "words": words[:, 0],
            "log_probability": score[:, 0],
            "top_words": words,
            "top_log_probabilities": score,
        }

    def _best_continuations(self, log_probabilities, score, ended, beam_width):
        """Choose each row's best `beam_width` continuations of its beams.

        Args:
            log_probabilities: Of the next word, `(batch * beam_width, vocabulary_size)`.
            score: Sums of log-probabilities, `(batch * beam_width,)`.
            ended: Boolean, `(batch * beam_width,)`; a beam that has ended has one continuation, the padding id at
                no cost.
            beam_width: Number of beams a row.

        Returns:
            Scores, words and the beams they continue (indexes into the first axis), each `(batch * beam_width,)`.
        """
        nothing = ops.where(ops.equal(ops.arange(self.vocabulary_size), 0), 0.0, float("-inf"))
        total = score[:, None] + ops.where(ended[:, None], nothing, log_probabilities)
        best, flat = ops.top_k(ops.reshape(total, (-1, beam_width * self.vocabulary_size)), beam_width)
        flat = ops.cast(flat, "int32")
        row = ops.expand_dims(ops.arange(ops.shape(flat)[0], dtype="int32"), 1)
        origin = row * beam_width + flat // self.vocabulary_size
        return tuple(ops.reshape(x, (-1,)) for x in (best, flat % self.vocabulary_size, origin))

    def compute_mask(self, memory, previous_mask=None):
        return None

    def get_config(self):
        names = ("vocabulary_size", "max_words", "start_id", "end_id")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def suppress(log_probabilities, tokens):
    """Set the log-probabilities `(..., vocabulary_size)` of the words with the ids `tokens` to minus infinity."""
    for word in tokens:
        here = ops.equal(ops.arange(log_probabilities.shape[-1]), word)
        log_probabilities = ops.where(here, float("-inf"), log_probabilities)
    return log_probabilities
