"""A trained run -> the same run with a retriever that finds its facts among the sentences of books."""

import dataclasses
import functools
import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dmn_keras.datasets import Example, Source, labelled, train_and_validation
from dmn_keras.inference.evaluation import evaluate_tasks, summary, versions
from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.fact_retriever import THRESHOLD
from dmn_keras.losses import GateCrossentropy
from dmn_keras.models import RETRIEVER
from dmn_keras.tasks.batching import Batches, EpochSequence, Features
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.preset import save_weights
from dmn_keras.tasks.question_answering import QuestionAnswerer, QuestionAnsweringPreprocessor
from dmn_keras.text import SPECIAL_WORDS, UNKNOWN_ID
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.utils.files import write_json

DEFAULT_MAX_FACTS = 130
_MOST_SHAPES = 6
_HELD_OUT = 0.1
_SENTENCES_A_FACT = 50  # of a text that long one sentence may be selected for each fact that is missed
_FRAGMENTS = 0.5  # of the background; books have few sentences as short as a fact, and these look most like facts
_LEARNING_RATE = 0.004


def train_retriever(
    run: RunFolder,
    source: Source,
    background: Sequence[str],
    output: RunFolder,
    *,
    max_retrieved_facts: int | None = None,
    epochs: int = 100,
    seed: int = 0,
    batch_size: int = 256,
    verbose: int = 0,
) -> dict[str, Any]:
    """Teach a trained run to find its facts in a long story.

    The run's own layers stay as they are. Before them comes `FactRetriever`, whose gates learn to tell the sentences of
    the run's training stories from those of a background text; supporting facts are not looked at. Facts and questions
    are drawn anew in each epoch, and of half of the background's sentences a fragment as long as a fact. The longer the
    background text, the more a sentence of it weighs, one of 50,000 as much as 1,000 facts: of a book, too, hardly any
    may be selected. Where the run has placeholders, words of sentences and questions become unknown at random, so that
    facts with names never seen are selected too. A tenth of the background text, its end, and the validation stories
    are held out, and the epoch with the lowest loss on these is kept.

    Args:
        run: The `RunFolder` of the trained run.
        source: The `Source` of its questions.
        background: Sequence of sentences that are no facts, e.g. `dmn_keras.datasets.babi_long.Books`.
        output: The `RunFolder` to write.
        max_retrieved_facts: The most facts that are retrieved; by default `max_facts` of the run, or 130.
        epochs: Times that the background text is read.
        seed: Seed of weights, order and of what is drawn.
        batch_size: Sentences a step.
        verbose: Keras' verbosity of `fit`: 0, 1 or 2.

    Returns:
        The metrics, as in `metrics.json`: errors on the whole stories that the questions came with, and under
        `"retriever"` what the held-out sentences show: `"facts_selected"` and `"background_selected"`, in percent, and
        how many there were of each.

    Raises:
        BlockingIOError: If another process writes `output`.
        FileExistsError: If `output` holds a run.
        FileNotFoundError: If `run` holds no trained model.
        ValueError: If the run has a retriever already, or the background text has too few sentences.
    """
    refuse_run(output)
    positive_integer("epochs", epochs)
    if len(background) < 2 / _HELD_OUT:
        raise ValueError(f"The background text must have at least 20 sentences. Received: {len(background)}")
    own = run.load(QuestionAnswerer)
    config = own.config
    qa = _with_retriever(own, run, max_retrieved_facts, seed)
    fraction = config.data.validation_fraction
    train, valid = train_and_validation(source, validation_fraction=fraction, seed=config.trainer.seed)
    others = [qa.preprocessor.sentence(text) for text in background]
    cut = len(others) - round(_HELD_OUT * len(others))
    weight = max(cut / _SENTENCES_A_FACT, 1.0)
    to_learn = _Sentences(qa.preprocessor, train, others[:cut], weight, seed, batch_size, fragments=_FRAGMENTS)
    held_out = _Sentences(qa.preprocessor, valid, others[cut:], weight, seed, batch_size).batches()
    retriever = qa.network.get_layer(RETRIEVER)
    with output.lock():
        refuse_run(output)
        history = _fit(retriever, to_learn, held_out, epochs, verbose, _augmentation(qa))
        test = labelled(source.load("test", seed=config.trainer.seed))
        rows, _ = evaluate_tasks(qa, {task: questions for task, questions in test.items() if questions})
        metrics = {
            **summary(rows),
            "retriever": {
                **_selected(retriever, held_out),
                "max_retrieved_facts": qa.config.model.max_retrieved_facts,
                "best_epoch": 1 + int(np.argmin(history)),
                "epochs": epochs,
            },
            "status": "retriever",
            "seed": seed,
            "parameters": qa.network.count_params(),
            "versions": versions(),
        }
        trained_on = run.source()
        if source.dataset == trained_on.dataset and source.data_dir is not None:
            trained_on = dataclasses.replace(trained_on, data_dir=os.path.abspath(source.data_dir))
        # The record comes last: without it, what a killed process left counts for nothing, and is overwritten.
        save_weights(qa.network, output.model)
        write_json(output.metrics, metrics)
        output.create(qa, trained_on)
    return metrics


def refuse_run(output: RunFolder) -> None:
    """Raise `FileExistsError` if there is a run where one is to be written."""
    if output.found():
        raise FileExistsError(f"{output.path} holds a run already: choose another output folder.")


def _with_retriever(own, run, max_retrieved_facts, seed):
    """Return a task with the weights of a trained one behind a retriever that has learned nothing yet."""
    if own.config.model.family != "dmn":
        raise ValueError(f"{run.path} must hold a run of model.family=dmn. Received: {own.config.model.family}")
    if own.config.model.max_retrieved_facts is not None:
        raise ValueError(
            f"{run.path} must hold a run without a retriever. Received one with "
            f"max_retrieved_facts={own.config.model.max_retrieved_facts}"
        )
    if max_retrieved_facts is None:
        max_retrieved_facts = own.config.data.max_facts or DEFAULT_MAX_FACTS
    positive_integer("max_retrieved_facts", max_retrieved_facts)
    config = own.config.replace(
        max_retrieved_facts=max_retrieved_facts,
        max_facts=None,
        word_vectors=None,
        embedding_dim=own.network.get_layer("semantic_memory").output_dim,
    )
    keras.utils.set_random_seed(seed)
    preprocessor = QuestionAnsweringPreprocessor.from_config({**own.preprocessor.get_config(), "max_facts": None})
    qa = QuestionAnswerer(config, preprocessor=preprocessor)
    for layer in own.network.layers:
        if layer.weights:
            qa.network.get_layer(layer.name).set_weights(layer.get_weights())
    return qa


class _Sentences:
    """Facts and as many sentences of the background, each with a question to read it with, drawn anew in each epoch.

    The facts are drawn with their own questions; a question is drawn for each sentence of the background. The target is
    whether a sentence is a fact.
    """

    def __init__(
        self,
        preprocessor: QuestionAnsweringPreprocessor,
        examples: Mapping[str, Sequence[Example]],
        background: Sequence[tuple[int, ...]],
        weight: float,
        seed: int,
        batch_size: int,
        fragments: float = 0.0,
    ):
        encoded = preprocessor.encode([example for of_task in examples.values() for example in of_task])
        self.asked = [example for example in encoded if example.story]
        self.background, self.weight, self.fragments = background, weight, fragments
        self.seed, self.batch_size = seed, batch_size
        self.specs = {**preprocessor.specs, "gates": FeatureSpec("float32", (1,))}

    def batches(self, epoch: int = 0, like: Batches | None = None) -> Batches:
        """Return the batches of an epoch, in the shapes of others."""
        rng, count = np.random.default_rng([self.seed, epoch]), len(self.background)
        examples = [self.asked[i] for i in rng.integers(len(self.asked), size=2 * count)]
        facts = [example.story[rng.integers(len(example.story))] for example in examples[:count]]
        others = list(self.background)
        for i in np.flatnonzero(rng.random(count) < self.fragments):
            others[i] = _fragment(others[i], len(facts[i]), rng)
        inputs = {
            "story": [(sentence,) for sentence in facts + others],
            "question": [example.question for example in examples],
        }
        targets = {"gates": [(1.0,)] * count + [(0.0,)] * count}
        weights = [1.0] * count + [self.weight] * count
        features = Features(inputs, targets, self.specs, weights)
        return Batches(features, batch_size=self.batch_size, num_buckets=_MOST_SHAPES, like=like)


def _fragment(sentence, length, rng):
    """Return neighbouring words of a sentence and its end, `length` ids of a longer sentence."""
    *words, end = sentence
    start = rng.integers(max(len(words) - length + 1, 0) + 1)
    return (*words[start : start + length - 1], end)


def _augmentation(qa):
    """Return the function that makes words of a batch unknown, anew in each epoch; `None` where all are one word."""
    if not qa.vocabulary.placeholder_ids:
        return None
    size, fraction = len(qa.vocabulary.words), qa.config.task.placeholder_fraction

    def augment(inputs, targets, rng):
        rows = len(inputs["question"])
        unknown = rng.random((rows, size)) < fraction * rng.random((rows, 1))
        unknown[:, : len(SPECIAL_WORDS)] = False
        row = np.arange(rows)
        return {
            name: np.where(unknown[row.reshape(-1, *[1] * (ids.ndim - 1)), ids], UNKNOWN_ID, ids)
            for name, ids in inputs.items()
        }, targets

    return augment


def _selected(layer, batches):
    """Return how many of the facts and of the other sentences a retriever selects."""
    selected = np.zeros(len(batches.features), dtype=bool)
    for planned in batches.plan():
        gates = keras.ops.convert_to_numpy(layer(**batches.batch(planned)[0])["gates"])
        selected[planned.members] = gates[: len(planned.members), 0] > THRESHOLD
    is_fact = np.array([target == (1.0,) for target in batches.features.targets["gates"]])
    facts, others = selected[is_fact], selected[~is_fact]
    return {
        "facts": len(facts),
        "facts_selected": round(100 * float(facts.mean()), 3),
        "background": len(others),
        "background_selected": round(100 * float(others.mean()), 3),
    }


def _fit(layer, to_learn, held_out, epochs, verbose, augment):
    """Train the gates, leave the best weights in the layer, and return the validation losses."""
    inputs = {
        "story": keras.Input((1, None), dtype="int32", name="story"),
        "question": keras.Input((None,), dtype="int32", name="question"),
    }
    model = keras.Model(inputs, {"gates": layer(inputs["story"], inputs["question"])["gate_logits"]})
    first = to_learn.batches()
    learning_rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * len(first))
    model.compile(keras.optimizers.Adam(learning_rate), {"gates": GateCrossentropy("sigmoid")})
    sequence = EpochSequence(
        first,
        seed=to_learn.seed,
        epoch=itertools.count().__next__,
        redraw=functools.partial(to_learn.batches, like=first),
        augment=augment,
    )
    history = model.fit(
        sequence.for_fit(),
        shuffle=False,
        validation_data=EpochSequence(held_out, augment=augment).for_fit(),
        epochs=epochs,
        callbacks=[keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)],
        verbose=verbose,
    )
    return history.history["val_loss"]
