"""Starts a training from a trained model: its words and weights stay, new words are added."""

import os
from collections.abc import Sequence

import keras
import numpy as np

from dmn_keras.datasets import Example
from dmn_keras.models import DMNConfig
from dmn_keras.tasks.config import DataConfig, RunConfig
from dmn_keras.tasks.preset import PresetFolder
from dmn_keras.tasks.question_answering import QuestionAnswerer

_OF_A_TRAINING = ("validation_fraction", "redraw")  # settings of the data that each training has for itself


def load_start(start_from: str | os.PathLike, config: RunConfig) -> QuestionAnswerer:
    """Return the trained task to start from.

    Args:
        start_from: A run folder, or the name of a pretrained model.
        config: Settings of the new training.

    Raises:
        ValueError: If either is no Dynamic Memory Network for questions about stories, or `config` has changes to the
            model, or to what it reads, that the trained one lacks. A setting that equals its default is no change.
    """
    if config.model.family != DMNConfig.family:
        raise ValueError(f"start_from needs settings of family 'dmn'. Received: family {config.model.family!r}")
    folder = PresetFolder.find(start_from)
    trained = folder.read_config()
    if (family := trained.model.family) != DMNConfig.family:
        raise ValueError(
            f"start_from needs a QuestionAnswerer of family 'dmn'. Received: {folder.path}, family {family!r}"
        )
    changed = []
    parts = (config.model, DMNConfig(), trained.model), (config.data, DataConfig(), trained.data)
    for chosen, usual, kept in parts:
        others = usual.flat(), kept.flat()
        changed += [
            f"{name}={value!r}"
            for name, value in chosen.flat().items()
            if name not in _OF_A_TRAINING and value not in [settings.get(name) for settings in others]
        ]
    if changed:
        settings = ", ".join(changed)
        raise ValueError(
            "start_from keeps its own model and what it reads: leave out settings of the model, max_facts and "
            f"word_vectors. Received: {settings}"
        )
    return folder.load(QuestionAnswerer)


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
        num_placeholders=max(adapted["num_placeholders"], known["num_placeholders"]),
        min_stories=adapted["min_stories"],
        words=[*start.vocabulary.known_words, *new_words],
        answers=dict.fromkeys([*adapted["answers"], *known["answers"]]),
        answer_words=max(filter(None, (adapted["answer_words"], known["answer_words"])), default=None),
        num_supporting_facts=adapted["num_supporting_facts"],
        num_questions=adapted["num_questions"],
    )
    model = start.config.model.replace(embedding_dim=start.network.get_layer("semantic_memory").output_dim)
    settings = {"model": model, "word_vectors": None, "max_facts": preprocessor.max_facts}
    task = QuestionAnswerer(config.replace(settings), preprocessor=preprocessor)
    ids = {word: index for index, word in enumerate(task.vocabulary.words)}
    ids_of_start = np.array([ids[word] for word in start.vocabulary.words])
    trained = _weights_by_place(start.network)
    for place, weight in _weights_by_place(task.network).items():
        if place in trained:  # a decoder of several words has more weights than one of a single word
            new, old = map(keras.ops.convert_to_numpy, (weight, trained[place]))
            weight.assign(_extended(new, old, ids_of_start))
    return task


def _weights_by_place(network):
    """Return the weights by layer and path within it: what stands before differs with where a network was built."""
    return {
        (layer.name, weight.path.partition(f"{layer.name}/")[2]): weight
        for layer in network.layers
        for weight in layer.weights
    }


def _extended(new, old, ids):
    """Return new weights in which the old ones fill the places that both have.

    Args:
        new: The weights of a model that knows more words.
        old: Those of the trained one.
        ids: The new id of each word of the trained model.
    """
    if new.ndim == old.ndim:
        sizes = list(zip(new.shape, old.shape, strict=True))
        places = [ids if of_old == len(ids) < size else np.arange(min(size, of_old)) for size, of_old in sizes]
        new = new.copy()
        new[np.ix_(*places)] = old[tuple(slice(len(place)) for place in places)]
    return new
