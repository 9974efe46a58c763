"""A tag for each word: preprocessor, task and answers."""

from dmn_keras.tasks.token_tagging.answer import Tagging
from dmn_keras.tasks.token_tagging.config import TokenTaggingConfig
from dmn_keras.tasks.token_tagging.preprocessor import TokenTaggingPreprocessor
from dmn_keras.tasks.token_tagging.task import TokenTagger

__all__ = ["Tagging", "TokenTagger", "TokenTaggingConfig", "TokenTaggingPreprocessor"]
