"""Question answering about stories: preprocessor, task and answers."""

from dmn_keras.tasks.question_answering.answer import Answer, answer_text, attention_table, evidence_text
from dmn_keras.tasks.question_answering.calibration import Calibration
from dmn_keras.tasks.question_answering.preprocessor import QuestionAnsweringPreprocessor
from dmn_keras.tasks.question_answering.task import QuestionAnswerer

__all__ = [
    "Answer",
    "Calibration",
    "QuestionAnswerer",
    "QuestionAnsweringPreprocessor",
    "answer_text",
    "attention_table",
    "evidence_text",
]
