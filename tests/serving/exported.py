"""Models with random weights, exported once for all tests of serving that ask for them."""

import functools

import numpy as np

from dmn_keras.datasets import Example, Source
from dmn_keras.serving import SAMPLES, export
from dmn_keras.tasks.question_answering import Calibration
from dmn_keras.text import Vocabulary
from tests.layers.helpers import randomize
from tests.training.runs import tiny_task

PLACEHOLDERS = {"num_placeholders": 2, "min_stories": 1}
SETTINGS = {
    "one-word": {"fact_encoder": "sentence", "question_match": 3, "lexical_links": 1, "num_passes": 2},
    "several-words": {"fact_encoder": "story", "episode": "gated_gru", "gate": "sigmoid"},
    "learned-stop": {"learned_stop": True, "num_passes": 3, "max_facts": 3, **PLACEHOLDERS},
    "retriever": {"max_retrieved_facts": 3, "fact_encoder": "sentence", "num_passes": 2, **PLACEHOLDERS},
    "chain": {
        "max_retrieved_facts": 3,
        "retriever": "chain",
        "fact_encoder": "sentence",
        "num_passes": 2,
        **PLACEHOLDERS,
    },
}
"""Kinds of models that differ in what is exported; all but the first say answers of several words."""

QUESTIONS = [
    Example(("Mary went to the kitchen. John left.", "Mr. Smith moved\nto the U.S. He slept."), "Where is Mary?"),
    Example(("Zoe went to the garden.", "Xander went to the office.", "Yuri slept."), "Where is Zoe?"),
    Example(("Zoe\u0308 went to the kitchen.",), "Where is Zo\u00eb?"),
    Example(("Mary went to the kitchen.", "Zoe and Quinn left."), "Where is Mary?"),
]
"""Facts of several sentences, unknown words, and characters in several forms."""


def answerer(folder, name, seed=0, **settings):
    """Return a task with random weights that knows the words of `SAMPLES`, saved in a folder."""
    samples = [example for example in SAMPLES if name != "one-word" or len(example.answer) == 1]
    qa = tiny_task(samples, **{**SETTINGS[name], **settings}, seed=seed)
    randomize(qa.network, seed=seed)
    qa.save_to_preset(folder, source=Source("jsonl", ("all",)).to_dict())
    return qa


def exported(folder, name):
    """Export such a model, calibrated, that writes words with capitals; returns the task and the version's path.

    It has no warm-up requests.
    """
    made = answerer(folder / "run" / name, name)
    words, num_placeholders = made.vocabulary.known_words, len(made.vocabulary.placeholder_ids)
    written = [word.title() for word in words]
    made.preprocessor.vocabulary = Vocabulary(words, written, num_placeholders=num_placeholders)
    made.calibration = Calibration(scale=0.1, shift=4.0)
    return made, export(made, folder / "models" / name, questions=QUESTIONS, warmup=False)


@functools.cache
def _load(path):
    import tensorflow as tf

    return tf.saved_model.load(str(path))


def load(path):
    """Return a SavedModel, loaded once for all tests: its first calls take longest."""
    return _load(path.resolve())


def record(**features):
    """Return a serialized `tf.train.Example` of lists of texts."""
    import tensorflow as tf

    lists = {name: tf.train.BytesList(value=[text.encode() for text in texts]) for name, texts in features.items()}
    features = {name: tf.train.Feature(bytes_list=texts) for name, texts in lists.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def token_ids(made, examples):
    """Return the ids of questions as a network takes them, with some padding."""
    ids = made.preprocessor(examples)
    widths = {"story": (9, 12), "question": (15,)}
    return {
        name: np.pad(array, [(0, 0), *((0, to - size) for to, size in zip(widths[name], array.shape[1:], strict=True))])
        for name, array in ids.items()
    }
