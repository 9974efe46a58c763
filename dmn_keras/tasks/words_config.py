"""Settings of data that is read word by word."""

import dataclasses

from dmn_keras.utils.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class WordsConfig(Settings):
    """How words are read.

    Attributes:
        word_vectors: Source of pretrained word vectors, as for `dmn_keras.text.word_vectors.read_word_vectors`;
            `None` for none.
        num_pretrained_words: How many words of the pretrained vectors, the first and so the most frequent ones, the
            model knows though its training data lacks them.
        min_count: How often a word must stand in the training data for a learned vector of its own.
        validation_fraction: Fraction of the training examples held out, where the data has no validation part.
        redraw: Whether a training part that is generated is drawn anew in every epoch.
    """

    word_vectors: str | None = None
    num_pretrained_words: int = setting(40_000, low=0)
    min_count: int = 2
    validation_fraction: float = setting(0.1, high=0.9)
    redraw: bool = False
