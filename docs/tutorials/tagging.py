"""
Part-of-speech tagging
======================

Trains a tagger on a few sentences. With Universal Dependencies, ``dmn-keras train --dataset conllu --data-dir DIR``
trains it on the real thing.
"""

import keras

from dmn_keras import TokenTagger

keras.utils.set_random_seed(0)

# %%
# The data
# --------
#
# The tokens of a sentence, and a tag for each.

NOUNS, VERBS = ("dog", "girl", "boat", "book"), ("sees", "finds", "takes", "leaves")
sentences = [
    {
        "tokens": ["The", noun, verb, "a", other, "."],
        "tags": ["DET", "NOUN", "VERB", "DET", "NOUN", "PUNCT"],
    }
    for noun in NOUNS
    for verb in VERBS
    for other in NOUNS
]
print(len(sentences), sentences[0])

# %%
# Train
# -----
#
# Each word has a memory of its own, whose facts are the words around it. The spelling of a word is read too, so that
# words that training did not show get a tag.

tagger = TokenTagger(units=32, num_passes=1, num_buckets=1)
tagger.fit(sentences, epochs=8, verbose=0)
print({name: round(value, 3) for name, value in tagger.evaluate(sentences, verbose=0).items()})

# %%
# Ask
# ---

[answer] = tagger.predict([{"tokens": ["A", "girl", "leaves", "the", "boat", "."]}])
print(*zip(answer.words, answer.tags, strict=True))
