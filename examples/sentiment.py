"""Learns what sentences of film reviews feel, from the Stanford Sentiment Treebank: sentiment.py FOLDER [VECTORS]."""

import sys

from dmn_keras import TextClassifier, datasets
from dmn_keras.inference.word_plot import plot_word_gates


def main(data_dir, word_vectors=None, plot="sentiment.png", **settings):
    """Train on the trees in `data_dir`; return the accuracy on the test sentences in percent."""
    train, valid, test = (
        datasets.load("sst", task="all", split=split, config="binary", data_dir=data_dir)
        for split in ("train", "valid", "test")
    )
    classifier = TextClassifier(word_vectors=word_vectors, **settings)
    classifier.fit(train, validation_data=valid, epochs=3, verbose=2)
    answers = classifier.predict([*test, {"text": "It's far from dull, and never loud."}])
    plot_word_gates(answers[-1], plot)
    print(answers[-1].label, answers[-1].probabilities)
    return classifier.score(test, answers[:-1])["accuracy"]


if __name__ == "__main__":
    print(main(*sys.argv[1:3]))
