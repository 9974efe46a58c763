"""The bAbI question answering tasks of Weston et al. 2015, version 1.2: parser, reader, TFDS builder.

`parse` reads the text format, `load` finds and reads a file of the released archive, packed or unpacked.
The TFDS builder is `dmn_keras.datasets.babi.babi_qa`, imported only where TensorFlow Datasets is wanted.

Reference: Weston, Bordes, Chopra, Rush, van Merriënboer, Joulin, Mikolov, "Towards AI-Complete Question
Answering: A Set of Prerequisite Toy Tasks", 2015, arXiv:1502.05698.
"""

from dmn_keras.datasets.babi.parser import parse
from dmn_keras.datasets.babi.reader import CONFIGS, DEFAULT_CONFIG, TASKS, TITLES, available_tasks, load, splits

__all__ = ["CONFIGS", "DEFAULT_CONFIG", "TASKS", "TITLES", "available_tasks", "load", "parse", "splits"]
