"""Episodic memory of several questions about the same facts."""

import keras
from keras import ops

from dmn_keras.layers.episodic_memory import EpisodicMemory
from dmn_keras.layers.padding import static_shape


@keras.saving.register_keras_serializable(package="dmn_keras")
class SharedFactsMemory(EpisodicMemory):
    """`EpisodicMemory` of several questions about the same facts: each has passes, gates and a memory of its own.

    What yields the facts, such as a convolutional network, then runs once for all questions.

    Args:
        units: Positive integer, size of memory and episode, and the last dimension of facts and questions.
        num_passes: As for `EpisodicMemory`, as are all others.
        **kwargs: Further arguments of `EpisodicMemory`.

    Call arguments:
        facts: `(batch, facts, units)`.
        questions: `(batch, questions, units)`.
        facts_mask: Boolean, `(batch, facts)`, `True` for a real fact; filled in by Keras. `None` means that all are
            real.

    Returns:
        The dict of `EpisodicMemory`, each tensor with an axis of questions behind the batch: `"memory"` is
        `(batch, questions, units)`, `"gates"` `(batch, questions, passes, facts)`.

    Raises:
        ValueError: As `EpisodicMemory`.

    Example:

    >>> facts, questions = keras.random.normal((2, 5, 32)), keras.random.normal((2, 3, 32))
    >>> outputs = dmn_keras.layers.SharedFactsMemory(32, num_passes=2)(facts, questions)
    >>> tuple(outputs["memory"].shape), tuple(outputs["gates"].shape)
    ((2, 3, 32), (2, 3, 2, 5))

    Reference:
        Xiong et al. 2016, arXiv:1603.01417, section 3.3.
    """

    def build(self, facts_shape, questions_shape):
        super().build(facts_shape, (questions_shape[0], questions_shape[-1]))

    def call(self, facts, questions, facts_mask=None, training=False):
        batch, count, units = static_shape(questions)
        num_facts = static_shape(facts)[1]

        def for_each_question(tensor):
            tensor = ops.broadcast_to(tensor[:, None], (batch, count, *static_shape(tensor)[1:]))
            return ops.reshape(tensor, (batch * count, num_facts, *tensor.shape[3:]))

        outputs = super().call(
            for_each_question(facts),
            ops.reshape(questions, (batch * count, units)),
            None if facts_mask is None else for_each_question(facts_mask),
            training=training,
        )
        return {
            name: ops.reshape(tensor, (batch, count, *static_shape(tensor)[1:])) for name, tensor in outputs.items()
        }
