"""Tiny models with a retriever, and stories longer than what they retrieve."""

import random

from dmn_keras.models import RETRIEVER
from tests.layers.helpers import randomize
from tests.training.runs import own_data, tiny_task

QUESTION = "Where is John?"


def long_story(num_facts=150, seed=0):
    """Return sentences of unlike length, some said twice, some of unknown words alone."""
    rng = random.Random(seed)
    words = ["Mary", "John", "Bill", "park", "office", "home", "where", "is", "whale", "ship"]
    lengths = [1, 2, 3, 5, 9, 14, 30, 70]
    said = [" ".join(rng.choices(words, k=rng.choice(lengths))) + rng.choice(".!?") for _ in range(num_facts)]
    return [sentence if rng.random() < 0.9 else said[0] for sentence in said]


def task_with_retriever(folder, *, source=None, max_retrieved_facts=8, seed=0, gate_bias=None, **settings):
    """Return a `QuestionAnswerer` with random weights that knows the words of some questions, saved in `folder/run`.

    They are those of `source`, by default some that use half of the words of `long_story`. With `gate_bias` the gates
    of the retriever are above the threshold for all facts, or for none.
    """
    source = source or own_data(folder / "data")
    examples = [example for of_task in source.load("train").values() for example in of_task]
    settings = {"num_passes": 2, "fact_encoder": "sentence", **settings}
    qa = tiny_task(examples, max_retrieved_facts=max_retrieved_facts, **settings)
    randomize(qa.network, seed=seed)
    if gate_bias is not None:
        qa.network.get_layer(RETRIEVER).gate.output_bias.assign([gate_bias])
    qa.save_to_preset(folder / "run", source=source.to_dict())
    return qa
