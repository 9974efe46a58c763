"""The retriever: selects the facts of a long story that may matter to a question."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.attention_gate import AttentionGate
from dmn_keras.layers.checks import non_negative_integer, positive_integer
from dmn_keras.layers.padding import batched_gather, count_to_end, pack_order, static_shape, zero_where_padded
from dmn_keras.layers.position_encoding import PositionEncoding
from dmn_keras.layers.weighted_layer import WeightedLayer

RETRIEVER_FEATURES = ("fact", "question", "fact*question", "|fact-question|")
"""Terms of `AttentionGate` that need no memory: the retriever comes before there is one."""

THRESHOLD = 0.5
"""A fact with a gate above it is selected."""

LEVELS = 1000
"""Gates of selected facts are compared in steps of one part in so many."""


@keras.saving.register_keras_serializable(package="dmn_keras")
class FactRetriever(WeightedLayer):
    """Selects the facts relevant to a question before the memory passes.

    Each fact is read on its own, as the position-weighted sum of word vectors, and its gate is a function of that sum
    and of the question's: `g_t = sigmoid(G(c_t, q))`. Facts with a gate above 0.5 are selected, in the story's order;
    where there are more than `max_facts` of them, those with the highest gates, and of gates that agree to a
    thousandth the later ones. A dropped fact is not read again.

    As no gate depends on other facts, a story may be read in pieces, of any size, with the same result; a short story
    whose facts are all selected is answered as if the retriever were not there. In inference the facts of a whole batch
    are read `chunk` at a time: what is held for a fact beyond that is its ids and its gate.

    The choice is hard and has no gradient: the gates learn from targets of their own (`GateCrossentropy`).

    Masking: id 0 is padding. A fact without a word has gate 0 and is dropped.

    Args:
        vocabulary_size: Positive integer, number of token ids, padding included.
        units: Positive integer, size of a word vector and of the gate's hidden layer. Defaults to 32.
        max_facts: Positive integer, the most facts that are selected. Defaults to 130.
        chunk: Positive integer, how many facts are read at a time in inference. Defaults to 4096.
        num_placeholders: How many ids at the end of the vocabulary are read as id 1, the unknown word: which of a
            story's unknown words a placeholder stands for is settled once its facts are retrieved. Defaults to 0.
        **kwargs: Initializers and regularizers of the gate, as for `AttentionGate`, and arguments of every layer.

    Call arguments:
        story: Ids, integer, `(batch, facts, words)`.
        question: Ids, integer, `(batch, question words)`.

    Returns:
        A dict:

        - `"story"`: ids of the selected facts, int32 `(batch, min(facts, max_facts), words)`, padded behind them;
        - `"gates"`: float32 `(batch, facts)`, between 0 and 1;
        - `"gate_logits"`: float32 `(batch, facts)`, what the gates are the sigmoid of;
        - `"retrieved"`: boolean `(batch, facts)`, which facts are selected.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> story, question = np.ones((2, 500, 7), "int32"), np.ones((2, 4), "int32")
    >>> retrieved = dmn_keras.layers.FactRetriever(vocabulary_size=20, max_facts=30)(story, question)
    >>> tuple(retrieved["story"].shape), tuple(retrieved["gates"].shape)
    ((2, 30, 7), (2, 500))

    Reference:
        Not in the papers, whose stories are short. The gate is that of Kumar et al. 2015, arXiv:1506.07285, equation 8,
        without memory; the sum that of Xiong et al. 2016, arXiv:1603.01417, section 3.1.
    """

    weight_kinds = ("kernel", "bias")

    def __init__(
        self,
        vocabulary_size: int,
        units: int = 32,
        max_facts: int = 130,
        *,
        num_placeholders: int = 0,
        chunk: int = 4096,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
        self.units = positive_integer("units", units)
        self.max_facts = positive_integer("max_facts", max_facts)
        self.chunk = positive_integer("chunk", chunk)
        self.num_placeholders = non_negative_integer("num_placeholders", num_placeholders)
        self.words = keras.layers.Embedding(self.vocabulary_size, self.units, dtype=self.dtype_policy, name="words")
        self.encoder = PositionEncoding(dtype=self.dtype_policy, name="encoder")
        self.gate = AttentionGate(self.units, features=RETRIEVER_FEATURES, name="gate", **self.sublayer_options())

    def build(self, story_shape, question_shape):
        self.words.build()
        vector = (None, self.units)
        self.gate.build((None, None, self.units), vector, vector)

    def call(self, story, question, training=False):
        question = self.vectors(question[:, None, :])[:, 0]
        at_once = training or 0 in story.shape[:2]
        logits = self._logits(self.vectors(story), question) if at_once else self._logits_in_chunks(story, question)
        has_word = ops.any(ops.not_equal(story, 0), axis=-1)
        gates = self.gate.gates(logits, has_word)
        return {"gates": gates, "gate_logits": logits, **select_facts(story, gates, self.max_facts)}

    def vectors(self, story: Any) -> Any:
        """Read each fact on its own: ids `(batch, facts, words)` -> `(batch, facts, units)`, without the question."""
        ids = ops.where(story < self.vocabulary_size - self.num_placeholders, story, 1)
        return self.encoder(self.words(ids), mask=ops.not_equal(story, 0))

    def gates(self, vectors: Any, question: Any) -> Any:
        """Return the gates, float32 `(batch, facts)`, of what `vectors` returned.

        Args:
            vectors: `(batch, facts, units)`.
            question: `(batch, units)`, the vector of the question, read as a fact is.
        """
        return self.gate.gates(self._logits(vectors, question))

    def _logits(self, vectors, question):
        return self.gate.logits(self.gate.precompute(vectors, question), vectors, question)

    def _logits_in_chunks(self, story, question):
        """Return the gate logits of all facts of all stories, computed `chunk` facts at a time."""
        batch, num_facts, num_words = static_shape(story)
        total = batch * num_facts
        chunk = min(self.chunk, total) if isinstance(total, int) else ops.minimum(self.chunk, total)
        chunks = -(-total // chunk)
        owner = ops.minimum(ops.arange(chunks * chunk, dtype="int32") // num_facts, batch - 1)
        rows = ops.pad(ops.reshape(story, (total, num_words)), [[0, chunks * chunk - total], [0, 0]])

        def read(part):
            rows, owner = part
            return self._logits(self.vectors(rows[:, None, :]), ops.take(question, owner, axis=0))[:, 0]

        parts = (ops.reshape(rows, (chunks, chunk, num_words)), ops.reshape(owner, (chunks, chunk)))
        return ops.reshape(ops.reshape(ops.map(read, parts), (-1,))[:total], (batch, num_facts))

    def compute_output_spec(self, story, question, training=False):
        return retriever_spec(story, self.max_facts, self.gate.gate_dtype)

    def get_config(self):
        names = ("vocabulary_size", "units", "max_facts", "chunk", "num_placeholders")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def select_facts(story, gates, max_facts):
    """Select the facts with a gate above 0.5, of more than `max_facts` those with the highest gates.

    Of gates that agree to a thousandth, those of later facts are higher.

    Args:
        story: Ids, integer, `(batch, facts, words)`.
        gates: `(batch, facts)`, 0 where a fact holds no word.
        max_facts: The most facts that are selected.

    Returns:
        A dict: `"story"` and `"retrieved"`, as a retriever returns them.
    """
    level = ops.where(gates > THRESHOLD, ops.round(gates * LEVELS), -ops.ones_like(gates))
    # Padded, so that there are always as many as are asked for.
    padded = ops.pad(level, [[0, 0], [0, max_facts]], constant_values=-1.0)
    least = ops.top_k(padded, max_facts)[0][:, -1:]
    above = level > least
    equal = ops.logical_and(ops.equal(level, least), level > 0)
    room = max_facts - ops.sum(ops.cast(above, "int32"), axis=1, keepdims=True)
    retrieved = ops.logical_or(above, ops.logical_and(equal, count_to_end(equal) <= room))
    order, _ = pack_order(retrieved)
    order = order[:, :max_facts]
    is_retrieved = ops.take_along_axis(retrieved, order, axis=1)
    chosen = zero_where_padded(batched_gather(ops.cast(story, "int32"), order), is_retrieved)
    return {"story": chosen, "retrieved": retrieved}


def retriever_spec(story, max_facts, gate_dtype):
    """Return the symbolic outputs of a retriever of this story."""
    batch, num_facts, num_words = story.shape
    selected = None if num_facts is None else min(num_facts, max_facts)
    return {
        "story": keras.KerasTensor((batch, selected, num_words), dtype="int32"),
        "gates": keras.KerasTensor((batch, num_facts), dtype=gate_dtype),
        "gate_logits": keras.KerasTensor((batch, num_facts), dtype=gate_dtype),
        "retrieved": keras.KerasTensor((batch, num_facts), dtype="bool"),
    }
