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
from dmn_keras.text import Encoder, pad_ids, pad_sentences
from dmn_keras.training.data import train_and_validation
from dmn_keras.training.evaluation import evaluate_tasks, summary, versions, with_answers
from dmn_keras.training.fit import build
from dmn_keras.training.pipeline import of_any_shape
from dmn_keras.utils.files import write_json

DEFAULT_TOP_FACTS = 130
_WIDTHS = (8, 16, 32, 64, 128, 256)
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
        "train": _Sentences(encoder, train, itertools.islice(background, cut), rng),
        "valid": _Sentences(encoder, valid, itertools.islice(background, cut, None), rng),
    }
    with output.lock():
        refuse_run(output)
        history = _fit(narrowed.get_layer(NARROWING), parts, epochs, batch_size, seed, verbose)
        test = with_answers(source.load("test", seed=config.seed))
        tasks = evaluate_tasks(
            narrowed, vocabulary, recipe, {task: questions for task, questions in test.items() if questions}
        )
        first_pass = {
            **parts["valid"].kept(narrowed.get_layer(NARROWING), batch_size),
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
    """Raise if there is a run where one is to be written.

    Raises:
        FileExistsError: If there is.
    """
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


class _Sentences:
    """Sentences, each with a question to read it with, and whether it is a fact.

    Args:
        encoder: The `Encoder`.
        examples: Dict of task name to list of `Example`.
        background: Iterable of sentences that are no facts.
        rng: `np.random.Generator` that draws as many facts as there are other sentences, each with its own question,
            and a question for each of the others.
    """

    def __init__(self, encoder, examples, background, rng):
        asked = [encoder(example) for task in examples.values() for example in task]
        asked = [example for example in asked if example.story]
        others = [encoder.sentence(text) for text in background]
        facts = [asked[i] for i in rng.integers(len(asked), size=len(others))]
        self.sentences = [e.story[rng.integers(len(e.story))] for e in facts] + others
        drawn = [asked[i].question for i in rng.integers(len(asked), size=len(others))]
        self.questions = pad_ids([e.question for e in facts] + drawn, max(len(e.question) for e in asked))
        self.is_fact = np.arange(len(self.sentences)) < len(facts)
        self._widths = np.array([next(w for w in (*_WIDTHS, len(s)) if w >= len(s)) for s in self.sentences])

    def batches(self, batch_size, rng=None):
        """Return the indexes of each batch: sentences of like length, shuffled by `rng`."""
        batches = []
        for width in np.unique(self._widths):
            members = np.flatnonzero(self._widths == width)
            members = members if rng is None else rng.permutation(members)
            batches += [members[i : i + batch_size] for i in range(0, len(members), batch_size)]
        if rng is not None:
            rng.shuffle(batches)
        return batches

    def arrays(self, members, rows):
        """Return inputs, targets and weights of a batch, stories of a single sentence, filled up to `rows`."""
        real = np.arange(rows) < len(members)
        members = np.resize(members, rows)
        story = pad_sentences([[self.sentences[i]] for i in members], 1, int(self._widths[members].max()))
        inputs = {"story": story, "question": self.questions[members]}
        return inputs, self.is_fact[members][:, None].astype("float32"), real.astype("float32")

    def kept(self, layer, batch_size):
        """Return how many of the facts and of the other sentences a narrowing keeps."""
        kept = np.zeros(len(self.sentences), dtype=bool)
        for members in self.batches(batch_size):
            inputs, _, _ = self.arrays(members, batch_size)
            gates = keras.ops.convert_to_numpy(layer(**inputs)["gates"])
            kept[members] = gates[: len(members), 0] > OPEN
        facts, others = kept[self.is_fact], kept[~self.is_fact]
        return {
            "facts": len(facts),
            "facts_kept": round(100 * float(facts.mean()), 3),
            "background": len(others),
            "background_kept": round(100 * float(others.mean()), 3),
        }


class _Epochs(keras.utils.PyDataset):
    """`_Sentences` for `model.fit`, shuffled anew each epoch if there is a seed."""

    def __init__(self, sentences, batch_size, seed=None):
        super().__init__(workers=1)
        self.sentences, self.batch_size = sentences, batch_size
        self._rng = None if seed is None else np.random.default_rng([seed, 1])
        self.on_epoch_end()

    def __len__(self):
        """Return the number of batches of an epoch."""
        return len(self._batches)

    def __getitem__(self, index):
        """Return a batch of the current epoch."""
        return self.sentences.arrays(self._batches[index], self.batch_size)

    def on_epoch_end(self):
        """Draw the order of the next epoch."""
        self._batches = self.sentences.batches(self.batch_size, self._rng)

    def data(self):
        """Return what `model.fit` takes: on TensorFlow a dataset of batches of any shape, elsewhere this."""
        return of_any_shape(self._epoch, self[0], len(self)) if keras.backend.backend() == "tensorflow" else self

    def _epoch(self):
        for index in range(len(self)):
            yield self[index]
        self.on_epoch_end()


def _fit(layer, parts, epochs, batch_size, seed, verbose):
    """Train the gates, leave the best weights in the layer, and return the validation losses."""
    inputs = {
        "story": keras.Input((1, None), dtype="int32", name="story"),
        "question": keras.Input((None,), dtype="int32", name="question"),
    }
    model = keras.Model(inputs, layer(inputs["story"], inputs["question"])["gates"])
    model.compile(keras.optimizers.Adam(2e-3), GateCrossentropy("sigmoid"))
    history = model.fit(
        _Epochs(parts["train"], batch_size, seed).data(),
        shuffle=False,
        validation_data=_Epochs(parts["valid"], batch_size).data(),
        epochs=epochs,
        callbacks=[keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)],
        verbose=verbose,
    )
    return history.history["val_loss"]
