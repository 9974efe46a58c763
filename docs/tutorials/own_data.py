"""
Own data, from JSON lines to a served model
===========================================

Writes a small data set, trains on it, measures the errors, and exports a SavedModel that answers from text.
"""

import json
import pathlib
import random
import tempfile

folder = pathlib.Path(tempfile.mkdtemp())

# %%
# Write the data
# --------------
#
# A question a line: the facts of its story, the question, the answer, and, where they are known, the facts that the
# answer follows from, counted from 0. Here a library lends books, and the question is who has one.

PEOPLE = ("Anna", "Ben", "Clara", "David", "Emil")
BOOKS = ("atlas", "novel", "dictionary")


def record(rng):
    facts, holders = [], {}
    for number in range(rng.randint(3, 7)):
        person, book = rng.choice(PEOPLE), rng.choice(BOOKS)
        facts.append(f"{person} borrows the {book}.")
        holders[book] = person, number
    book = rng.choice(sorted(holders))
    person, number = holders[book]
    return {"story": facts, "question": f"Who has the {book}?", "answer": person, "supporting_facts": [number]}


rng = random.Random(0)
for split, count in (("train", 400), ("valid", 50), ("test", 100)):
    lines = [json.dumps(record(rng)) + "\n" for _ in range(count)]
    (folder / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")
print(lines[0])

# %%
# Train
# -----
#
# On the command line this is ``dmn-keras train --dataset jsonl --data-dir FOLDER --output RUN --preset fused
# --epochs 15 --set units=32 --set num_buckets=1 --set learning_rate=0.003``. The preset ``fused`` is small and trains
# quickly; the defaults take longer and need no choice. The weights are those of the epoch with the lowest validation
# error; the test questions are read once, at the end.

from dmn_keras import QuestionAnswerer, RunConfig, Source, train

source = Source("jsonl", tasks=("all",), data_dir=str(folder))
config = RunConfig.preset("fused", units=32, num_buckets=1, epochs=15, learning_rate=3e-3)
metrics = train(source, config, folder / "run", verbose=0)
print("wrong answers to the test questions:", metrics["mean_error"], "%")

# %%
# Ask
# ---
#
# An answer comes with the gates: how much each pass attended to each fact.

qa = QuestionAnswerer.from_preset(folder / "run")
answer = qa.ask("Ben borrows the atlas. Clara borrows the novel. Anna borrows the atlas.", "Who has the atlas?")
print(answer.answer, f"{answer.probability:.2f}")
for fact, *gates in zip(answer.facts, *answer.gates, strict=True):
    print(fact, *(f"{gate:.2f}" for gate in gates))

# %%
# Words that training did not show are one unknown word. The answer names them.

print(qa.ask("Zoe borrows the atlas.", "Who has the atlas?").unknown_words)

# %%
# Serve
# -----
#
# The SavedModel takes texts and gives answers: tokenizer and vocabulary are in it. ``export`` compares it with the
# Keras model before it appears. TF Serving runs the folder as it is; here TensorFlow loads it in place of a server.

import tensorflow as tf

test = source.load("test")["all"]
path = qa.export(folder / "served", questions=test[:8], warmup=False)
served = tf.saved_model.load(str(path)).signatures["serving_default"]
outputs = served(
    story=tf.constant(["Ben borrows the atlas. Anna borrows the novel."]), question=tf.constant(["Who has the atlas?"])
)
print(outputs["answer"].numpy()[0].decode())
