"""Models with random weights, exported once for all tests of serving that ask for them."""

from dmn_keras.asking import Answerer
from dmn_keras.datasets import Example
from dmn_keras.serving import SAMPLES, export
from dmn_keras.text import Encoder, Vocabulary, pad_ids, pad_sentences
from dmn_keras.training.calibration import Calibration
from dmn_keras.training.data import Source
from dmn_keras.training.fit import build, make_recipe
from dmn_keras.training.run_folder import RunFolder
from tests.layers.helpers import randomize
from tests.training.runs import tiny

SETTINGS = {
    "one-word": {"fact_encoder": "sentence", "question_match": 3, "fact_links": 1, "num_passes": 2},
    "several-words": {"fact_encoder": "story", "episode": "mix", "gate": "sigmoid"},
    "learned-stop": {"learned_stop": True, "num_passes": 3, "max_facts": 3},
    "word-facts": {"fact_level": "word", "fact_encoder": "sentence"},
    "narrowing": {"narrow_to": 3, "fact_encoder": "sentence", "num_passes": 2},
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
    """Return the `Answerer` of a model with random weights that knows the words of `SAMPLES`."""
    samples = [example for example in SAMPLES if name != "one-word" or len(example.answer) == 1]
    recipe = make_recipe(Source("jsonl", ("all",)), tiny(**{**SETTINGS[name], **settings}, seed=seed), samples)
    run = RunFolder(folder)
    run.create(recipe)
    model = randomize(build(recipe), seed=seed)
    model.optimizer.build(model.trainable_variables)
    run.save_model(model)
    return Answerer(folder)


def exported(folder, name):
    """Export such a model, calibrated, that writes words with capitals; returns the `Answerer` and the version's path.

    It has no warm-up requests.
    """
    made = answerer(folder / "run" / name, name)
    words = made.vocabulary.words[3:]
    made.vocabulary = Vocabulary(words, [word.title() for word in words])
    made.calibration = Calibration(scale=0.1, shift=4.0)
    return made, export(made, folder / "models" / name, questions=QUESTIONS, warmup=False)


def record(**features):
    """Return a serialized `tf.train.Example` of lists of texts."""
    import tensorflow as tf

    lists = {name: tf.train.BytesList(value=[text.encode() for text in texts]) for name, texts in features.items()}
    features = {name: tf.train.Feature(bytes_list=texts) for name, texts in lists.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def token_ids(made, examples):
    """Return the ids of questions as an `Answerer`'s model takes them, with some padding."""
    config = made.recipe.config
    encoder = Encoder(made.vocabulary, max_facts=config.max_facts, fact_level=config.fact_level)
    encoded = [encoder(example) for example in examples]
    if config.fact_level == "word":
        story = pad_ids([e.story[0] for e in encoded], 70)
    else:
        story = pad_sentences([e.story for e in encoded], 9, 12)
    return {"story": story, "question": pad_ids([e.question for e in encoded], 15)}
