"""A trained run -> the same run with a retriever that finds its facts among the sentences of books."""

import dataclasses
import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
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
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.utils.files import write_json

DEFAULT_MAX_FACTS = 130
_MOST_SHAPES = 6
_HELD_OUT = 0.1


def train_retriever(
    run: RunFolder,
    source: Source,
    background: Sequence[str],
    output: RunFolder,
    *,
    max_retrieved_facts: int | None = None,
    epochs: int = 10,
    seed: int = 0,
    batch_size: int = 256,
    verbose: int = 0,
) -> dict[str, Any]:
    """Teach a trained run to find its facts in a long story.

    The run's own layers stay as they are. Before them comes `FactRetriever`, whose gates learn to tell the sentences of
    the run's training stories from those of a background text; supporting facts are not looked at. A tenth of the
    background text, its end, and the validation stories are held out, and the epoch with the lowest loss on these is
    kept.

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
    rng = np.random.default_rng([seed, 0])
    cut = len(background) - round(_HELD_OUT * len(background))
    parts = {
        "train": _sentences(qa.preprocessor, train, itertools.islice(background, cut), rng, batch_size),
        "valid": _sentences(qa.preprocessor, valid, itertools.islice(background, cut, None), rng, batch_size),
    }
    retriever = qa.network.get_layer(RETRIEVER)
    with output.lock():
        refuse_run(output)
        history = _fit(retriever, parts, epochs, seed, verbose, qa.augmentation())
        test = labelled(source.load("test", seed=config.trainer.seed))
        rows, _ = evaluate_tasks(qa, {task: questions for task, questions in test.items() if questions})
        metrics = {
            **summary(rows),
            "retriever": {
                **_selected(retriever, parts["valid"]),
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
        seed=seed,
    )
    keras.utils.set_random_seed(seed)
    preprocessor = QuestionAnsweringPreprocessor.from_config({**own.preprocessor.get_config(), "max_facts": None})
    qa = QuestionAnswerer(config, preprocessor=preprocessor)
    for layer in own.network.layers:
        if layer.weights:
            qa.network.get_layer(layer.name).set_weights(layer.get_weights())
    return qa


def _sentences(
    preprocessor: QuestionAnsweringPreprocessor,
    examples: Mapping[str, Sequence[Example]],
    background: Iterable[str],
    rng: np.random.Generator,
    batch_size: int,
) -> Batches:
    """Return batches of the sentences of `background` and of as many facts, each with a question to read it with.

    The facts are drawn with their own questions; a question is drawn for each sentence of the background. The target is
    whether a sentence is a fact.
    """
    asked = preprocessor.encode([example for of_task in examples.values() for example in of_task])
    asked = [example for example in asked if example.story]
    others = [preprocessor.sentence(text) for text in background]
    facts = [asked[i] for i in rng.integers(len(asked), size=len(others))]
    stories = [(example.story[rng.integers(len(example.story))],) for example in facts]
    drawn = rng.integers(len(asked), size=len(others))
    inputs = {
        "story": stories + [(sentence,) for sentence in others],
        "question": [example.question for example in facts] + [asked[i].question for i in drawn],
    }
    specs = {**preprocessor.specs, "gates": FeatureSpec("float32", (1,))}
    targets = {"gates": [(1.0,)] * len(others) + [(0.0,)] * len(others)}
    return Batches(Features(inputs, targets, specs), batch_size=batch_size, num_buckets=_MOST_SHAPES)


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


def _fit(layer, parts, epochs, seed, verbose, augment):
    """Train the gates, leave the best weights in the layer, and return the validation losses."""
    inputs = {
        "story": keras.Input((1, None), dtype="int32", name="story"),
        "question": keras.Input((None,), dtype="int32", name="question"),
    }
    model = keras.Model(inputs, {"gates": layer(inputs["story"], inputs["question"])["gate_logits"]})
    model.compile(keras.optimizers.Adam(2e-3), {"gates": GateCrossentropy("sigmoid")})
    sequence = EpochSequence(parts["train"], seed=seed, epoch=itertools.count().__next__, augment=augment)
    history = model.fit(
        sequence.for_fit(),
        shuffle=False,
        validation_data=EpochSequence(parts["valid"]).for_fit(),
        epochs=epochs,
        callbacks=[keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)],
        verbose=verbose,
    )
    return history.history["val_loss"]
