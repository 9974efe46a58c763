"""Starts a training from a trained model: its words and weights stay, new words are added."""

from collections.abc import Sequence

import keras

from dmn_keras.datasets import Example
from dmn_keras.tasks.config import RunConfig
from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.text import SPECIAL_WORDS


def continue_from(start: QuestionAnswerer, config: RunConfig, examples: Sequence[Example]) -> QuestionAnswerer:
    """Return a task with the words and weights of a trained one, and the new words of some examples.

    Args:
        start: The trained task.
        config: Settings of task, data and trainer; those of the model are of `start`.
        examples: The training examples.

    Returns:
        The task. Its vocabulary has the words of `start` first, in their order.
    """
    keras.utils.set_random_seed(config.trainer.seed)
    own = QuestionAnswerer(config)
    own.adapt(examples)
    adapted, known = own.preprocessor.get_config(), start.preprocessor.get_config()
    new_words = [word for word in adapted["words"] if word not in start.vocabulary]
    preprocessor = type(start.preprocessor)(
        max_facts=known["max_facts"],
        words=[*start.vocabulary.words[len(SPECIAL_WORDS) :], *new_words],
        answers=dict.fromkeys([*adapted["answers"], *known["answers"]]),
        answer_words=max(filter(None, (adapted["answer_words"], known["answer_words"])), default=None),
        num_supporting_facts=adapted["num_supporting_facts"],
    )
    model = start.config.model.replace(embedding_dim=start.network.get_layer("semantic_memory").output_dim)
    task = QuestionAnswerer(config.replace({"model": model, "word_vectors": None}), preprocessor=preprocessor)
    trained = {weight.path: keras.ops.convert_to_numpy(weight) for weight in start.network.weights}
    for weight in task.network.weights:
        if weight.path in trained:
            weight.assign(_extended(keras.ops.convert_to_numpy(weight), trained[weight.path]))
    return task


def _extended(new, old):
    """Return new weights in which the old ones fill the places that both have: more words come behind the known."""
    if new.ndim == old.ndim:
        places = tuple(slice(min(sizes)) for sizes in zip(new.shape, old.shape, strict=True))
        new = new.copy()
        new[places] = old[places]
    return new
