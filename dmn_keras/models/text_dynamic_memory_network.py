"""The memory network over the words of a text, as a functional model: one answer to a text, or one to each word."""

import keras
from keras import ops

from dmn_keras.layers import (
    CharacterEncoder,
    ContextWindows,
    EpisodicMemory,
    InputFusion,
    LearnedQuestion,
    WordDropout,
)
from dmn_keras.layers.padding import static_shape
from dmn_keras.models.dynamic_memory_network import DynamicMemoryNetwork, memory_arguments
from dmn_keras.models.text_dmn_config import TextDMNConfig


def text_dmn(
    num_classes: int,
    num_words: int,
    *,
    config: TextDMNConfig | None = None,
    num_characters: int | None = None,
    vectors_shape: tuple[int, int] | None = None,
    context_size: int | None = None,
    name: str = "text_dmn",
) -> keras.Model:
    """Build a Dynamic Memory Network whose facts are the words of a text and whose question is learned.

    Token ids -> word vectors -> facts -> gates, episodes and memory in several passes -> class. With `context_size`
    each word is asked about by itself: its question is the learned one and its own fact, its story the words around it,
    its answer that of its own memory. Id 0 is padding everywhere: more of it never changes an answer.

    Args:
        num_classes: Positive integer, number of classes.
        num_words: Positive integer: word ids below it have a learned vector.
        config: The `TextDMNConfig`.
        num_characters: Number of character ids, for `character_units`; `None` for a model that reads no characters.
        vectors_shape: Shape of the table of pretrained word vectors, by word id, which the layer
            `"pretrained_vectors"` keeps in float16 and does not train; `None` for a model without.
        context_size: Words on each side that the memory of a word reads; `None` for one answer to the whole text.
        name: Name of the model.

    Returns:
        A `keras.Model` with named inputs and outputs.

        Inputs: `"words"`, int32 `(batch, words)`; with characters also `"characters"`, int32 `(batch, words,
        characters)`.

        Outputs: `"label"`, logits `(batch, num_classes)`, and `"gates"`, float32 `(batch, num_passes, words)`; with
        `context_size` `"tags"`, logits `(batch, words, num_classes)`, and `"gates"`, float32 `(batch, words,
        num_passes, 2 * context_size + 1)`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> model = dmn_keras.models.text_dmn(num_classes=5, num_words=20)
    >>> model.predict({"words": np.ones((4, 6), "int32")}, verbose=0)["label"].shape
    (4, 5)

    Reference:
        Kumar et al. 2015, arXiv:1506.07285, sections 2 and 4.2, 4.3. Deviations: facts are the states of a
        bidirectional GRU (Xiong et al. 2016, arXiv:1603.01417, section 3.1), in which a word knows what follows.
    """
    config = TextDMNConfig() if config is None else config
    options = {"kernel_regularizer": keras.regularizers.L2(config.l2)} if config.l2 else {}
    inputs, mask, vectors = _word_vectors(config, num_words, num_characters, vectors_shape)
    facts = keras.layers.Dropout(config.dropout, name="vector_dropout")(vectors)
    for number in range(config.input.num_layers):
        facts = InputFusion(config.units, **options, name=f"input_fusion_{number}")(facts, mask=mask)
        facts = keras.layers.Dropout(config.dropout, name=f"fact_dropout_{number}")(facts)
    if not config.input.num_layers:
        facts = keras.layers.Dense(config.units, **options, name="facts")(facts)
    question = LearnedQuestion(name="question")(facts)
    arguments = memory_arguments(config.memory, num_passes=2)
    memory = EpisodicMemory(config.units, **arguments, **options, name="episodic_memory")
    classes = keras.layers.Dense(num_classes, dtype="float32", name="classes")
    drop = keras.layers.Dropout(config.dropout, name="memory_dropout")
    if context_size is None:
        episodes = memory(facts, question, facts_mask=mask)
        answer = keras.layers.Concatenate(name="answer")([drop(episodes["memory"]), question])
        return DynamicMemoryNetwork(inputs, {"label": classes(answer), "gates": episodes["gates"]}, name=name)
    asked = ops.reshape(facts + question[:, None], (-1, config.units))
    width = 2 * context_size + 1
    windows, real = ContextWindows(context_size, name="context_windows")(facts, mask)
    windows, real = ops.reshape(windows, (-1, width, config.units)), ops.reshape(real, (-1, width))
    episodes = memory(windows, asked, facts_mask=real)
    answer = keras.layers.Concatenate(name="answer")([drop(episodes["memory"]), asked])
    unfold = _UnfoldWords(name="unfold_words")
    return DynamicMemoryNetwork(
        inputs, {"tags": unfold(classes(answer), facts), "gates": unfold(episodes["gates"], facts)}, name=name
    )


@keras.saving.register_keras_serializable(package="dmn_keras")
class _UnfoldWords(keras.layers.Layer):
    """Gives values of `batch * words` rows the two axes of the facts they belong to."""

    def call(self, values, facts):
        return ops.reshape(values, (*static_shape(facts)[:2], *values.shape[1:]))

    def compute_output_shape(self, values_shape, facts_shape):
        return (*facts_shape[:2], *values_shape[1:])


def _word_vectors(config, num_words, num_characters, vectors_shape):
    """Return the inputs, the mask of the real words, and all that is known of each word, side by side."""
    words = keras.Input((None,), dtype="int32", name="words")
    inputs, parts = {"words": words}, []
    if vectors_shape is not None:
        table = keras.layers.Embedding(*vectors_shape, dtype="float16", trainable=False, name="pretrained_vectors")
        parts.append(ops.cast(table(words), "float32"))
    known = WordDropout(num_words, config.word_dropout, name="word_dropout")(words)
    parts.append(keras.layers.Embedding(num_words, config.input.embedding_dim, name="semantic_memory")(known))
    if num_characters is not None and config.input.character_units is not None:
        inputs["characters"] = keras.Input((None, None), dtype="int32", name="characters")
        encoder = CharacterEncoder(
            num_characters,
            config.input.character_units,
            window=config.input.character_window,
            name="character_encoder",
        )
        parts.append(encoder(inputs["characters"]))
    vectors = parts[0] if len(parts) == 1 else keras.layers.Concatenate(name="word_vectors")(parts)
    return inputs, ops.not_equal(words, 0), vectors
