"""Dynamic Memory Networks as Keras 3 layers: facts, attention passes, episodes, memory, answers."""

import importlib
import pathlib
import sys

from dmn_keras._version import __version__

_WHERE = {
    "Answer": "dmn_keras.asking",
    "Answerer": "dmn_keras.asking",
    "Config": "dmn_keras.training.config",
    "Source": "dmn_keras.training.data",
    "layers": None,
    "losses": None,
    "metrics": None,
    "models": None,
    "train": "dmn_keras.training.fit",
}
"""Public names and their modules; `None` for a module of that name."""

__all__ = [*_WHERE, "__version__"]


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_WHERE[name] or f"{__name__}.{name}")
    value = module if _WHERE[name] is None else getattr(module, name)
    globals()[name] = value
    return value


def _is_command():
    """Return whether this is the first import of `dmn-keras`, or of `python -m dmn_keras`."""
    started = sys.argv[0] if getattr(sys, "argv", None) else ""
    if started == "-m":  # Python is still looking for the module that it is to run
        return "dmn_keras" in sys.orig_argv[:-1] or sys.orig_argv[-1] == "dmn_keras"
    return pathlib.Path(started).name in ("dmn-keras", "dmn-keras.exe")


# Importing the package registers its layers with Keras, so that saved models load. The command line imports what a
# command needs, and `--help` does not wait for Keras and its backend.
if not _is_command():
    for _name in _WHERE:
        __getattr__(_name)
