"""The Dynamic Memory Network as a functional model: the data flow in one readable place."""

import os
from typing import Any

import keras
from keras.src.backend.common import global_state

from dmn_keras.layers import (
    AnswerDecoder,
    ChainRetriever,
    EpisodicMemory,
    FactEncoder,
    FactRetriever,
    InputFusion,
    LastState,
    LexicalLinks,
    MentionLinks,
    PositionEncoding,
    QuestionMatch,
    ScatterGates,
)
from dmn_keras.layers.attention_gate import DMN_FEATURES, DMN_PLUS_FEATURES
from dmn_keras.layers.checks import positive_integer
from dmn_keras.models.dmn_config import DMNConfig, EpisodicMemoryConfig

RETRIEVER = "fact_retriever"
"""Name of the layer that retrieves facts one by one, in a model that has one."""
CHAIN_RETRIEVER = "chain_retriever"
"""Name of the layer that retrieves facts in rounds, in a model that has one."""
SCATTER_GATES = "scatter_gates"
"""Name of the layer that knows which facts were retrieved."""


@keras.saving.register_keras_serializable(package="dmn_keras")
class DynamicMemoryNetwork(keras.Model):
    """A functional model that takes its inputs and targets by name.

    Keras flattens dicts of inputs in the order of their keys: a further key shifts them, and the optional input
    `"answer"` must be there. Here further keys are ignored, `"answer"` may be left out, and with metrics only the
    outputs that have one need a target. Everything else is the functional model that `dmn`, `text_dmn` or `visual_dmn`
    builds.
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any):
        super().__init__(inputs, outputs, name=name, **kwargs)
        if "answer" in self.input:
            self.get_layer("answer").optional = True  # `keras.models.clone_model` makes inputs that are not

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(self._by_name(inputs), *args, **kwargs)

    def call(self, inputs, training=None, mask=None, **kwargs):
        # On JAX, Keras' training and prediction come here and not through `__call__`.
        return super().call(self._by_name(inputs), training=training, mask=mask, **kwargs)

    def _by_name(self, inputs):
        if not isinstance(inputs, dict):
            return inputs
        missing = [name for name in self.input if name not in inputs and name != "answer"]
        if missing:
            raise ValueError(f"inputs must have the keys {', '.join(missing)}. Received: {', '.join(map(str, inputs))}")
        return {name: inputs.get(name) for name in self.input}

    def compute_output_spec(self, inputs, training=None, mask=None):
        # Keras looks at the shape of every input, also of one that is `None`.
        if isinstance(inputs, dict):
            inputs = {name: self.input[name] if tensor is None else tensor for name, tensor in inputs.items()}
        return super().compute_output_spec(inputs, training=training, mask=mask)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        # Keras looks up every output, also those without a metric.
        y = {**dict.fromkeys(y_pred), **y} if isinstance(y, dict) else y
        if isinstance(sample_weight, dict):
            sample_weight = {**dict.fromkeys(y_pred), **sample_weight}
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def save(
        self, filepath: str | os.PathLike, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any
    ) -> None:
        check_no_hdf5(filepath)
        super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def get_config(self):
        if global_state.get_global_attribute("use_legacy_config", False):
            raise ValueError(_NO_HDF5.format("an HDF5 file"))
        return super().get_config()


def check_no_hdf5(filepath: str | os.PathLike) -> None:
    """Raise `ValueError` if a model would be saved to an HDF5 file."""
    if str(filepath).endswith((".h5", ".hdf5")):
        raise ValueError(_NO_HDF5.format(filepath))


_NO_HDF5 = (
    "Keras cannot load this model from HDF5. Save it to a file that ends in .keras, or its weights alone with "
    "save_weights to one that ends in .weights.h5. Received: {}"
)


_DROPPED = -20.0
"""Gate logit of a fact that the retriever drops: its gate is nearly 0, and to miss it costs 20 nats."""


def dmn(
    vocabulary_size: int,
    units: int | None = None,
    num_passes: int | None = None,
    *,
    config: DMNConfig | None = None,
    answer_words: int | None = None,
    word_vectors: Any = None,
    num_placeholders: int = 0,
    name: str = "dmn",
    **settings: Any,
) -> DynamicMemoryNetwork:
    """Build a Dynamic Memory Network as a functional model.

    Token ids -> word vectors (semantic memory) -> facts and question (input and question module) -> gates, episodes and
    memory in several passes -> answer. Id 0 is padding everywhere: more of it never changes an answer.

    Args:
        vocabulary_size: Positive integer, number of token ids, padding included.
        units: Positive integer, size of facts, question, episode and memory. Defaults to that of `config`.
        num_passes: Positive integer, passes over the facts. Defaults to that of `config`, or 3.
        config: The `DMNConfig`; by default the best known settings. `RunConfig.preset("dmn_2015").model` is that of
            Kumar et al. 2015, `RunConfig.preset("dmn_plus").model` that of Xiong et al. 2016.
        answer_words: Positive integer, the longest answer in words, for a decoder of several words; `None` for one word
            (classification). Defaults to `None`.
        word_vectors: Array `(vocabulary_size, embedding_dim)`, the word vectors to start from. Defaults to `None`.
        num_placeholders: How many ids at the end of the vocabulary are placeholders for unknown words, which a
            retriever reads as one. Defaults to 0.
        name: Name of the model. Defaults to `"dmn"`.
        **settings: Settings of `config` to change, by name, e.g. `gate="sigmoid"`.

    Returns:
        A `keras.Model` with named inputs and outputs.

        Inputs: `"story"`, int32 `(batch, facts, words)`; `"question"`, int32 `(batch, words)`; with `answer_words` also
        `"answer"`, int32 `(batch, answer_words + 1)`, the right answers for teacher forcing, which may be left out and
        is ignored in inference.

        Outputs: `"answer"`, logits `(batch, vocabulary_size)`, or `(batch, answer_words + 1, vocabulary_size)`;
        `"gates"`, float32 `(batch, num_passes, facts)`, and `"gate_logits"`, what they are made of, for
        `GateCrossentropy`; with `learned_stop` also `"stop"` and `"stop_logits"`, float32 `(batch, num_passes)`; with
        `max_retrieved_facts` also `"retriever"`, the gates of the retriever, float32 `(batch, facts)`, and
        `"retriever_logits"`, of the same shape, or `(batch, rounds, facts)` with `retriever="chain"`.

    Raises:
        ValueError: If an argument is out of range, settings do not go together, or `word_vectors` has another shape.

    Example:

    >>> model = dmn_keras.models.dmn(vocabulary_size=20, units=16, num_passes=3)
    >>> story, question = np.ones((4, 5, 6), "int32"), np.ones((4, 3), "int32")
    >>> outputs = model.predict({"story": story, "question": question}, verbose=0)
    >>> outputs["answer"].shape, outputs["gates"].shape
    ((4, 20), (4, 3, 5))

    Reference:
        Kumar et al. 2015, arXiv:1506.07285; Xiong et al. 2016, arXiv:1603.01417. Deviations: those of the layers, and
        dropout on facts and memory.
    """
    vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
    sizes = {"units": units, "num_passes": num_passes}
    settings |= {name: size for name, size in sizes.items() if size is not None}
    config = (DMNConfig() if config is None else config).replace(settings)
    embedding_dim = _embedding_dim(config, vocabulary_size, word_vectors)
    check_settings(config, embedding_dim)
    penalty = keras.regularizers.L2(config.l2) if config.l2 else None
    recurrent: dict[str, Any] = {"kernel_regularizer": penalty, "recurrent_regularizer": penalty}
    inputs = story_inputs(answer_words)
    story, question, retrieved = inputs["story"], inputs["question"], None
    if config.max_retrieved_facts is not None:
        options = {"num_placeholders": num_placeholders, "kernel_regularizer": penalty}
        retrieved = _retriever(config, vocabulary_size, options)(story, question)
        story = retrieved["story"]

    scale = config.embedding_scale
    semantic_memory = keras.layers.Embedding(
        vocabulary_size,
        embedding_dim,
        mask_zero=True,
        embeddings_initializer=keras.initializers.RandomUniform(-scale, scale),
        trainable=config.train_word_vectors,
        name="semantic_memory",
    )
    facts, q = _input_module(config, penalty, semantic_memory, story, question)
    arguments = {**memory_arguments(config.memory), **recurrent, "recompute": config.recompute}
    episodes = EpisodicMemory(config.units, **arguments, name="episodic_memory")(facts, q)

    decoder = AnswerDecoder(vocabulary_size, answer_words, **recurrent, name="answer_decoder")
    memory = keras.layers.Dropout(config.dropout, name="memory_dropout")(episodes["memory"])
    logits = decoder(memory, q, answer=inputs.get("answer"))
    outputs = {"answer": logits, "gates": episodes["gates"], "gate_logits": episodes["gate_logits"]}
    if config.memory.learned_stop:
        outputs |= {"stop": episodes["stop"], "stop_logits": episodes["stop_logits"]}
    if retrieved is not None:
        chosen = retrieved["retrieved"]
        outputs["gates"] = ScatterGates(name=SCATTER_GATES)(outputs["gates"], chosen)
        scatter_logits = ScatterGates(fill_value=_DROPPED, name="scatter_gate_logits")
        outputs["gate_logits"] = scatter_logits(outputs["gate_logits"], chosen)
        outputs |= {"retriever": retrieved["gates"], "retriever_logits": retrieved["gate_logits"]}
    model = DynamicMemoryNetwork(inputs, outputs, name=name)
    if word_vectors is not None:
        semantic_memory.set_weights([word_vectors])
    return model


def story_inputs(answer_words: int | None = None) -> dict[str, Any]:
    """Return the inputs of a model of stories by name; `"answer"`, which may be left out, where answers have words."""
    inputs = {
        "story": keras.Input((None, None), dtype="int32", name="story"),
        "question": keras.Input((None,), dtype="int32", name="question"),
    }
    if answer_words is not None:
        inputs["answer"] = keras.Input((None,), dtype="int32", name="answer", optional=True)
    return inputs


def memory_arguments(config: EpisodicMemoryConfig, num_passes: int = 3) -> dict[str, Any]:
    """Return the arguments of `EpisodicMemory`; `num_passes` is their number where the settings leave it open."""
    features = {"dmn": DMN_FEATURES, "dmn_plus": DMN_PLUS_FEATURES}[config.gate_features]
    return {**vars(config), "num_passes": config.num_passes or num_passes, "gate_features": features}


def _retriever(config, vocabulary_size, options):
    """Return the layer that retrieves facts for the passes."""
    options = {"max_facts": config.max_retrieved_facts, **options}
    if config.retriever == "chain":
        return ChainRetriever(vocabulary_size, num_rounds=config.retriever_rounds, **options, name=CHAIN_RETRIEVER)
    return FactRetriever(vocabulary_size, **options, name=RETRIEVER)


def _input_module(config, penalty, semantic_memory, story, question):
    """Return facts and question vector of ids."""
    module = config.input
    scope = "story" if module.fact_encoder == "story" else "sentence"
    gru = {"kernel_regularizer": penalty, "recurrent_regularizer": penalty, "recompute": config.recompute}
    word_gru = {"units": config.units, **gru}
    encoder = FactEncoder(**word_gru, scope=scope, name="fact_encoder")
    drop_words = keras.layers.Dropout(config.dropout, name="word_dropout")
    words, question_words = drop_words(semantic_memory(story)), drop_words(semantic_memory(question))
    if module.question_match is None:
        states = encoder(question_words)
    else:
        states = FactEncoder(**word_gru, name="question_gru")(question_words)
        match = QuestionMatch(module.question_match, kernel_regularizer=penalty, name="question_match")
        words = match(words, story, question, states)
    if module.links_mentions:
        ordered = module.link_mode == "ordered_mentions"
        links = MentionLinks(num_rounds=module.num_links, ordered=ordered, **word_gru, name="mention_links")
        facts, q = links(words, story, question_words, question)
    else:
        position = module.fact_encoder == "position"
        facts = PositionEncoding(name="position_encoding")(words) if position else encoder(words)
        q = LastState(name="question_state")(states)
        for i in range(module.num_links):
            options = {"mode": module.link_mode, "kernel_regularizer": penalty}
            linked = LexicalLinks(config.units, **options, name=f"lexical_links_{i}")(words, story, facts)
            facts = FactEncoder(**word_gru, scope=scope, name=f"linked_facts_{i}")(linked)
    facts = keras.layers.Dropout(config.dropout, name="fact_dropout")(facts)
    if module.input_fusion:
        facts = InputFusion(config.units, **gru, name="input_fusion")(facts)
    return facts, q


def can_retrieve(model: keras.Model) -> bool:
    """Return whether a model has a retriever of single sentences, so that it may read a story in pieces."""
    return any(layer.name == RETRIEVER for layer in model.layers)


def retrieved_facts(model: keras.Model) -> Any:
    """Return the tensor that tells which facts the passes see, boolean `(batch, facts)`; `None` for all of them."""
    if not any(layer.name == SCATTER_GATES for layer in model.layers):
        return None
    _, retrieved = model.get_layer(SCATTER_GATES).input
    return retrieved


def _embedding_dim(config, vocabulary_size, word_vectors):
    """Return the size of a word vector, that of given ones included."""
    if word_vectors is None:
        return config.embedding_dim or config.units
    if len(word_vectors.shape) != 2 or word_vectors.shape[0] != vocabulary_size:
        raise ValueError(
            f"word_vectors must have shape (vocabulary_size, embedding_dim) with vocabulary_size={vocabulary_size}. "
            f"Received: word_vectors.shape={tuple(word_vectors.shape)}"
        )
    return word_vectors.shape[1]


def check_settings(config: DMNConfig, embedding_dim: int | None = None) -> None:
    """Raise `ValueError` if settings do not go together; the message names them.

    Args:
        config: The `DMNConfig`.
        embedding_dim: Size of a word vector; that of `config` by default.
    """
    module, units = config.input, config.units
    if embedding_dim is None:
        embedding_dim = config.embedding_dim or units
    if module.links_mentions and module.fact_encoder not in (None, "sentence"):
        raise ValueError(
            f"link_mode={module.link_mode!r} needs fact_encoder='sentence'. "
            f"Received: fact_encoder={module.fact_encoder!r}"
        )
    if module.link_mode != "neighbours" and not module.num_links:
        raise ValueError(f"link_mode={module.link_mode!r} needs lexical_links of at least 1. Received: lexical_links=0")
    if module.num_links and module.fact_encoder == "position":
        raise ValueError(
            "lexical_links needs facts that are read by a word GRU: fact_encoder 'story' or 'sentence'. "
            f"Received: lexical_links={module.lexical_links}, fact_encoder='position'"
        )
    if config.retriever == "chain" and config.max_retrieved_facts is None:
        raise ValueError("retriever='chain' needs max_retrieved_facts. Received: max_retrieved_facts=None")
    unequal = embedding_dim != units or module.question_match
    if module.fact_encoder == "position" and not module.input_fusion and unequal:
        raise ValueError(
            "embedding_dim must equal units, and question_match be None, with fact_encoder='position', unless "
            f"input_fusion is set. Received: embedding_dim={embedding_dim}, units={units}, "
            f"question_match={module.question_match}"
        )
