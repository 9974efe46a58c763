"""The Dynamic Memory Network as a functional model: the way of the data in one readable place."""

import keras
from keras import ops

from dmn_keras.layers import AnswerDecoder, EpisodicMemory, FactEncoder, QuestionEncoder
from dmn_keras.layers.attention_gate import DMN_FEATURES
from dmn_keras.layers.checks import fraction, one_of, positive_integer


@keras.saving.register_keras_serializable(package="dmn_keras")
class DynamicMemoryNetwork(keras.Model):
    """A functional model whose input `"answer"`, needed for teacher forcing alone, may be left out.

    Keras calls a model with dict inputs only if every key is there, also those of optional inputs; this class fills
    in `None`. Everything else is the functional model that `dmn` builds.
    """

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(self._with_all_inputs(inputs), *args, **kwargs)

    def call(self, inputs, training=None, mask=None):
        return super().call(self._with_all_inputs(inputs), training=training, mask=mask)

    def _with_all_inputs(self, inputs):
        if isinstance(inputs, dict) and "answer" in self._input_names and "answer" not in inputs:
            return {**inputs, "answer": None}
        return inputs

    @property
    def _input_names(self):
        return [tensor.name for tensor in self.inputs]


def dmn(
    vocabulary_size,
    units=80,
    num_passes=3,
    *,
    embedding_dim=None,
    answer_words=None,
    fact_level="sentence",
    gate="sigmoid",
    gate_features=DMN_FEATURES,
    episode="mix",
    memory_update="gru",
    tie_weights=True,
    learned_stop=False,
    dropout=0.0,
    l2=0.0,
    word_vectors=None,
    train_word_vectors=True,
    name="dmn",
):
    """Build the Dynamic Memory Network of Kumar et al. 2015."""
    positive_integer("vocabulary_size", vocabulary_size)
    one_of("fact_level", fact_level, ("sentence", "word"))
    fraction("dropout", dropout)
    regularizer = keras.regularizers.L2(l2) if l2 else None
    shape = (None, None) if fact_level == "sentence" else (None,)
    story = keras.Input(shape, dtype="int32", name="story")
    question = keras.Input((None,), dtype="int32", name="question")
    inputs = {"story": story, "question": question}

    semantic_memory = keras.layers.Embedding(
        vocabulary_size,
        embedding_dim or units,
        mask_zero=True,
        trainable=train_word_vectors,
        name="semantic_memory",
    )
    encoder = FactEncoder(units, kernel_regularizer=regularizer, name="fact_encoder")
    drop_words = keras.layers.Dropout(dropout, name="word_dropout")
    drop_facts = keras.layers.Dropout(dropout, name="fact_dropout")
    facts = drop_facts(encoder(drop_words(semantic_memory(story))))
    q = QuestionEncoder(name="question_encoder")(encoder(drop_words(semantic_memory(question))))

    episodes = EpisodicMemory(
        units,
        num_passes,
        gate=gate,
        gate_features=gate_features,
        episode=episode,
        memory_update=memory_update,
        tie_weights=tie_weights,
        learned_stop=learned_stop,
        kernel_regularizer=regularizer,
        name="episodic_memory",
    )(facts, q)

    decoder = AnswerDecoder(
        vocabulary_size, answer_words, kernel_regularizer=regularizer, name="answer_decoder"
    )
    memory = keras.layers.Dropout(dropout, name="memory_dropout")(episodes["memory"])
    if answer_words is None:
        logits = decoder(memory, q)
    else:
        inputs["answer"] = keras.Input((None,), dtype="int32", name="answer", optional=True)
        logits = decoder(memory, q, answer=inputs["answer"])
    outputs = {"answer": logits, "gates": episodes["gates"]}
    if learned_stop:
        outputs["stop"] = episodes["stop"]
    model = DynamicMemoryNetwork(inputs, outputs, name=name)
    if word_vectors is not None:
        semantic_memory.set_weights([word_vectors])
    return model
