"""A GRU over all words of story and question, the baseline of `benchmarks.long_accuracy`.

It learns the same questions as the model beside it, half of them about the bare story and half about the story in up to
so many tokens of the training books; the epoch with the lowest validation loss is chosen.
"""

import functools
import pathlib

import numpy as np

from benchmarks import base


def main(arguments=None):
    """Train the GRU and write it to a folder."""
    import keras

    from dmn_keras.datasets import Source, train_and_validation
    from dmn_keras.datasets.babi_long import Books, insert_into_background
    from dmn_keras.datasets.babi_long.background import count_tokens
    from dmn_keras.text import Vocabulary

    parser = base.parser("word_gru", __doc__, measures=False)
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="archive or folder of bAbI")
    parser.add_argument("--books", required=True, metavar="FOLDER", help="folder with train/, texts in it")
    parser.add_argument("--config", default="en-10k")
    parser.add_argument("--tasks", default="1,2,3,4,5")
    parser.add_argument("--tokens", type=int, default=500, help="most tokens of a training story in books")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", required=True, metavar="DIR")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(options.seed)
    source = Source("babi", tuple(options.tasks.split(",")), options.data_dir, options.config)
    parts = train_and_validation(source, validation_fraction=0.1, seed=options.seed)
    vocabulary = Vocabulary.from_examples(example for examples in parts[0].values() for example in examples)
    books, rng = Books(pathlib.Path(options.books, "train")), np.random.default_rng(options.seed)

    def in_books(example, number):
        length = max(int(rng.integers(options.tokens)), count_tokens(example.story)) if rng.random() < 0.5 else 0
        return insert_into_background(example, books, length, number)

    train, valid = (
        [in_books(example, i) for examples in part.values() for i, example in enumerate(examples)] for part in parts
    )
    gru = WordGRU(build(len(vocabulary), options.units), vocabulary)
    losses = gru.fit(train, valid, options.epochs, options.seed)
    record = {**base.record("word_gru", arguments), "words": vocabulary.words[3:], "valid_loss": losses}
    base.write(pathlib.Path(options.output, "gru.json"), record)
    gru.model.save(pathlib.Path(options.output, "model.keras"))


def build(vocabulary_size, units):
    """Return the untrained model, from word ids `(batch, words)` to logits `(batch, vocabulary)`."""
    import keras

    words = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(vocabulary_size, units // 2, mask_zero=True)(words)
    state = keras.layers.GRU(units)(vectors)
    return keras.Model(words, keras.layers.Dense(vocabulary_size)(state))


class WordGRU:
    """The baseline: a model from word ids to logits, and its `Vocabulary`."""

    def __init__(self, model, vocabulary):
        from dmn_keras.text import sentence_ids

        self.model, self.vocabulary = model, vocabulary
        self._sentence_ids = functools.cache(functools.partial(sentence_ids, vocabulary))

    @classmethod
    def load(cls, folder):
        """Read what the command wrote."""
        import keras

        from dmn_keras.text import Vocabulary

        words = base.read(pathlib.Path(folder, "gru.json"))["words"]
        return cls(keras.models.load_model(pathlib.Path(folder, "model.keras")), Vocabulary(words))

    def fit(self, train, valid, epochs, seed):
        """Train on lists of `Example`, restore the best epoch, and return the validation losses."""
        import keras

        rng, losses, best = np.random.default_rng(seed), [], None
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.model.compile(keras.optimizers.Adam(2e-3, clipnorm=1.0), loss)
        train, valid = self._batches(train, 64), self._batches(valid, 64)
        for epoch in range(epochs):
            for i in rng.permutation(len(train)):
                self.model.train_on_batch(*train[i])
            losses.append(float(np.mean([self.model.test_on_batch(*batch) for batch in valid])))
            print(f"epoch {epoch + 1}: validation loss {losses[-1]:.4f}", flush=True)
            if losses[-1] == min(losses):
                best = self.model.get_weights()
        self.model.set_weights(best)
        return losses

    def wrong(self, examples):
        """Return how many questions are answered wrongly."""
        longest = max(len(self._ids(example)) for example in examples)
        rows = min(max(1_500_000 // longest, 1), 100)  # a word of a batch takes a kilobyte
        wrong = 0
        for inputs, targets, weights in self._batches(examples, rows):
            answers = np.argmax(self.model.predict_on_batch(inputs), axis=-1)
            wrong += int(((answers != targets) & (weights > 0)).sum())
        return wrong

    def _batches(self, examples, rows):
        """Return batches of questions of about the same length: ids, answers, and weights, 0 for rows of padding."""
        import keras

        order = sorted(examples, key=lambda example: len(example.story))
        batches = []
        for start in range(0, len(order), rows):
            members = order[start : start + rows]
            ids = [self._ids(example) for example in members] + [[]] * (rows - len(members))
            longest = max(map(len, ids))
            step = 2 ** max(longest.bit_length() - 3, 5)  # a few widths, each compiled once
            padded = keras.utils.pad_sequences(ids, -(-longest // step) * step)  # in front: the question stands last
            targets, weights = np.zeros(rows, "int32"), np.zeros(rows, "float32")
            targets[: len(members)] = [self.vocabulary.encode(example.answer_text)[0] for example in members]
            weights[: len(members)] = 1
            batches.append((padded, targets, weights))
        return batches

    def _ids(self, example):
        return [i for text in (*example.story, example.question) for i in self._sentence_ids(text)]


if __name__ == "__main__":
    main()
