"""Learns the parts of speech of a Universal Dependencies treebank: tagging.py FOLDER [VECTORS]."""

import sys

from dmn_keras import TokenTagger, datasets


def main(data_dir, word_vectors=None, **settings):
    """Train on the treebank in `data_dir`; return the accuracy on the words of its test part in percent."""
    train, valid, test = (
        datasets.load("conllu", task="all", split=split, config="upos", data_dir=data_dir)
        for split in ("train", "valid", "test")
    )
    tagger = TokenTagger(word_vectors=word_vectors, **settings)
    tagger.fit(train, validation_data=valid, epochs=5, verbose=2)
    answers = tagger.predict(test)
    print(*zip(answers[0].words, answers[0].tags, strict=True))
    return tagger.score(test, answers)["accuracy"]


if __name__ == "__main__":
    print(main(*sys.argv[1:3]))
