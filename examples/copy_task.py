"""A Neural Turing Machine learns to copy sequences of bits, in plain Keras, and is tested on longer ones."""

import keras
import numpy as np

from dmn_keras.layers import MemoryRNN, NTMCell


def copies(count, longest, seed):
    """Return inputs `(count, 2 * longest, 5)`, bits and then flags, and outputs, the bits at the steps of the flags."""
    rng, steps = np.random.default_rng(seed), 2 * longest
    inputs, outputs = np.zeros((count, steps, 5), "float32"), np.zeros((count, steps, 4), "float32")
    for x, y in zip(inputs, outputs, strict=True):
        length = rng.integers(1, longest + 1)
        x[:length, :4] = y[length : 2 * length] = rng.integers(0, 2, (length, 4))
        x[length:, 4] = 1
    return inputs, outputs


def main(count=100_000):
    """Train on `count` sequences of up to 8 steps; return loss and accuracy for up to 8 and for up to 12."""
    rnn = MemoryRNN(NTMCell(32, memory_slots=16, memory_width=8), return_sequences=True)
    model = keras.Sequential([rnn, keras.layers.Dense(4, "sigmoid")])
    optimizer = keras.optimizers.Adam(0.003, global_clipnorm=10)
    model.compile(optimizer, "binary_crossentropy", metrics=["binary_accuracy"])
    model.fit(*copies(count, 8, seed=0), batch_size=16, verbose=2)
    return [model.evaluate(*copies(500, longest, seed=1), verbose=0) for longest in (8, 12)]


if __name__ == "__main__":
    print(*main(), sep="\n")
