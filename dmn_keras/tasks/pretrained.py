"""The trained models that come with the package."""

import pathlib

from dmn_keras.errors import unknown_name

BABI_JOINT = "babi-joint"
"""One model for all 20 bAbI tasks; `saved_models/babi-joint/README.md` is its model card."""

BABI_LONG = "babi-long"
"""A model with an open vocabulary and a retriever, for long texts; `saved_models/babi-long/README.md` is its card."""


def _folders():
    """Return the folders of the pretrained models by name, of a checkout or of the installed package."""
    package = pathlib.Path(__file__).parents[1]
    for folder in (package / "saved_models", package.parent / "saved_models"):
        if found := sorted(path.parent for path in folder.glob("*/config.json")):
            return {path.name: path for path in found}
    return {}


PRETRAINED = tuple(_folders())
"""Names of the pretrained models."""


def pretrained_folder(name: str = BABI_JOINT) -> pathlib.Path:
    """Return the folder of a model that comes with the package.

    Args:
        name: Its name. Defaults to the model of all 20 bAbI tasks.

    Returns:
        The folder: inside the installed package, or `saved_models/` of a checkout.

    Raises:
        FileNotFoundError: If the installation holds no models at all.
        ValueError: If there is no such model; the message names the nearest.
    """
    folders = _folders()
    if not folders:
        raise FileNotFoundError("This installation of dmn_keras holds no trained model: name the folder of a run.")
    if name not in folders:
        raise ValueError(unknown_name("name", name, folders))
    return folders[name]
