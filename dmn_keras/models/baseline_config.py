"""Settings of the networks that read all words of story and question in a row."""

import dataclasses
from typing import ClassVar

from dmn_keras.models.model_config import ModelConfig
from dmn_keras.models.recurrent_memory_config import CELLS, ExternalMemoryConfig, StackMemoryConfig
from dmn_keras.utils.settings import setting


@dataclasses.dataclass(frozen=True)
class BaselineConfig(ModelConfig):
    """Network that reads all words in a row, see `dmn_keras.models.baseline`.

    Attributes:
        encoder: What reads the words. Without a memory: `"lstm"`, `"gru"`, `"simple_rnn"` or `"transformer"`. With one
            that it writes to: `"ntm"`, `"dnc"`, `"dynamic_ntm"`, `"stack_rnn"` or `"list_rnn"`, the cells of
            `RecurrentMemoryConfig`.
        reads: `"all"`, `"question"` or `"story"`: what it answers from.
        units: Size of word vectors and states.
        num_layers: Layers, one on top of the other.
        num_heads: Heads of a layer of the transformer.
        dropout: Fraction of the entries of word vectors and states that training drops.
        memory: Settings of `ntm`, `dnc` and `dynamic_ntm`. The controller defaults to `"gru"`, which all three have.
        stack: Settings of `stack_rnn` and `list_rnn`.
    """

    family: ClassVar[str] = "baseline"
    gate: ClassVar[None] = None
    learned_stop: ClassVar[bool] = False
    max_retrieved_facts: ClassVar[None] = None
    num_passes: ClassVar[int] = 1

    encoder: str = setting("lstm", choices=(*CELLS, "transformer"))
    reads: str = setting("all", choices=("all", "question", "story"))
    units: int = 64
    num_layers: int = setting(1, high=100)
    num_heads: int = setting(4, high=1000)
    dropout: float = setting(0.1, high=0.99)
    memory: ExternalMemoryConfig = setting(ExternalMemoryConfig(controller="gru"))
    stack: StackMemoryConfig = setting(StackMemoryConfig())
