"""Settings of the end-to-end memory network."""

import dataclasses
from typing import Any, ClassVar

from dmn_keras import models
from dmn_keras.models.model_config import ModelConfig
from dmn_keras.utils.settings import setting


@dataclasses.dataclass(frozen=True)
class MemN2NConfig(ModelConfig):
    """End-to-end memory network (Sukhbaatar et al. 2015, arXiv:1503.08895), see `dmn_keras.models.memn2n`.

    Attributes:
        embedding_dim: Size of memories and state.
        num_hops: Hops over the memory.
        tying: `"adjacent"` or `"layer_wise"` tying of the embedding matrices.
        attention: `"softmax"`, or `"hard"` for one fact a hop (MemNN, Weston et al. 2014): supervised gates teach it.
        position_encoding: Whether words are weighted by their places in the sentence.
        temporal_encoding: How many of the last facts have a temporal encoding each; `None` for none.
        random_noise: Most empty memories a fact, in training.
        linear_start: Number of first epochs without the softmax of the attention, for gates that are not supervised.
    """

    family: ClassVar[str] = "memn2n"
    gate: ClassVar[str] = "softmax"
    learned_stop: ClassVar[bool] = False
    max_retrieved_facts: ClassVar[None] = None

    embedding_dim: int = 20
    num_hops: int = setting(3, high=1000)
    tying: str = setting("adjacent", choices=("adjacent", "layer_wise"))
    attention: str = setting("softmax", choices=("softmax", "hard"))
    position_encoding: bool = True
    temporal_encoding: int | None = 50
    random_noise: float = 0.1
    linear_start: int = setting(0, low=0)

    @property
    def num_passes(self) -> int:
        """Number of rows of the gates."""
        return self.num_hops

    def build(self, *sizes: int, **options: Any) -> Any:
        settings = {name: value for name, value in vars(self).items() if name != "linear_start"}
        return models.memn2n(*sizes, **settings, **options)
