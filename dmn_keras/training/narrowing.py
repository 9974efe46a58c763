"""A trained run -> the same run with a first pass that finds its facts among the sentences of books."""

import dataclasses
import itertools
import os

import keras
import numpy as np

from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.fact_narrowing import OPEN
from dmn_keras.losses import GateCrossentropy
from dmn_keras.models.dmn import NARROWING
from dmn_keras.text import Encoder
from dmn_keras.training.batches import StoryBatches
from dmn_keras.training.data import train_and_validation
from dmn_keras.training.evaluation import evaluate_tasks, summary, versions, with_answers
from dmn_keras.training.fit import build
from dmn_keras.training.pipeline import evaluation_data, training_data
from dmn_keras.utils.files import write_json

DEFAULT_TOP_FACTS = 130
_MOST_SHAPES = 6
_HELD_OUT = 0.1


def narrow(run, source, background, output, *, narrow_to=None, epochs=10, seed=0, batch_size=256, verbose=0):
    """Teach a trained run to find its facts in a long story.

    The run's own layers stay as they are. Before them comes `FactNarrowing`, whose gates learn to tell the sentences of
    the run's training stories from those of a hiding place; supporting facts are not looked at. A tenth of the hiding
    place, its end, and the validation stories are held out, and the epoch with the lowest loss on these is kept.

    Args:
        run: The `RunFolder` of the trained run.
        source: The `Source` of its questions.
        background: Sequence of sentences that are no facts, e.g. `dmn_keras.datasets.babi_long.Books`.
        output: The `RunFolder` to write.
        narrow_to: The most facts that are kept; by default `max_facts` of the run, or 130.
        epochs: Times that the hiding place is read.
        seed: Seed of weights, order and of what is drawn.
        batch_size: Sentences a step.
        verbose: Keras' verbosity of `fit`: 0, 1 or 2.

    Returns:
        The metrics, as in `metrics.json`: errors on the whole stories that the questions came with, and under
        `"narrowing"` what the held-out sentences show: `"facts_kept"` and `"background_kept"`, in percent, and how many
        there were of each.

    Raises:
        BlockingIOError: If another process writes `output`.
        FileExistsError: If `output` holds a run.
        FileNotFoundError: If `run` holds no trained model.
        ValueError: If the run narrows already, its facts are words, or the hiding place has too few sentences.
    """
    refuse_run(output)
    positive_integer("epochs", epochs)
    if len(background) < 2 / _HELD_OUT:
        raise ValueError(f"The hiding place must have at least 20 sentences. Received: {len(background)}")
    config = run.recipe().config
    narrowed, vocabulary, recipe = _with_first_pass(run, narrow_to, seed)
    train, valid = train_and_validation(source, validation_fraction=config.validation_fraction, seed=config.seed)
    encoder = Encoder(vocabulary)
    rng = np.random.default_rng([seed, 0])
    cut = len(background) - max(round(_HELD_OUT * len(background)), 1)
    parts = {
        "train": _sentences(encoder, train, itertools.islice(background, cut), rng, batch_size),
        "valid": _sentences(encoder, valid, itertools.islice(background, cut, None), rng, batch_size),
    }
    with output.lock():
        refuse_run(output)
        history = _fit(narrowed.get_layer(NARROWING), parts, epochs, seed, verbose)
        test = with_answers(source.load("test", seed=config.seed))
        tasks = evaluate_tasks(
            narrowed, vocabulary, recipe, {task: questions for task, questions in test.items() if questions}
        )
        first_pass = {
            **_kept(narrowed.get_layer(NARROWING), parts["valid"]),
            "narrow_to": recipe.config.narrow_to,
            "best_epoch": 1 + int(np.argmin(history)),
            "epochs": epochs,
        }
        metrics = {
            **summary(tasks),
            "narrowing": first_pass,
            "status": "narrowed",
            "seed": seed,
            "parameters": narrowed.count_params(),
            "versions": versions(),
        }
        if source.dataset == recipe.dataset and source.data_dir is not None:
            recipe = dataclasses.replace(recipe, data_dir=os.path.abspath(source.data_dir))
        # The record comes last: without it, what a killed process left counts for nothing, and is overwritten.
        narrowed.optimizer.build(narrowed.trainable_variables)  # a saved model is loaded with its optimizer
        output.save_model(narrowed)
        write_json(output.metrics, metrics)
        output.create(recipe)
    return metrics


def refuse_run(output):
    """Raise `FileExistsError` if there is a run where one is to be written."""
    if output.found():
        raise FileExistsError(f"{output.path} holds a run already: choose another --output.")


def _with_first_pass(run, narrow_to, seed):
    """Return a run's model behind a first pass that has learned nothing yet, its vocabulary, and its `Recipe`."""
    model, vocabulary, recipe = run.load()
    config = recipe.config
    if config.narrow_to is not None or config.fact_level == "word":
        raise ValueError(
            f"{run.path} must hold a run whose facts are sentences and which does not narrow yet. Received: "
            f"narrow_to={config.narrow_to}, fact_level={config.fact_level!r}"
        )
    if narrow_to is None:
        narrow_to = config.max_facts or DEFAULT_TOP_FACTS
    positive_integer("narrow_to", narrow_to)
    config = config.replace(
        narrow_to=narrow_to,
        max_facts=None,
        word_vectors=None,
        embedding_dim=model.get_layer("semantic_memory").output_dim,
        seed=seed,
    )
    recipe = dataclasses.replace(recipe, config=config)
    narrowed = build(recipe)
    for layer in model.layers:
        if layer.weights:
            narrowed.get_layer(layer.name).set_weights(layer.get_weights())
    return narrowed, vocabulary, recipe


class _SentenceBatches(StoryBatches):
    """Batches of stories of a single sentence, whose only target is whether it is a fact."""

    def batch(self, *entry):
        inputs, targets, weights = super().batch(*entry)
        return inputs, targets["narrowing"], weights["narrowing"]


def _sentences(encoder, examples, background, rng, batch_size):
    """Return the batches of the sentences of `background` and of as many facts, each with a question to read it with.

    Args:
        encoder: The `Encoder`.
        examples: Dict of task name to list of `Example`, whose facts are drawn with their own questions.
        background: Iterable of sentences that are no facts; a question is drawn for each.
        rng: `np.random.Generator`.
        batch_size: Sentences of a batch.
    """
    asked = [encoder(example) for task in examples.values() for example in task]
    asked = [example for example in asked if example.story]
    others = [encoder.sentence(text) for text in background]
    facts = [asked[i] for i in rng.integers(len(asked), size=len(others))]
    facts = [dataclasses.replace(e, story=(e.story[rng.integers(len(e.story))],), own_facts=(0,)) for e in facts]
    drawn = zip(rng.integers(len(asked), size=len(others)), others, strict=True)
    facts += [dataclasses.replace(asked[i], story=(sentence,), own_facts=()) for i, sentence in drawn]
    return _SentenceBatches(facts, batch_size=batch_size, num_passes=1, narrowing=True, num_buckets=_MOST_SHAPES)


def _kept(layer, batches):
    """Return how many of the facts and of the other sentences a narrowing keeps."""
    kept = np.zeros(len(batches.encoded), dtype=bool)
    for entry in batches.plan():
        gates = keras.ops.convert_to_numpy(layer(**batches.batch(*entry)[0])["gates"])
        kept[entry.members] = gates[: len(entry.members), 0] > OPEN
    is_fact = np.array([bool(example.own_facts) for example in batches.encoded])
    facts, others = kept[is_fact], kept[~is_fact]
    return {
        "facts": len(facts),
        "facts_kept": round(100 * float(facts.mean()), 3),
        "background": len(others),
        "background_kept": round(100 * float(others.mean()), 3),
    }


def _fit(layer, parts, epochs, seed, verbose):
    """Train the gates, leave the best weights in the layer, and return the validation losses."""
    inputs = {
        "story": keras.Input((1, None), dtype="int32", name="story"),
        "question": keras.Input((None,), dtype="int32", name="question"),
    }
    model = keras.Model(inputs, layer(inputs["story"], inputs["question"])["gates"])
    model.compile(keras.optimizers.Adam(2e-3), GateCrossentropy("sigmoid"))
    history = model.fit(
        **training_data(parts["train"], seed=seed, epoch=itertools.count().__next__),
        validation_data=evaluation_data(parts["valid"]),
        epochs=epochs,
        callbacks=[keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)],
        verbose=verbose,
    )
    return history.history["val_loss"]
