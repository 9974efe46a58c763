"""
A model from the layers
=======================

Assembles a Dynamic Memory Network in plain Keras, trains it on answers alone, and looks at its gates. It runs on
TensorFlow, JAX and PyTorch.
"""

import keras
import numpy as np

from dmn_keras.datasets import stories
from dmn_keras.layers import AnswerDecoder, EpisodicMemory, FactEncoder, LastState
from dmn_keras.losses import AnswerCrossentropy
from dmn_keras.metrics import AnswerAccuracy
from dmn_keras.tasks.question_answering import QuestionAnsweringPreprocessor

keras.utils.set_random_seed(0)

# %%
# Text to arrays
# --------------
#
# The preprocessor learns the vocabulary and pads: ids of words, 0 where there is none.

train = stories.generate("one-supporting-fact", num_examples=1000, num_facts=4)
test = stories.generate("one-supporting-fact", split="test", num_examples=200, num_facts=4)
preprocessor = QuestionAnsweringPreprocessor()
preprocessor.adapt(train)
print(*test[0].story, test[0].question, sep="\n")


def arrays(examples):
    inputs = preprocessor(examples)
    answers = [preprocessor.vocabulary.encode(example.answer_text)[0] for example in examples]
    return {name: inputs[name] for name in ("story", "question")}, np.array(answers)


inputs, answers = arrays(train)
print({name: array.shape for name, array in inputs.items()})

# %%
# The network
# -----------
#
# Words become vectors, sentences facts, and the question a vector by the same encoder. ``EpisodicMemory`` makes the
# passes.

units = 32
story = keras.Input((None, None), dtype="int32", name="story")  # (batch, facts, words)
question = keras.Input((None,), dtype="int32", name="question")  # (batch, words)
initializer = keras.initializers.RandomUniform(-1, 1)
embedding = keras.layers.Embedding(
    len(preprocessor.vocabulary), units, mask_zero=True, embeddings_initializer=initializer
)
encoder = FactEncoder(units)
facts = encoder(embedding(story))  # (batch, facts, units)
question_vector = LastState()(encoder(embedding(question)))  # (batch, units)
episodes = EpisodicMemory(units, num_passes=2, gate="softmax", layer_norm=True)(facts, question_vector)
logits = AnswerDecoder(len(preprocessor.vocabulary))(episodes["memory"], question_vector)
model = keras.Model({"story": story, "question": question}, logits)

# %%
# Train
# -----

model.compile(keras.optimizers.Adam(5e-3), loss=AnswerCrossentropy(), metrics=[AnswerAccuracy()])
model.fit(inputs, answers, batch_size=32, epochs=8, verbose=0)
print("accuracy on new stories:", model.evaluate(*arrays(test), verbose=0, return_dict=True)["accuracy"])

# %%
# Look at the gates
# -----------------
#
# They are an output of ``EpisodicMemory``, so a second model over the same layers shows them.

inputs, _ = arrays(test[:1])
gates = keras.Model(model.input, episodes["gates"]).predict(inputs, verbose=0)[0]
for fact, column in zip(test[0].story, gates.T, strict=False):
    print(fact, *(f"{gate:.2f}" for gate in column))
print(test[0].question, preprocessor.vocabulary.answer_text(model.predict(inputs, verbose=0).argmax(-1)))
