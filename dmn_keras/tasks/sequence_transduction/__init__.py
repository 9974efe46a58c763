"""Sequence transduction: task, preprocessor, answers, curricula and pictures."""

from dmn_keras.tasks.sequence_transduction.answer import SequenceAnswer
from dmn_keras.tasks.sequence_transduction.config import SequenceTransductionConfig
from dmn_keras.tasks.sequence_transduction.lengths import length_table, plot_lengths, score_by_length
from dmn_keras.tasks.sequence_transduction.lessons import Lessons
from dmn_keras.tasks.sequence_transduction.memory_plot import memory_over_time, plot_memory
from dmn_keras.tasks.sequence_transduction.preprocessor import SequenceTransductionPreprocessor
from dmn_keras.tasks.sequence_transduction.task import SequenceTransducer

__all__ = [
    "Lessons",
    "SequenceAnswer",
    "SequenceTransducer",
    "SequenceTransductionConfig",
    "SequenceTransductionPreprocessor",
    "length_table",
    "memory_over_time",
    "plot_lengths",
    "plot_memory",
    "score_by_length",
]
