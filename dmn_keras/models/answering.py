"""Trained model -> a model that gives the words of its answers."""

from collections.abc import Sequence

import keras
from keras import ops

from dmn_keras.layers.answer_decoder import suppress
from dmn_keras.layers.checks import positive_integer
from dmn_keras.models.dynamic_memory_network import DynamicMemoryNetwork, retrieved_facts
from dmn_keras.models.placeholders import ALLOWED_WORDS


def answering_model(model: keras.Model, *, beam_width: int = 1, suppress_tokens: Sequence[int] = ()) -> keras.Model:
    """Build a functional model that answers, on the layers and weights of a trained one.

    Args:
        model: What `dmn` or `memn2n` returned, or a saved one loaded again.
        beam_width: Positive integer; how many partial answers the search keeps, 1 for greedy. A model that answers in
            one word chooses the likeliest whatever the width.
        suppress_tokens: Ids of words that no answer holds; their probability is not given to the others. With that of
            the unknown word, a model that was trained to give it (`unanswerable_fraction`) gives its best guess in its
            place, at a low probability.

    Returns:
        A `keras.Model` from `{"story", "question"}` to a dict: `"words"`, int32 ids `(batch, words)`, 0 after the end;
        `"log_probability"`, float32 `(batch,)`, of the whole answer; `"top_words"`, `(batch, beam_width, words)`, and
        `"top_log_probabilities"`, `(batch, beam_width)`, the same of the likeliest answers; `"gates"` and, with a
        learned stop, `"stop"`, as the model gives them; of a model with a retriever also its gates, `"retriever"`, and
        `"retrieved"`, boolean `(batch, facts)`, the facts that the passes see.

    Raises:
        ValueError: If `beam_width` is out of range, or the model has no output `"answer"`.

    Example:

    >>> model = dmn_keras.models.dmn(vocabulary_size=20, units=16, answer_words=2)
    >>> answerer = dmn_keras.models.answering_model(model, beam_width=3)
    >>> story, question = np.ones((4, 5, 6), "int32"), np.ones((4, 3), "int32")
    >>> answerer.predict({"story": story, "question": question}, verbose=0)["words"].shape
    (4, 3)
    """
    beam_width, outputs = positive_integer("beam_width", beam_width), model.output
    if not isinstance(outputs, dict) or "answer" not in outputs:
        raise ValueError(f"model must have an output of the name answer. Received: {model.name!r} with {outputs}")
    inputs = {tensor.name: tensor for tensor in model.inputs if tensor.name != "answer"}
    if len(outputs["answer"].shape) == 2:
        found = _likeliest_words(outputs["answer"], beam_width, suppress_tokens)
    else:
        decoder = model.get_layer("answer_decoder")
        search = _AnswerSearch(decoder, beam_width, suppress_tokens, name="answer_search")
        masks = [layer.output for layer in model.layers if layer.name == ALLOWED_WORDS]
        found = search(*decoder.input[:2], *masks)
    attention = {n: tensor for n, tensor in outputs.items() if n != "answer" and not n.endswith("_logits")}
    retrieved = retrieved_facts(model)
    if retrieved is not None:
        attention["retrieved"] = retrieved
    return DynamicMemoryNetwork(inputs, {**found, **attention}, name=f"{model.name}_answers")


def _likeliest_words(logits, beam_width, suppress_tokens):
    """Return what `AnswerDecoder.generate` does, for answers of one word: the words of the largest logits."""
    log_probabilities = suppress(ops.log_softmax(ops.cast(logits, "float32")), suppress_tokens)
    best, words = ops.top_k(log_probabilities, min(beam_width, logits.shape[-1]))
    words = ops.cast(words, "int32")[:, :, None]
    return {
        "words": words[:, 0],
        "log_probability": best[:, 0],
        "top_words": words,
        "top_log_probabilities": best,
    }


class _AnswerSearch(keras.layers.Layer):
    """`AnswerDecoder.generate` as a step of a functional model."""

    def __init__(self, decoder, beam_width, suppress_tokens, **kwargs):
        super().__init__(dtype=decoder.dtype_policy, **kwargs)
        self.decoder = decoder
        self.beam_width = beam_width
        self.suppress_tokens = tuple(suppress_tokens)

    def build(self, memory_shape, question_shape, allowed_shape=None):
        """Nothing to build: the decoder has its weights."""

    def call(self, memory, question, allowed=None):
        return self.decoder.generate(memory, question, self.beam_width, self.suppress_tokens, allowed)
