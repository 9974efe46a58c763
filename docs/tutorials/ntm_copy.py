"""
A Neural Turing Machine copies sequences
========================================

Trains an NTM cell in plain Keras to repeat vectors of bits, and looks at where it writes and reads. It runs on
TensorFlow, JAX and PyTorch.
"""

import keras
import numpy as np
from matplotlib import pyplot

from dmn_keras.layers import MemoryRNN, NTMCell, record_memory

keras.utils.set_random_seed(0)

# %%
# The task
# --------
#
# Bits come in, then steps with a flag, in which the network has to repeat the bits.


def copies(count, length, seed):
    bits = np.random.default_rng(seed).integers(0, 2, (count, length, 4)).astype("float32")
    inputs = np.pad(bits, ((0, 0), (0, length), (0, 1)))
    inputs[:, length:, -1] = 1
    return inputs, np.pad(bits, ((0, 0), (length, 0), (0, 0)))


# %%
# The network
# -----------
#
# ``MemoryRNN`` is ``keras.layers.RNN`` for cells whose states are matrices. The memory has 16 slots of 8 numbers.

rnn = MemoryRNN(NTMCell(32, memory_slots=16, memory_width=8), return_sequences=True)
model = keras.Sequential([keras.Input((None, 5)), rnn, keras.layers.Dense(4, "sigmoid")])
model.compile(keras.optimizers.Adam(0.005, global_clipnorm=10), "binary_crossentropy", metrics=["binary_accuracy"])

# %%
# Train
# -----
#
# 1,600 sequences show how the loss falls. ``examples/copy_task.py`` trains on 100,000 of up to 8 steps, and tests the
# network on up to 12.

history = model.fit(*copies(1600, 4, seed=0), batch_size=16, epochs=1, verbose=0).history
loss, accuracy = model.evaluate(*copies(100, 4, seed=1), verbose=0)
print(f"bits that are right: {accuracy:.1%}, where guesses are right in {0.5 * 0.5 + 0.5:.0%}")

# %%
# Look at the memory
# ------------------
#
# The weights of the write head and of the read head over the 16 slots, step by step. A network that has learned to copy
# writes along the memory and reads along it again.

inputs, _ = copies(1, 4, seed=2)
records = record_memory(rnn.cell, inputs)
figure, panels = pyplot.subplots(1, 2, figsize=(7, 3), layout="constrained")
for panel, name in zip(panels, ("write_weights", "read_weights"), strict=True):
    panel.imshow(records[name][0, :, 0].T, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    panel.set(title=name.replace("_", " "), xlabel="step", ylabel="slot")
