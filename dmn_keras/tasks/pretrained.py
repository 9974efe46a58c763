"""The trained models that come with the package."""

import pathlib

from dmn_keras.errors import unknown_name

BABI_JOINT = "babi-joint"
"""One model for all 20 bAbI tasks; `saved_models/babi-joint/README.md` is its model card."""

BABI_LONG = "babi-long"
"""The same with a retriever that finds its facts in long texts; `saved_models/babi-long/README.md` is its card."""

PRETRAINED = (BABI_JOINT, BABI_LONG)


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
    package = pathlib.Path(__file__).parents[1]
    for folder in (package / "saved_models", package.parent / "saved_models"):
        names = sorted(path.parent.name for path in folder.glob("*/config.json"))
        if names:
            if name not in names:
                raise ValueError(unknown_name("name", name, names))
            return folder / name
    raise FileNotFoundError("This installation of dmn_keras holds no trained model: name the folder of a run.")
