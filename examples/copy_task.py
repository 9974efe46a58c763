"""A Neural Turing Machine learns to copy vectors of bits, in plain Keras, and copies more of them than it was shown."""

import keras
import numpy as np

from dmn_keras.layers import MemoryRNN, NTMCell


def copies(count, length, seed):
    """Return inputs `(count, 2 * length, 5)`, bits and then steps with a flag, and outputs, the bits in those steps."""
    bits = np.random.default_rng(seed).integers(0, 2, (count, length, 4)).astype("float32")
    inputs = np.pad(bits, ((0, 0), (0, length), (0, 1)))
    inputs[:, length:, -1] = 1
    return inputs, np.pad(bits, ((0, 0), (length, 0), (0, 0)))


def main(count=50_000):
    """Train on `count` sequences of 6 vectors; return loss and accuracy of bits for sequences of 6 and of 12."""
    rnn = MemoryRNN(NTMCell(32, memory_slots=16, memory_width=8), return_sequences=True)
    model = keras.Sequential([rnn, keras.layers.Dense(4, "sigmoid")])
    optimizer = keras.optimizers.Adam(0.005, global_clipnorm=10)
    model.compile(optimizer, "binary_crossentropy", metrics=["binary_accuracy"])
    model.fit(*copies(count, 6, seed=0), batch_size=16, verbose=2)
    return [model.evaluate(*copies(100, length, seed=1), verbose=0) for length in (6, 12)]


if __name__ == "__main__":
    print(*main(), sep="\n")
