"""Settings of the Dynamic Memory Network for questions about images."""

import dataclasses
from typing import ClassVar

from dmn_keras.models.dmn_config import EpisodicMemoryConfig
from dmn_keras.models.model_config import ModelConfig
from dmn_keras.utils.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class ImageModuleConfig(Settings):
    """The input module, which turns regions of an image into facts, and the question module.

    Attributes:
        image_size: Height and width in pixels that images are resized to.
        backbone: `"convolutions"` for some of its own, or the name of a model in `keras.applications`, such as
            `"MobileNetV2"`.
        convolutions: Number of own convolutions; each halves height and width.
        filters: Channels of an own convolution.
        pretrained: Weights to start a model of `keras.applications` from: `"imagenet"`, or the path of a file; `None`
            for random ones. It is used once, for the weights of a new model.
        train_backbone: Whether the backbone is trained; `False` keeps its weights as they are.
        region_activation: `"tanh"` (2016) or `"linear"`, of a region as a fact.
        input_fusion: Whether a bidirectional GRU over the regions follows (2016); without it a fact is one region.
        question_encoder: `"gru"` (2016) for a GRU over the question's words, `"position"` for their position-weighted
            sum, which learns sooner what a question asks that differs from another in a single word, such as a color.
    """

    image_size: int = setting(64, high=4096)
    backbone: str = "convolutions"
    convolutions: int = setting(4, high=8)
    filters: int = 32
    pretrained: str | None = None
    train_backbone: bool = True
    region_activation: str = setting("tanh", choices=("tanh", "linear"))
    input_fusion: bool = True
    question_encoder: str = setting("gru", choices=("gru", "position"))


@dataclasses.dataclass(frozen=True)
class VisualDMNConfig(ModelConfig):
    """Dynamic Memory Network for visual question answering (Xiong et al. 2016, arXiv:1603.01417).

    Attributes:
        units: Size of regions, question, episode and memory.
        embedding_dim: Size of a word vector.
        dropout: Fraction of the entries of regions and memory that training drops.
        l2: Weight of the L2 penalty on kernels behind the backbone.
        input: Settings of the input module.
        memory: Settings of the episodic memory.
    """

    family: ClassVar[str] = "visual_dmn"

    units: int = 64
    embedding_dim: int = 32
    dropout: float = setting(0.1, high=0.99)
    l2: float = 0.0
    input: ImageModuleConfig = setting(ImageModuleConfig())
    memory: EpisodicMemoryConfig = setting(EpisodicMemoryConfig(num_passes=2, tie_weights=False))
