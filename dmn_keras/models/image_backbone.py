"""Images -> feature map: convolutions of one's own, or a model of `keras.applications`."""

import sys

import keras

from dmn_keras.errors import check_file, unknown_name
from dmn_keras.models.visual_dmn_config import ImageModuleConfig

CONVOLUTIONS = "convolutions"


def image_backbone(config: ImageModuleConfig) -> keras.Model:
    """Return a model from images, uint8 `(batch, image_size, image_size, 3)`, to a feature map.

    Args:
        config: The `ImageModuleConfig`.

    Returns:
        A `keras.Model`; its output is float `(batch, rows, columns, channels)`.

    Raises:
        ValueError: If the backbone is unknown, takes no images of this size, or its weights do not fit or cannot be
            downloaded.
        FileNotFoundError: If the file of its weights is missing.
    """
    image = keras.Input((config.image_size, config.image_size, 3), dtype="uint8", name="image")
    build = _convolutions if config.backbone == CONVOLUTIONS else _application
    backbone = keras.Model(image, build(config, image), name="backbone")
    backbone.trainable = config.train_backbone
    return backbone


def _convolutions(config, image):
    """Return the feature map of convolutions with stride 2, as those of Santoro et al. 2017, arXiv:1706.01427."""
    x = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="rescaling")(image)
    for i in range(config.convolutions):
        options = {"strides": 2, "padding": "same", "use_bias": False}
        x = keras.layers.Conv2D(config.filters, 3, **options, name=f"convolution_{i}")(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"normalization_{i}")(x)
        x = keras.layers.ReLU(name=f"relu_{i}")(x)
    return x


def _application(config, image):
    """Return the feature map of a model of `keras.applications`, before its head."""
    names = [name for name in dir(keras.applications) if name[0].isupper()]
    if config.backbone not in names:
        raise ValueError(unknown_name("backbone", config.backbone, [CONVOLUTIONS, *names]))
    function = getattr(keras.applications, config.backbone)
    if config.pretrained not in (None, "imagenet"):
        check_file("pretrained", config.pretrained)
    try:
        model = function(include_top=False, weights=config.pretrained, input_shape=image.shape[1:])
    except Exception as error:  # Keras, HDF5 and downloads each raise their own
        reason = " ".join(str(error).split())[:300]
        chosen = f"backbone={config.backbone!r}, pretrained={config.pretrained!r}, image_size={config.image_size}"
        raise ValueError(f"The backbone cannot be made: {reason} Received: {chosen}") from error
    preprocess_input = sys.modules[function.__module__].preprocess_input  # its module is that of `keras.applications`
    return model(preprocess_input(keras.ops.cast(image, "float32")))
