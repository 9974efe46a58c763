"""What was computed for each fact alone, back in the order of the facts."""

import keras
from keras import ops

from dmn_keras.layers.sequences import static_shape


@keras.saving.register_keras_serializable(package="dmn_keras")
class UnfoldFacts(keras.layers.Layer):
    """Gives values of `batch * facts` rows the two axes of the facts they belong to.

    Call arguments:
        values: `(batch * facts, ...)`, such as the memories of `ContextWindows`.
        facts: `(batch, facts, units)`.

    Returns:
        The values, `(batch, facts, ...)`.

    Example:

    >>> dmn_keras.layers.UnfoldFacts()(np.ones((10, 3)), np.ones((2, 5, 32))).shape
    (2, 5, 3)
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, values, facts):
        return ops.reshape(values, (*static_shape(facts)[:2], *values.shape[1:]))

    def compute_output_shape(self, values_shape, facts_shape):
        return (*facts_shape[:2], *values_shape[1:])

    def compute_mask(self, values, previous_mask=None):
        return None
