"""A Neural Turing Machine learns to copy, in plain Keras: trained on 1 to 20 vectors, it copies 40."""

import keras
import numpy as np

from dmn_keras.datasets import algorithmic
from dmn_keras.layers import MemoryRNN, NTMCell


def batches(num_batches, batch_size=16, seed=0, **length):
    """Yield inputs, targets and the weights of the steps of sequences of one length a batch."""
    rng = np.random.default_rng(seed)
    for _ in range(num_batches):
        settings = length or {"length": int(rng.integers(1, 21))}
        examples = [algorithmic.copy(rng, **settings) for _ in range(batch_size)]
        yield tuple(
            np.stack([getattr(example, name) for example in examples]) for name in ("inputs", "targets", "scored")
        )


def main(num_batches=3000):
    """Train the network and return the percentage of wrong bits at length 40."""
    cell = NTMCell(100, memory_slots=128, memory_width=20, controller="feedforward")
    rnn = MemoryRNN(cell, return_sequences=True)
    model = keras.Sequential([keras.Input((None, 9)), rnn, keras.layers.Dense(8, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(1e-3, clipnorm=5.0), "binary_crossentropy")
    model.fit(batches(num_batches), steps_per_epoch=num_batches, verbose=2)
    ((inputs, targets, scored),) = batches(1, seed=1, length=40)
    wrong = (model.predict(inputs, verbose=0) > 0.5) != targets
    return 100 * float(np.mean(wrong[scored]))


if __name__ == "__main__":
    print(f"{main():.2f} % of the bits are wrong")
