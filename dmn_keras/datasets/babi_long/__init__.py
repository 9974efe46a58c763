"""bAbI's stories inserted into long texts: their facts, in their order, at random places among other sentences.

`Books` and `DistractorFacts` are background texts, `insert_into_background` puts a story into one, `load` does so for
all questions of a task.
What comes out is read a sentence at a time (`LongStory`): ten million words take no more memory than the index of the
books.

A length is counted in tokens: words as `dmn_keras.text.tokenize` gives them, marks within a sentence included, the
mark that closes it not.

Reference: Kuratov, Bulatov, Anokhin, Rodkin, Sorokin, Sorokin, Burtsev, "BABILong: Testing the Limits of LLMs with Long
Context Reasoning-in-a-Haystack", 2024, arXiv:2406.10149. Their lengths are counted in the tokens of a language model.
"""

from dmn_keras.datasets.babi_long.background import LongStory, insert_into_background, write_text
from dmn_keras.datasets.babi_long.books import Books
from dmn_keras.datasets.babi_long.distractor_facts import BABI_NAMES, DistractorFacts
from dmn_keras.datasets.babi_long.loading import Config, load

__all__ = [
    "BABI_NAMES",
    "Books",
    "Config",
    "DistractorFacts",
    "LongStory",
    "insert_into_background",
    "load",
    "write_text",
]
