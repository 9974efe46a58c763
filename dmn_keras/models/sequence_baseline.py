"""Question answering by networks that read all words in a row, as functional models."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers import AnswerDecoder, LastState
from dmn_keras.layers.attention_gate import softmax_over_real
from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.padding import count_to_end
from dmn_keras.models.baseline_config import BaselineConfig
from dmn_keras.models.dynamic_memory_network import DynamicMemoryNetwork, story_inputs
from dmn_keras.models.recurrent_memory_config import RecurrentMemoryConfig
from dmn_keras.models.recurrent_memory_network import recurrent_layer


def baseline(
    vocabulary_size: int,
    *,
    config: BaselineConfig | None = None,
    answer_words: int | None = None,
    name: str = "baseline",
    **settings: Any,
) -> keras.Model:
    """Build a network that answers questions about stories by reading all words in a row.

    The words of the story and then those of the question are one sequence, `x_1 ... x_n`. What reads it is the
    `encoder`: an LSTM, GRU or simple RNN; a transformer whose words know their places; or a recurrent network that
    writes to a memory and reads from it (NTM, DNC, D-NTM, Stack RNN, List RNN). The output `h` at the last word
    and the vector of that word give the answer, `softmax(W [h_n; x_n])`. Networks that keep the facts apart, such as
    `dmn`, are compared with it. One that reads the question alone shows what can be guessed without the story, one
    that reads the story alone what can be guessed without the question.

    Masking: id 0 is padding everywhere. A step of padding changes neither states nor memory.

    Args:
        vocabulary_size: Positive integer, number of token ids, padding included.
        config: The `BaselineConfig`.
        answer_words: Positive integer, the longest answer in words; `None` for one word. Defaults to `None`.
        name: Name of the model. Defaults to `"baseline"`.
        **settings: Settings of `config` to change, by name, e.g. `encoder="transformer"`.

    Returns:
        A `keras.Model` with the inputs and outputs of `dmn`.

        Inputs: `"story"`, int32 `(batch, facts, words)`; `"question"`, int32 `(batch, words)`; with `answer_words` also
        `"answer"`, int32 `(batch, answer_words + 1)`, for teacher forcing.

        Outputs: `"answer"`, logits `(batch, vocabulary_size)`, or `(batch, answer_words + 1, vocabulary_size)`;
        `"gates"`, float32 `(batch, 1, facts)`, the same for each fact, as nothing is known of them, and
        `"gate_logits"`, zeros.

    Raises:
        ValueError: If an argument is out of range, or settings do not go together.

    Example:

    >>> model = dmn_keras.models.baseline(vocabulary_size=20, encoder="dynamic_ntm", num_steps=3, units=16)
    >>> story, question = np.ones((4, 5, 6), "int32"), np.ones((4, 3), "int32")
    >>> model.predict({"story": story, "question": question}, verbose=0)["answer"].shape
    (4, 20)

    Reference:
        LSTM: Weston et al. 2015, arXiv:1502.05698, section 4. Transformer: Vaswani et al. 2017, arXiv:1706.03762, with
        layer normalisation before each part. NTM and DNC: Graves et al. 2016, doi:10.1038/nature20101. D-NTM:
        Gulcehre et al. 2016, arXiv:1607.00036, section 6.
    """
    positive_integer("vocabulary_size", vocabulary_size)
    config = (BaselineConfig() if config is None else config).replace(settings)
    inputs = story_inputs(answer_words)
    story, question = inputs["story"], inputs["question"]
    story_words = keras.layers.Reshape((-1,), name="story_words")(story)
    read = {"all": [story_words, question], "question": [question], "story": [story_words]}[config.reads]
    ids = ops.concatenate(read, axis=1)
    mask = ops.not_equal(ids, 0)
    words = keras.layers.Embedding(vocabulary_size, config.units, name="semantic_memory")(ids)
    words = states = keras.layers.Dropout(config.dropout, name="word_dropout")(words)
    if config.encoder == "transformer":
        states = states + keras.layers.Embedding(_MOST_WORDS, config.units, name="places")(_places(mask))
    for number in range(config.num_layers):
        layer = _transformer if config.encoder == "transformer" else _recurrent
        states = layer(states, mask, config, number)
    last = LastState(name="last_state")
    state, word = last(states, mask=mask), last(words, mask=mask)
    decoder = AnswerDecoder(vocabulary_size, answer_words, name="answer_decoder")
    logits = decoder(state, word, answer=inputs.get("answer"))
    is_fact = ops.any(ops.not_equal(story, 0), axis=-1)[:, None]  # (B, 1, F)
    gate_logits = ops.zeros_like(is_fact, dtype="float32")
    gates = softmax_over_real(gate_logits, is_fact)
    return DynamicMemoryNetwork(inputs, {"answer": logits, "gates": gates, "gate_logits": gate_logits}, name=name)


_MOST_WORDS = 4096
"""Places of a transformer's words; all words from there on share the last one."""


def _places(mask):
    """Return how many real words follow each word, so that the last one is at place 0."""
    return ops.clip(count_to_end(mask) - 1, 0, _MOST_WORDS - 1)


def _recurrent(states, mask, config, number):
    settings = RecurrentMemoryConfig(cell=config.encoder, units=config.units, memory=config.memory, stack=config.stack)
    layer = recurrent_layer(settings, f"{config.encoder}_{number}", masked=True)
    return keras.layers.Dropout(config.dropout, name=f"dropout_{number}")(layer(states, mask=mask))


def _transformer(states, mask, config, number):
    attention = keras.layers.MultiHeadAttention(
        config.num_heads, -(-config.units // config.num_heads), dropout=config.dropout, name=f"attention_{number}"
    )
    drop = keras.layers.Dropout(config.dropout, name=f"dropout_{number}")
    normed = keras.layers.LayerNormalization(name=f"attention_norm_{number}")(states)
    states = states + drop(attention(normed, normed, attention_mask=mask[:, None]))
    hidden = keras.layers.LayerNormalization(name=f"hidden_norm_{number}")(states)
    hidden = keras.layers.Dense(4 * config.units, activation="gelu", name=f"hidden_{number}")(hidden)
    return states + drop(keras.layers.Dense(config.units, name=f"output_{number}")(hidden))
