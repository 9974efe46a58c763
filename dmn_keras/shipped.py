"""The trained models that come with the package."""

import pathlib

from dmn_keras.errors import did_you_mean, unknown_name

BABI_JOINT = "babi-joint"
"""One model for all 20 bAbI tasks; `saved_models/babi-joint/README.md` is its model card."""

BABI_LONG = "babi-long"
"""The same with a first pass that finds its facts in long texts; `saved_models/babi-long/README.md` is its card."""

SHIPPED = (BABI_JOINT, BABI_LONG)


def shipped_model(name: str = BABI_JOINT) -> pathlib.Path:
    """Return the run folder of a model that comes with the package.

    Args:
        name: Its name. Defaults to the model of all 20 bAbI tasks.

    Returns:
        The folder: inside the installed package, or `saved_models/` of a checkout.

    Raises:
        FileNotFoundError: If the installation holds no models at all.
        ValueError: If there is no such model; the message names the nearest.
    """
    package = pathlib.Path(__file__).parent
    for folder in (package / "saved_models", package.parent / "saved_models"):
        names = sorted(path.parent.name for path in folder.glob("*/config.json"))
        if names:
            if name not in names:
                raise ValueError(unknown_name("name", name, names))
            return folder / name
    raise FileNotFoundError("This installation of dmn_keras holds no trained model: name the folder of a run.")


def run_folder(path=None) -> pathlib.Path:
    """Return the folder of a run that is named by its path, or by the name of a model that comes with the package.

    Args:
        path: Path, or a name where there is no such folder. Defaults to `None`, the model of all 20 bAbI tasks.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: If there is neither; the message suggests the nearest name.
        NotADirectoryError: If it is a file.
    """
    if path is None:
        return shipped_model()
    folder = pathlib.Path(path)
    if folder.is_dir():
        return folder
    expected = f"expected a folder that `dmn-keras train` wrote, or {' or '.join(SHIPPED)}"
    if folder.exists():
        raise NotADirectoryError(f"{folder} is a file: {expected}.")
    if str(folder) in SHIPPED:  # also with a slash behind it
        return shipped_model(str(folder))
    beside = [str(config.parent) for config in folder.parent.glob("*/config.json")]
    raise FileNotFoundError(f"{folder} does not exist: {expected}.{did_you_mean(folder, [*SHIPPED, *beside])}")
