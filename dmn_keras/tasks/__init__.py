"""Tasks: raw examples in, answers out. A task of one's own is made of the classes here."""

import importlib

_WHERE = {
    "FeatureSpec": "dmn_keras.tasks.feature_spec",
    "Preprocessor": "dmn_keras.tasks.preprocessor",
    "Target": "dmn_keras.tasks.target",
    "Task": "dmn_keras.tasks.task",
}
"""Public names and their modules: settings load without Keras."""

__all__ = [*_WHERE]


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_WHERE[name]), name)
