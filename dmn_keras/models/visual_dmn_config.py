"""Settings of the Dynamic Memory Network for questions about images."""

import dataclasses
from typing import ClassVar

from dmn_keras.models.dmn_config import EpisodicMemoryConfig
from dmn_keras.utils.settings import Settings, setting


@dataclasses.dataclass(frozen=True)
class ImageModuleConfig(Settings):
    """The input module for images, which turns regions into facts.

    Attributes:
        image_size: Height and width in pixels that images are resized to.
        backbone: `"convolutions"` for some of its own, or the name of a model in `keras.applications`, such as
            `"MobileNetV2"`.
        convolutions: Number of own convolutions; each halves height and width.
        filters: Channels of an own convolution.
        pretrained: Weights to start a model of `keras.applications` from: `"imagenet"`, or the path of a file; `None`
            for random ones. It is used once, for the weights of a new model.
        train_backbone: Whether the backbone is trained; `False` keeps its weights as they are.
    """

    image_size: int = setting(64, high=4096)
    backbone: str = "convolutions"
    convolutions: int = setting(4, high=8)
    filters: int = 32
    pretrained: str | None = None
    train_backbone: bool = True


@dataclasses.dataclass(frozen=True)
class VisualDMNConfig(Settings):
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

    def build(self, vocabulary_size: int, num_answers: int):
        """Return the network, see `dmn_keras.models.visual_dmn`."""
        from dmn_keras.models.visual_dynamic_memory_network import visual_dmn

        return visual_dmn(vocabulary_size, num_answers, config=self)
