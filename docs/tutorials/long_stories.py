"""
Long stories
============

Inserts the facts of a story into a background text of 20,000 sentences and asks for them, once by reading the text and
once by an index.
"""

import pathlib
import tempfile

from dmn_keras import QuestionAnswerer
from dmn_keras.long_context import StoryIndex, write_index

folder = pathlib.Path(tempfile.mkdtemp())

# %%
# A long text
# -----------
#
# A text that does not mention Mary, and three sentences about her and John.

background = (
    "The harbour lay quiet under a grey sky, and nobody thought of sailing that day.",
    "He had written eleven letters before breakfast and burned nine of them.",
    "What remained of the orchard was sold in spring for less than it was worth.",
    "Nothing in the almanac agreed with the weather of that year.",
)
sentences = [background[i % len(background)] for i in range(20_000)]
for position, fact in (
    (2_500, "Mary got the milk."),
    (9_000, "Mary went to the kitchen."),
    (17_000, "John went to the garden."),
):
    sentences.insert(position, fact)
path = folder / "book.txt"
path.write_text("\n".join(sentences), encoding="utf-8")

# %%
# Ask
# ---
#
# ``babi-long`` has a retriever: it reads each sentence on its own, and the passes of the memory read what it selects.
# A ``pathlib.Path`` is read piece by piece, so memory does not grow with the text.

qa = QuestionAnswerer.from_preset("babi-long")
answer = qa.ask(path, "Where is the milk?")
print(answer.answer, f"{answer.confidence:.2f}")
print(answer.num_facts, "sentences read, retrieved:")
for position, fact in zip(answer.positions, answer.facts, strict=True):
    print(position, fact)

# %%
# Ask an index
# ------------
#
# What the retriever computes of a sentence before it knows the question can be kept, for many questions about one
# text.

contents = write_index(qa.retriever, path, folder / "index")
print(contents.facts, "sentences in the index")
index = StoryIndex(folder / "index")
for question in ("Where is the milk?", "Where is John?"):
    print(question, qa.ask_index(index, question).answer)
