"""The Dynamic Memory Network as a functional model: the way of the data in one readable place."""

import keras
from keras.src.backend.common import global_state

from dmn_keras.layers import (
    AnswerDecoder,
    EpisodicMemory,
    FactEncoder,
    FactLinks,
    FactNarrowing,
    InputFusion,
    PositionEncoder,
    QuestionEncoder,
    QuestionMatch,
    SpreadGates,
)
from dmn_keras.layers.attention_gate import DMN_FEATURES
from dmn_keras.layers.checks import fraction, one_of, positive_integer

NARROWING = "fact_narrowing"
"""Name of the layer of a first pass that narrows the story, in a model that has one."""


@keras.saving.register_keras_serializable(package="dmn_keras")
class DynamicMemoryNetwork(keras.Model):
    """A functional model that takes its inputs and targets by name.

    Keras flattens dicts of inputs in the order of their keys: a further key shifts them, and the optional input
    `"answer"` must be there. Here further keys are ignored, `"answer"` may be left out, and with metrics only the
    outputs that have one need a target. Everything else is the functional model that `dmn` builds.
    """

    def __init__(self, inputs, outputs, name=None, **kwargs):
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

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        # Keras looks up every output, also those without a metric.
        y = {**dict.fromkeys(y_pred), **y} if isinstance(y, dict) else y
        if isinstance(sample_weight, dict):
            sample_weight = {**dict.fromkeys(y_pred), **sample_weight}
        return super().compute_metrics(x, y, y_pred, sample_weight)

    def save(self, filepath, overwrite=True, zipped=None, **kwargs):
        if str(filepath).endswith((".h5", ".hdf5")):
            raise ValueError(_NO_HDF5.format(filepath))
        super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def get_config(self):
        if global_state.get_global_attribute("use_legacy_config", False):
            raise ValueError(_NO_HDF5.format("an HDF5 file"))
        return super().get_config()


_NO_HDF5 = (
    "Keras cannot load this model from HDF5. Save it to a file that ends in .keras, or its weights alone with "
    "save_weights to one that ends in .weights.h5. Received: {}"
)


def dmn(
    vocabulary_size,
    units=80,
    num_passes=3,
    *,
    embedding_dim=None,
    embedding_scale=1.0,
    answer_words=None,
    fact_level="sentence",
    fact_encoder="story",
    question_match=None,
    fact_links=0,
    link_chains=False,
    input_fusion=False,
    gate="sigmoid",
    gate_features=DMN_FEATURES,
    episode="mix",
    memory_update="gru",
    tie_weights=True,
    learned_stop=False,
    num_heads=1,
    layer_norm=False,
    top_facts=None,
    dropout=0.0,
    l2=0.0,
    word_vectors=None,
    train_word_vectors=True,
    recompute=False,
    narrow_to=None,
    name="dmn",
):
    """Build the Dynamic Memory Network of Kumar et al. 2015 as a functional model.

    Token ids -> word vectors (semantic memory) -> facts and question (one word GRU) -> gates, episodes and memory in
    several passes -> answer. Id 0 is padding everywhere: more of it never changes an answer.

    Args:
        vocabulary_size: Positive integer, number of token ids, padding included.
        units: Positive integer, size of facts, question, episode and memory. Defaults to 80.
        num_passes: Positive integer, passes over the facts; the maximum with `learned_stop`. Defaults to 3.
        embedding_dim: Size of a word vector. Defaults to `units`.
        embedding_scale: Word vectors start uniform between -`embedding_scale` and `embedding_scale`. Defaults to 1.
        answer_words: Positive integer, the longest answer in words, for a decoder that says several; `None` for
            one word (classification). Defaults to `None`.
        fact_level: `"sentence"` for stories of sentences, a fact each; `"word"` for a single sentence, every word of
            which is a fact. Defaults to `"sentence"`.
        fact_encoder: `"story"` (2015) for one word GRU over all sentences; `"sentence"` for a word GRU that starts anew
            with each; `"position"` (2016) for position-weighted sums of word vectors, which leaves the word GRU to the
            question. Defaults to `"story"`.
        question_match: Positive integer, size of what each word of the story learns of the question (`QuestionMatch`);
            the question then has a word GRU of its own. `None` for facts that know nothing of it. Defaults to `None`.
        fact_links: Integer, how often the facts are read again, each time with what the facts that share a word with
            them said (`FactLinks`). Needs facts read by a word GRU. Defaults to 0.
        link_chains: Whether that is what all facts before and after say that share the word, and not the nearest alone.
            Defaults to `False`.
        input_fusion: Whether a bidirectional GRU over the facts follows (`InputFusion`, 2016). Defaults to `False`.
        gate: `"sigmoid"` or `"softmax"`, see `EpisodicMemory`, as are the next eight. Defaults to `"sigmoid"`.
        gate_features: Terms of the gate's input. Defaults to the nine of 2015.
        episode: `"mix"` (2015), `"update"` (2016) or `"soft"`. Defaults to `"mix"`.
        memory_update: `"gru"` (2015) or `"relu"` (2016). Defaults to `"gru"`.
        tie_weights: Whether the passes share their weights. Defaults to `True`.
        learned_stop: Whether the passes may end early. Defaults to `False`.
        num_heads: Positive integer, heads of a pass, each with gates and an episode of its own. Defaults to 1.
        layer_norm: Whether facts, question and memories are normalised. Defaults to `False`.
        top_facts: How many facts a head attends to, `None` for all. Defaults to `None`.
        dropout: Share of the entries of word vectors, facts and last memory dropped in training. Defaults to 0.
        l2: Weight of the L2 penalty on all kernels. Defaults to 0.
        word_vectors: Array `(vocabulary_size, embedding_dim)`, the word vectors to start from. Defaults to `None`.
        train_word_vectors: Whether the word vectors are trained. Defaults to `True`.
        recompute: Whether training keeps only the states of its loops over words and facts, and computes what else the
            gradient needs again: less memory, for stories of thousands of facts, and more time. Defaults to `False`.
        narrow_to: Positive integer, the most facts that a first pass keeps for the others (`FactNarrowing`), for
            stories of any length, whose facts stand among much else. `None` for passes over all. Defaults to `None`.
        name: Name of the model. Defaults to `"dmn"`.

    Returns:
        A `keras.Model` with named inputs and outputs.

        Inputs: `"story"`, int32 `(batch, facts, words)`, or `(batch, words)` with `fact_level="word"`; `"question"`,
        int32 `(batch, words)`; with `answer_words` also `"answer"`, int32 `(batch, answer_words + 1)`, the right
        answers for teacher forcing, which may be left out and is not looked at in inference.

        Outputs: `"answer"`, logits `(batch, vocabulary_size)`, or `(batch, answer_words + 1, vocabulary_size)`;
        `"gates"`, float32 `(batch, num_passes, facts)`; with `learned_stop` also `"stop"`, float32
        `(batch, num_passes)`; with `narrow_to` also `"narrowing"`, the gates of the first pass, float32
        `(batch, facts)`.

    Raises:
        ValueError: If an argument is out of range, or `word_vectors` has another shape.

    Example:

    >>> model = dmn_keras.models.dmn(vocabulary_size=20, units=16)
    >>> story, question = np.ones((4, 5, 6), "int32"), np.ones((4, 3), "int32")
    >>> outputs = model.predict({"story": story, "question": question}, verbose=0)
    >>> outputs["answer"].shape, outputs["gates"].shape
    ((4, 20), (4, 3, 5))

    Reference:
        Kumar et al. 2015, arXiv:1506.07285. Deviations: those of the layers, and dropout on facts and memory.
    """
    vocabulary_size = positive_integer("vocabulary_size", vocabulary_size)
    units = positive_integer("units", units)
    embedding_dim = positive_integer("embedding_dim", units if embedding_dim is None else embedding_dim)
    check_input_module(
        fact_level, fact_encoder, question_match, fact_links, link_chains, input_fusion, units, embedding_dim
    )
    if narrow_to is not None:
        narrow_to = positive_integer("narrow_to", narrow_to)
        if fact_level == "word":
            raise ValueError(
                f"narrow_to needs facts that are sentences. Received: narrow_to={narrow_to}, fact_level='word'"
            )
    dropout = fraction("dropout", dropout)
    regularizer = keras.regularizers.L2(float(l2)) if l2 else None
    if word_vectors is not None and tuple(word_vectors.shape) != (vocabulary_size, embedding_dim):
        raise ValueError(
            f"word_vectors must have shape (vocabulary_size, embedding_dim) = {(vocabulary_size, embedding_dim)}. "
            f"Received: word_vectors.shape={tuple(word_vectors.shape)}"
        )
    shape = (None, None) if fact_level == "sentence" else (None,)
    story = keras.Input(shape, dtype="int32", name="story")
    question = keras.Input((None,), dtype="int32", name="question")
    inputs = {"story": story, "question": question}
    if narrow_to is not None:
        narrowing = FactNarrowing(vocabulary_size, top_facts=narrow_to, kernel_regularizer=regularizer, name=NARROWING)
        narrowed = narrowing(story, question)
        story = narrowed["story"]

    semantic_memory = keras.layers.Embedding(
        vocabulary_size,
        embedding_dim,
        mask_zero=True,
        embeddings_initializer=keras.initializers.RandomUniform(-float(embedding_scale), float(embedding_scale)),
        trainable=bool(train_word_vectors),
        name="semantic_memory",
    )
    scope = "story" if fact_encoder == "story" else "sentence"
    word_gru = {"units": units, "kernel_regularizer": regularizer, "recompute": recompute}
    encoder = FactEncoder(**word_gru, scope=scope, name="fact_encoder")
    drop_words = keras.layers.Dropout(dropout, name="word_dropout")
    words, question_words = drop_words(semantic_memory(story)), drop_words(semantic_memory(question))
    if question_match is None:
        states = encoder(question_words)
    else:
        states = FactEncoder(**word_gru, name="question_gru")(question_words)
        words = QuestionMatch(question_match, kernel_regularizer=regularizer, name="question_match")(
            words, story, question, states
        )
    facts = PositionEncoder(name="position_encoder")(words) if fact_encoder == "position" else encoder(words)
    for i in range(fact_links):
        linked = FactLinks(units, chains=link_chains, kernel_regularizer=regularizer, name=f"fact_links_{i}")(
            words, story, facts
        )
        facts = FactEncoder(**word_gru, scope=scope, name=f"linked_facts_{i}")(linked)
    facts = keras.layers.Dropout(dropout, name="fact_dropout")(facts)
    if input_fusion:
        facts = InputFusion(units, kernel_regularizer=regularizer, recompute=recompute, name="input_fusion")(facts)
    q = QuestionEncoder(name="question_encoder")(states)

    episodes = EpisodicMemory(
        units,
        num_passes,
        gate=gate,
        gate_features=gate_features,
        episode=episode,
        memory_update=memory_update,
        tie_weights=tie_weights,
        learned_stop=learned_stop,
        num_heads=num_heads,
        layer_norm=layer_norm,
        top_facts=top_facts,
        kernel_regularizer=regularizer,
        recompute=recompute,
        name="episodic_memory",
    )(facts, q)

    decoder = AnswerDecoder(vocabulary_size, answer_words, kernel_regularizer=regularizer, name="answer_decoder")
    memory = keras.layers.Dropout(dropout, name="memory_dropout")(episodes["memory"])
    if answer_words is None:
        logits = decoder(memory, q)
    else:
        inputs["answer"] = keras.Input((None,), dtype="int32", name="answer", optional=True)
        logits = decoder(memory, q, answer=inputs["answer"])
    outputs = {"answer": logits, "gates": episodes["gates"]}
    if narrow_to is not None:
        outputs["gates"] = SpreadGates(name="spread_gates")(episodes["gates"], narrowed["kept"])
        outputs["narrowing"] = narrowed["gates"]
    if learned_stop:
        outputs["stop"] = episodes["stop"]
    model = DynamicMemoryNetwork(inputs, outputs, name=name)
    if word_vectors is not None:
        semantic_memory.set_weights([word_vectors])
    return model


def can_narrow(model):
    """Return whether a model has a first pass, so that it may be asked about stories of any length."""
    return any(layer.name == NARROWING for layer in model.layers)


def check_input_module(
    fact_level, fact_encoder, question_match, fact_links, link_chains, input_fusion, units, embedding_dim
):
    """Raise if an argument of `dmn` that is about its input module is out of range, or does not go with the others.

    Raises:
        ValueError: If so; the message names the argument.
    """
    one_of("fact_level", fact_level, ("sentence", "word"))
    one_of("fact_encoder", fact_encoder, ("story", "sentence", "position"))
    if question_match is not None:
        positive_integer("question_match", question_match)
    if fact_links != 0:
        positive_integer("fact_links", fact_links)
    if link_chains and not fact_links:
        raise ValueError("link_chains needs fact_links of at least 1. Received: fact_links=0")
    if fact_encoder == "position" and fact_level == "word":
        raise ValueError("fact_encoder must be 'story' or 'sentence' with fact_level='word'. Received: 'position'")
    if fact_links and (fact_encoder == "position" or fact_level == "word"):
        raise ValueError(
            "fact_links needs facts that are sentences read by a word GRU: fact_level='sentence' and fact_encoder "
            f"'story' or 'sentence'. Received: fact_links={fact_links}, fact_level={fact_level!r}, "
            f"fact_encoder={fact_encoder!r}"
        )
    if fact_encoder == "position" and not input_fusion and (embedding_dim != units or question_match):
        raise ValueError(
            "embedding_dim must equal units, and question_match be None, with fact_encoder='position', unless "
            f"input_fusion is set. Received: embedding_dim={embedding_dim}, units={units}, "
            f"question_match={question_match}"
        )
