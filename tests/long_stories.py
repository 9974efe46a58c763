"""Tiny models with a first pass, and stories longer than what they keep."""

import random

from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.models.dmn import NARROWING
from dmn_keras.training.fit import build, make_recipe
from dmn_keras.training.run_folder import RunFolder
from tests.layers.helpers import randomize
from tests.training.runs import own_data, tiny

QUESTION = "Where is John?"


def long_story(num_facts=150, seed=0):
    """Return sentences of unlike length, some said twice, some of unknown words alone."""
    rng = random.Random(seed)
    words = ["Mary", "John", "Bill", "park", "office", "home", "where", "is", "whale", "ship"]
    lengths = [1, 2, 3, 5, 9, 14, 30, 70]
    said = [" ".join(rng.choices(words, k=rng.choice(lengths))) + rng.choice(".!?") for _ in range(num_facts)]
    return [sentence if rng.random() < 0.9 else said[0] for sentence in said]


def narrowing_answerer(folder, *, source=None, max_retrieved_facts=8, seed=0, gate_bias=None, **settings):
    """Return the `Answerer` of a model with random weights that knows the words of some questions.

    They are those of `source`, by default some that use half of the words of `long_story`. With `gate_bias` the gates
    of the first pass open for all facts, or for none.
    """
    source = source or own_data(folder / "data")
    examples = [example for of_task in source.load("train").values() for example in of_task]
    settings = {"num_passes": 2, "fact_encoder": "sentence", "max_retrieved_facts": narrow_to, **settings}
    recipe = make_recipe(source, tiny(**settings), examples)
    run = RunFolder(folder / "run")
    run.create(recipe)
    model = randomize(build(recipe), seed=seed)
    if gate_bias is not None:
        model.get_layer(NARROWING).gate.output_bias.assign([gate_bias])
    model.optimizer.build(model.trainable_variables)
    run.save_model(model)
    return QuestionAnswerer.from_preset(run.path)
