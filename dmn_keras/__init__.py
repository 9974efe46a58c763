"""Memory networks for Keras 3: layers, models, and tasks that take raw examples and give answers."""

import importlib
import os
import sys
import typing

from dmn_keras._version import __version__

if typing.TYPE_CHECKING:
    from dmn_keras import layers, losses, metrics, models
    from dmn_keras.datasets import Source
    from dmn_keras.models import DMNConfig
    from dmn_keras.tasks import Task
    from dmn_keras.tasks.config import RunConfig
    from dmn_keras.tasks.question_answering import Answer, QuestionAnswerer
    from dmn_keras.tasks.sequence_transduction import SequenceTransducer
    from dmn_keras.tasks.text_classification import TextClassifier
    from dmn_keras.tasks.token_tagging import TokenTagger
    from dmn_keras.tasks.visual_question_answering import VisualQuestionAnswerer
    from dmn_keras.training.trainer import train

_WHERE = {
    "Answer": "dmn_keras.tasks.question_answering",
    "DMNConfig": "dmn_keras.models",
    "QuestionAnswerer": "dmn_keras.tasks.question_answering",
    "RunConfig": "dmn_keras.tasks.config",
    "SequenceTransducer": "dmn_keras.tasks.sequence_transduction",
    "Source": "dmn_keras.datasets",
    "Task": "dmn_keras.tasks",
    "TextClassifier": "dmn_keras.tasks.text_classification",
    "TokenTagger": "dmn_keras.tasks.token_tagging",
    "VisualQuestionAnswerer": "dmn_keras.tasks.visual_question_answering",
    "layers": None,
    "losses": None,
    "metrics": None,
    "models": None,
    "train": "dmn_keras.training.trainer",
}
"""Public names and their modules; `None` for a module of that name."""

__all__ = [*_WHERE, "__version__"]


def __dir__():
    return sorted({*globals(), *_WHERE})


def __getattr__(name):
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_WHERE[name] or f"{__name__}.{name}")
    return module if _WHERE[name] is None else getattr(module, name)


# Importing the package registers its layers with Keras, so that saved models load; `dmn-keras --help` need not wait.
if not {"dmn-keras", "dmn_keras"} & {os.path.basename(argument) for argument in sys.orig_argv}:
    from dmn_keras import layers, losses, metrics
    from dmn_keras.tasks import (
        question_answering,
        sequence_transduction,
        text_classification,
        token_tagging,
        visual_question_answering,
    )
