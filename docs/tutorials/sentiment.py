"""
Sentiment
=========

Trains a classifier of texts on a few reviews, and shows which words decided. With the Stanford Sentiment Treebank,
``dmn-keras train --dataset sst --data-dir DIR`` trains it on the real thing.
"""

import keras

from dmn_keras import TextClassifier

keras.utils.set_random_seed(0)

# %%
# The data
# --------
#
# A text and a label. These reviews are put together from a few words, so that they are learned in seconds.

GOOD, BAD = ("lovely", "clever", "moving", "bright"), ("dull", "clumsy", "tedious", "hollow")
THINGS = ("film", "story", "cast", "ending")
reviews = [
    {"text": f"The {thing} is {word}, and so is the {other}.", "label": label}
    for label, words in (("good", GOOD), ("bad", BAD))
    for word in words
    for thing in THINGS
    for other in THINGS
    if other != thing
]
print(len(reviews), reviews[0])

# %%
# Train
# -----

classifier = TextClassifier(units=32, num_passes=2, learning_rate=3e-3)
classifier.fit(reviews, epochs=6, verbose=0)
print({name: round(value, 3) for name, value in classifier.evaluate(reviews, verbose=0).items()})

# %%
# Ask
# ---
#
# Every word is a fact; the gates of the last pass are how much each word counted.

[answer] = classifier.predict([{"text": "A clever film with a moving ending."}])
print(answer.label)
for word, gate in zip(answer.words, answer.gates[-1], strict=True):
    print(f"{gate:.2f}", word)
