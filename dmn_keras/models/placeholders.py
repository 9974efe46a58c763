"""Answers that hold a placeholder only where the story holds it."""

import keras
import numpy as np
from keras import ops

from dmn_keras.layers.answer_decoder import FORBIDDEN
from dmn_keras.layers.checks import positive_integer
from dmn_keras.models.dynamic_memory_network import DynamicMemoryNetwork

ALLOWED_WORDS = "allowed_words"
"""Name of the layer that knows which words an answer may hold, in a model that has placeholders."""


def forbid_unused_placeholders(model: keras.Model, num_placeholders: int) -> DynamicMemoryNetwork:
    """Return a model, on the layers and weights of another, whose answers hold no placeholder that its story lacks.

    Placeholders stand for the unknown words of a story (`dmn_keras.text.assign_placeholders`). Of those that neither
    story nor question hold, the logits are so low that no probability is left to them.

    Args:
        model: What `dmn` or `memn2n` returned.
        num_placeholders: Positive integer, how many ids at the end of the vocabulary are placeholders.

    Returns:
        The model, with the inputs and outputs of the other.
    """
    inputs, outputs = model.input, dict(model.output)
    logits = outputs["answer"]
    first = logits.shape[-1] - positive_integer("num_placeholders", num_placeholders)
    ids = np.arange(first, logits.shape[-1], dtype="int32")
    in_story = ops.any(ops.equal(ops.expand_dims(inputs["story"], -1), ids), axis=(1, 2))  # (B, placeholders)
    in_question = ops.any(ops.equal(ops.expand_dims(inputs["question"], -1), ids), axis=1)
    allowed = ops.pad(ops.logical_or(in_story, in_question), [[0, 0], [first, 0]], constant_values=True)
    allowed = keras.layers.Identity(name=ALLOWED_WORDS)(allowed)  # (B, vocabulary_size)
    if len(logits.shape) == 2:
        outputs["answer"] = ops.where(allowed, logits, FORBIDDEN)
    else:  # each word is read as the one before the next: the decoder itself chooses among the allowed
        decoder = model.get_layer("answer_decoder")
        outputs["answer"] = decoder(*decoder.input, allowed=allowed)
    return DynamicMemoryNetwork(inputs, outputs, name=model.name)
