"""Classification of texts: preprocessor, task and answers."""

from dmn_keras.tasks.text_classification.answer import Classification
from dmn_keras.tasks.text_classification.config import TextClassificationConfig
from dmn_keras.tasks.text_classification.preprocessor import TextClassificationPreprocessor
from dmn_keras.tasks.text_classification.task import TextClassifier

__all__ = ["Classification", "TextClassificationConfig", "TextClassificationPreprocessor", "TextClassifier"]
