"""A GRU over all words of story and question, the baseline of `benchmarks.long_accuracy`.

It learns the same questions as the model beside it, half of them about the bare story and half about the story hidden
in up to so many tokens of the training books; the epoch with the lowest validation loss is kept.
"""

import argparse
import json
import pathlib
import sys

import numpy as np

from benchmarks import report


def main(arguments=None):
    """Train the GRU and write it to a folder.

    Returns:
        Exit status: 0.
    """
    import keras

    from dmn_keras.datasets.babi_long import Books, hide
    from dmn_keras.datasets.babi_long.hiding import count_tokens
    from dmn_keras.text import Vocabulary
    from dmn_keras.training.data import Source, train_and_validation

    options = _parser().parse_args(arguments)
    keras.utils.set_random_seed(options.seed)
    source = Source("babi", tuple(options.tasks.split(",")), options.data_dir, options.config)
    parts = train_and_validation(source, validation_fraction=0.1, seed=options.seed)
    vocabulary = Vocabulary.from_examples(example for examples in parts[0].values() for example in examples)
    books = Books(pathlib.Path(options.books, "train"))
    rng = np.random.default_rng(options.seed)
    train, valid = (
        [
            hide(
                e, books, max(int(rng.integers(options.tokens)), count_tokens(e.story)) if rng.random() < 0.5 else 0, i
            )
            for examples in part.values()
            for i, e in enumerate(examples)
        ]
        for part in parts
    )
    gru = WordGru(_model(len(vocabulary), options.units), vocabulary)
    history = gru.fit(train, valid, options.epochs, options.seed)
    folder = pathlib.Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    gru.model.save(folder / "model.keras")
    about = {"command": report.command("word_gru", arguments), "words": vocabulary.words[3:], "valid_loss": history}
    report.write(folder / "gru.json", about)
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.word_gru", description=__doc__)
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="where bAbI lies")
    parser.add_argument("--books", required=True, metavar="FOLDER", help="folder with train/, books in it")
    parser.add_argument("--config", default="en-10k")
    parser.add_argument("--tasks", default="1,2,3,4,5")
    parser.add_argument("--tokens", type=int, default=500, help="most tokens of a training story in books")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", required=True, metavar="DIR")
    return parser


def _model(vocabulary_size, units):
    import keras

    words = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(vocabulary_size, units // 2, mask_zero=True)(words)
    state = keras.layers.GRU(units)(vectors)
    return keras.Model(words, keras.layers.Dense(vocabulary_size)(state))


class WordGru:
    """The trained baseline.

    Args:
        model: Keras model from word ids `(batch, words)` to logits.
        vocabulary: Its `Vocabulary`.
    """

    def __init__(self, model, vocabulary):
        from dmn_keras.text import Encoder

        self.model, self.vocabulary, self.encoder = model, vocabulary, Encoder(vocabulary)

    @classmethod
    def load(cls, folder):
        """Read what the command wrote."""
        import keras

        from dmn_keras.text import Vocabulary

        about = json.loads(pathlib.Path(folder, "gru.json").read_text())
        return cls(keras.models.load_model(pathlib.Path(folder, "model.keras")), Vocabulary(about["words"]))

    def fit(self, train, valid, epochs, seed):
        """Train on lists of `Example`; returns the validation losses."""
        import keras

        rng, losses = np.random.default_rng(seed), []
        self.model.compile(
            keras.optimizers.Adam(2e-3, clipnorm=1.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        )
        best = None
        for epoch in range(epochs):
            batches = list(self._batches(train, 64))
            rng.shuffle(batches)
            for members in batches:
                self.model.train_on_batch(*self._arrays([train[i] for i in members], 64))
            total = [
                self.model.test_on_batch(*self._arrays([valid[i] for i in m], 64)) for m in self._batches(valid, 64)
            ]
            losses.append(float(np.mean(total)))
            print(f"epoch {epoch + 1}: validation loss {losses[-1]:.4f}", flush=True)
            if losses[-1] == min(losses):
                best = self.model.get_weights()
        self.model.set_weights(best)
        return losses

    def wrong(self, examples):
        """Return how many questions are answered wrongly."""
        rows = min(max(_MOST_WORDS // max(len(self._ids(e)) for e in examples), 1), 100)
        wrong = 0
        for members in self._batches(examples, rows):
            inputs, targets, weights = self._arrays([examples[i] for i in members], rows)
            said = np.argmax(self.model.predict_on_batch(inputs), axis=-1)
            wrong += int(((said != targets) & (weights > 0)).sum())
        return wrong

    def _batches(self, examples, size):
        order = np.argsort([len(e.story) for e in examples], kind="stable")
        return [order[i : i + size] for i in range(0, len(order), size)]

    def _arrays(self, examples, rows):
        ids = [self._ids(example) for example in examples]
        longest = max(map(len, ids))
        step = 2 ** max(longest.bit_length() - 3, 5)  # a few widths, each compiled once
        width = -(-longest // step) * step
        padded = np.zeros((rows, width), dtype="int32")
        for row, words in zip(padded, ids, strict=False):
            row[width - len(words) :] = words  # the question stands last
        targets, weights = np.zeros(rows, dtype="int32"), np.zeros(rows, dtype="float32")
        targets[: len(examples)] = [self.encoder(e).answer[0] for e in examples]
        weights[: len(examples)] = 1
        return padded, targets, weights

    def _ids(self, example):
        return [i for text in (*example.story, example.question) for i in self.encoder.sentence(text)]


_MOST_WORDS = 1_500_000  # of a batch: each takes a kilobyte


if __name__ == "__main__":
    sys.exit(main())
