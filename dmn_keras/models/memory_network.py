"""End-to-end memory networks, and memory networks with supervised hops, as functional models."""

import keras
from keras import ops

from dmn_keras.layers import AnswerDecoder, MemoryHop, PositionEncoding, TemporalPosition
from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.models.dynamic_memory_network import DynamicMemoryNetwork, story_inputs


def memn2n(
    vocabulary_size: int,
    embedding_dim: int = 20,
    num_hops: int = 3,
    *,
    tying: str = "adjacent",
    attention: str = "softmax",
    position_encoding: bool = True,
    temporal_encoding: int | None = 50,
    random_noise: float = 0.1,
    answer_words: int | None = None,
    name: str = "memn2n",
) -> keras.Model:
    """Build the end-to-end memory network (MemN2N) of Sukhbaatar et al. 2015 as a functional model.

    Each hop has two embedding matrices, `A^k` for the input memories and `C^k` for the output memories. A fact becomes
    the memories `m_i = sum_j l_j * A x_ij + T_A(i)` and `c_i`, the same with `C` and `T_C`; `x_ij` are its words, `l_j`
    is the position encoding and `T(i)` the temporal encoding. The question becomes the state `u = sum_j l_j * B q_j`,
    `MemoryHop` takes it from hop to hop, and the answer is `softmax(W u)`. All weights are drawn from N(0, 0.1). Id 0
    is padding, the nil word of the paper, whose embedding is zero.

    The paper's training: batches of 32, `keras.optimizers.SGD(0.01, clipnorm=40)`, halved every 25 epochs up to 100,
    and a loss that is a sum over the batch, `AnswerCrossentropy(reduction="sum")`. `clipnorm` clips the gradient of
    each variable on its own; with `global_clipnorm` the results are not reproduced. The linear start is the callback
    `dmn_keras.models.LinearStart`.

    The memory network (MemNN) of Weston et al. 2014, with supervised hops, is the same graph with `attention="hard"`,
    `tying="layer_wise"`, `random_noise=0` and as many hops as supporting facts. These are the targets of the gates: hop
    `k` learns to choose the k-th of them by `GateCrossentropy("softmax")`. Without targets it does not learn to choose.

    Args:
        vocabulary_size: Positive integer, number of token ids, padding included.
        embedding_dim: Positive integer, size of memories and state. Defaults to 20.
        num_hops: Positive integer, hops over the memory. Defaults to 3.
        tying: `"adjacent"`: `A^{k+1} = C^k`, `B = A^1` and `W^T = C^K`; `"layer_wise"`: all hops share `A` and `C`, and
            the matrix `H` that the state passes through. Defaults to `"adjacent"`.
        attention: `"softmax"`, or `"hard"` for one fact a hop, see `MemoryHop`. Defaults to `"softmax"`.
        position_encoding: Whether words are weighted by their places in the sentence (`PositionEncoding`); `False` for
            bags of words. Defaults to `True`.
        temporal_encoding: Positive integer, how many of the last facts have a temporal encoding each; all before share
            the next one. `None` for none. Defaults to 50.
        random_noise: Most empty memories a fact, in training, see `TemporalPosition`; no effect without temporal
            encoding. Defaults to 0.1.
        answer_words: Positive integer, the longest answer in words, for an `AnswerDecoder` in place of `W`; `None` for
            one word. Defaults to `None`.
        name: Name of the model. Defaults to `"memn2n"`.

    Returns:
        A `keras.Model` with the inputs and outputs of `dmn`, hops for passes.

        Inputs: `"story"`, int32 `(batch, facts, words)`; `"question"`, int32 `(batch, words)`; with `answer_words` also
        `"answer"`, int32 `(batch, answer_words + 1)`, for teacher forcing.

        Outputs: `"answer"`, logits `(batch, vocabulary_size)`, or `(batch, answer_words + 1, vocabulary_size)`;
        `"gates"`, the attention of each hop, float32 `(batch, num_hops, facts)`, and `"gate_logits"`, what it is the
        softmax of.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> model = dmn_keras.models.memn2n(vocabulary_size=20)
    >>> story, question = np.ones((4, 5, 6), "int32"), np.ones((4, 3), "int32")
    >>> outputs = model.predict({"story": story, "question": question}, verbose=0)
    >>> outputs["answer"].shape, outputs["gates"].shape
    ((4, 20), (4, 3, 5))

    Reference:
        Sukhbaatar et al. 2015, arXiv:1503.08895; Weston et al. 2014, arXiv:1410.3916. Deviations: padded facts take no
        part in the attention; position encoding counts a sentence's own words alone, and its weights are twice those of
        the paper, which makes them 1 on average as in the authors' code; answers of several words are generated in
        place of being one word of the vocabulary. Of MemNN: a cross-entropy for the margin ranking loss, and hops that
        read what they chose in training too, not the right fact.
    """
    vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
    embedding_dim = positive_integer("embedding_dim", embedding_dim)
    num_hops = positive_integer("num_hops", num_hops)
    adjacent = one_of("tying", tying, ("adjacent", "layer_wise")) == "adjacent"
    if temporal_encoding is not None:
        temporal_encoding = positive_integer("temporal_encoding", temporal_encoding)
    inputs = story_inputs(answer_words)
    story, question = inputs["story"], inputs["question"]

    def embedding(size, name):
        initializer = keras.initializers.RandomNormal(stddev=0.1)
        return _NilEmbedding(
            size, embedding_dim, embeddings_initializer=initializer, reverse_dtype="float32", name=name
        )

    def sentences(ids, matrix):
        """Embed sentences of ids, `(batch, sentences, words)`, as vectors, `(batch, sentences, embedding_dim)`."""
        vectors, mask = words[matrix](ids), ops.not_equal(ids, 0)
        if position_encoding:
            return double(encoder(vectors, mask=mask))
        return ops.sum(ops.where(mask[..., None], vectors, 0.0), axis=-2)

    def memories(matrix):
        if temporal_encoding is None:
            return sentences(story, matrix)
        times = embedding(temporal_encoding + 2, f"temporal_encoding_{matrix}")
        return sentences(story, matrix) + times(ops.minimum(positions, temporal_encoding + 1))

    facts_mask = ops.any(ops.not_equal(story, 0), axis=-1)  # (B, F)
    positions = TemporalPosition(random_noise, name="temporal_position")(facts_mask)
    encoder, double = PositionEncoding(name="position_encoding"), keras.layers.Rescaling(2.0, name="position_scale")
    matrices = [str(k) for k in range(num_hops + 1)] if adjacent else ["A", "C"]
    of_question = "0" if adjacent else "B"
    words = {name: embedding(vocabulary_size, f"embedding_{name}") for name in dict.fromkeys((*matrices, of_question))}
    memory = {matrix: memories(matrix) for matrix in matrices}
    hop = MemoryHop(attention=attention, linear_map=not adjacent, name="memory_hop")
    state = question_state = sentences(question[:, None], of_question)[:, 0]  # u^1
    reads = []
    for k in range(num_hops):
        keys, values = matrices[k : k + 2] if adjacent else matrices
        reads.append(hop(memory[keys], memory[values], state, keys_mask=facts_mask))
        state = reads[-1]["state"]

    if answer_words is not None:
        decoder = AnswerDecoder(vocabulary_size, answer_words, name="answer_decoder")
        logits = decoder(state, question_state, answer=inputs["answer"])
    elif adjacent:
        logits = words[matrices[-1]](state, reverse=True)  # W^T = C^K
    else:
        logits = embedding(vocabulary_size, "answer_embedding")(state, reverse=True)  # W
    gates = {name: ops.stack([read[name] for read in reads], axis=1) for name in ("gates", "gate_logits")}
    return DynamicMemoryNetwork(inputs, {"answer": logits, **gates}, name=name)


@keras.saving.register_keras_serializable(package="dmn_keras", name="NilEmbedding")
class _NilEmbedding(keras.layers.ReversibleEmbedding):
    """An embedding whose id 0 has the zero vector.

    Its gradient is dense. That of a plain embedding is sparse on TensorFlow, and clipping then takes the norm of its
    parts, one a word of the batch, and not of their sum.
    """

    @property
    def embeddings(self):
        real = ops.arange(self.input_dim) > 0
        return ops.where(real[:, None], ops.convert_to_tensor(super().embeddings), 0.0)
