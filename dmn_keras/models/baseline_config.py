"""Settings of the networks without a memory that memory networks are compared with."""

import dataclasses
from typing import ClassVar

from dmn_keras.utils.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class BaselineConfig(Settings):
    """Network without a memory, see `dmn_keras.models.baseline`.

    Attributes:
        encoder: `"lstm"` over all words in a row, or `"transformer"`.
        reads: `"all"`, `"question"` or `"story"`: what it answers from.
        units: Size of word vectors and states.
        num_layers: Layers, one on top of the other.
        num_heads: Heads of a layer of the transformer.
        dropout: Fraction of the entries of word vectors and states that training drops.
    """

    family: ClassVar[str] = "baseline"
    gate: ClassVar[None] = None
    learned_stop: ClassVar[bool] = False
    max_retrieved_facts: ClassVar[None] = None
    num_passes: ClassVar[int] = 1

    encoder: str = setting("lstm", choices=("lstm", "transformer"))
    reads: str = setting("all", choices=("all", "question", "story"))
    units: int = 64
    num_layers: int = setting(1, high=100)
    num_heads: int = setting(4, high=1000)
    dropout: float = setting(0.1, high=0.99)

    def build(self, vocabulary_size: int, *, answer_words: int | None = None, word_vectors=None):
        """Return the network, see `dmn_keras.models.baseline`.

        Raises:
            ValueError: If word vectors are given, which this network does not start from.
        """
        from dmn_keras.models.sequence_baseline import baseline

        if word_vectors is not None:
            raise ValueError("word_vectors must be None for model.family=baseline.")
        return baseline(vocabulary_size, answer_words=answer_words, config=self)
