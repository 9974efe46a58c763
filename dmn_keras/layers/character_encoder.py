"""Spelling features: the characters of a word -> a vector."""

from typing import Any

import keras
from keras import ops

from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.padding import max_or_zero, static_shape


@keras.saving.register_keras_serializable(package="dmn_keras")
class CharacterEncoder(keras.layers.Layer):
    """Convolution over the characters of each word, and the maximum over the word.

    `v_j = max_t relu(b_j + sum_o K_o[c_{t+o}, j])`, where `K_o` holds a row for each character and each offset `o` of
    the window. A convolution of one-hot characters is such a sum of table rows.

    Masking: id 0 is padding: it adds nothing, and no window is centred on it. A word without characters gives zeros.

    Args:
        num_characters: Positive integer, number of character ids, padding included.
        units: Positive integer, size of the vector.
        window: Positive odd integer, characters of a window. Defaults to 5.
        **kwargs: Arguments of every layer.

    Call arguments:
        characters: Integer ids, `(batch, words, characters)`.

    Returns:
        Vectors, `(batch, words, units)`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> characters = np.array([[[3, 4, 5], [6, 0, 0]]])
    >>> tuple(dmn_keras.layers.CharacterEncoder(10, 8)(characters).shape)
    (1, 2, 8)

    Reference:
        Ma, Hovy 2016, "End-to-end Sequence Labeling via Bi-directional LSTM-CNNs-CRF", arXiv:1603.01354, section 2.1.
        Deviation: characters are one-hot, without vectors of their own.
    """

    def __init__(self, num_characters: int, units: int, *, window: int = 5, **kwargs: Any):
        super().__init__(**kwargs)
        self.num_characters = positive_integer("num_characters", num_characters)
        self.units = positive_integer("units", units)
        self.window = positive_integer("window", window)
        if self.window % 2 == 0:
            raise ValueError(f"window must be odd. Received: window={window}")

    def build(self, characters_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.num_characters, self.window * self.units),
            initializer=keras.initializers.RandomUniform(-0.25, 0.25),
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, characters):
        batch, num_words, length = static_shape(characters)
        characters = ops.reshape(ops.cast(characters, "int32"), (batch * num_words, length))
        real = ops.not_equal(characters, 0)[..., None]
        rows = ops.take(self.kernel, characters, axis=0)  # (B * W, C, window * units)
        rows = ops.where(real, rows, ops.zeros_like(rows))
        half = self.window // 2
        rows = ops.pad(rows, [[0, 0], [half, half], [0, 0]])
        total = self.bias
        for offset in range(self.window):
            columns = slice(offset * self.units, (offset + 1) * self.units)
            total = total + rows[:, offset : offset - 2 * half or None, columns]
        states = ops.where(real, ops.relu(total), ops.zeros_like(total))
        return ops.reshape(max_or_zero(states, axis=1), (batch, num_words, self.units))

    def compute_output_shape(self, characters_shape):
        return (*characters_shape[:2], self.units)

    def get_config(self):
        names = ("num_characters", "units", "window")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
