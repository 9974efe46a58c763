"""Visual question answering: preprocessor, task and answers."""

from dmn_keras.tasks.visual_question_answering.answer import VisualAnswer, answer_text
from dmn_keras.tasks.visual_question_answering.config import VisualQuestionAnsweringConfig
from dmn_keras.tasks.visual_question_answering.preprocessor import VisualQuestionAnsweringPreprocessor
from dmn_keras.tasks.visual_question_answering.task import VisualQuestionAnswerer

__all__ = [
    "VisualAnswer",
    "VisualQuestionAnswerer",
    "VisualQuestionAnsweringConfig",
    "VisualQuestionAnsweringPreprocessor",
    "answer_text",
]
