"""Settings of the memory network whose facts are words."""

import dataclasses
from typing import ClassVar

from dmn_keras.models.dmn_config import EpisodicMemoryConfig
from dmn_keras.models.model_config import ModelConfig
from dmn_keras.utils.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class WordEncoderConfig(Settings):
    """The input module, which makes a fact of each word.

    Attributes:
        embedding_dim: Size of the learned vector of each frequent training word, beside its pretrained one.
        num_layers: Bidirectional GRUs, one on top of the other; 0 for none.
        character_units: Size of what a word's spelling adds to it; `None` for nothing.
        character_window: Characters that a window of the spelling covers, an odd number.
    """

    embedding_dim: int = 50
    num_layers: int = setting(1, low=0, high=100)
    character_units: int | None = None
    character_window: int = 5


@dataclasses.dataclass(frozen=True)
class TextDMNConfig(ModelConfig):
    """Memory network over the words of a text (Kumar et al. 2015, arXiv:1506.07285).

    Attributes:
        units: Size of facts, question, episode and memory.
        dropout: Fraction of the entries of word vectors, facts and memory that training drops.
        word_dropout: Fraction of the words whose learned vector training replaces by that of the unknown word.
        l2: Weight of the L2 penalty on kernels.
        input: Settings of the input module.
        memory: Settings of the episodic memory.
    """

    family: ClassVar[str] = "text_dmn"

    units: int = 128
    dropout: float = setting(0.3, high=0.99)
    word_dropout: float = setting(0.1, high=0.99)
    l2: float = 0.0
    input: WordEncoderConfig = setting(WordEncoderConfig())
    memory: EpisodicMemoryConfig = setting(EpisodicMemoryConfig(num_passes=2, gate_features="dmn_plus", gate_units=64))
