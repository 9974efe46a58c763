"""Training examples that a generator draws anew in every epoch, along a curriculum."""

from collections.abc import Callable

import keras
import numpy as np

from dmn_keras.datasets.curriculum import Curriculum
from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.layers.checks import non_negative_integer, positive_integer


class Lessons(keras.callbacks.Callback):
    """Draws the examples of each epoch from the lessons of a curriculum.

    It is both the training data of `SequenceTransducer.fit` and one of its callbacks, which passes a lesson when the
    training accuracy of an epoch reaches `pass_score` of the curriculum.

    Args:
        build: Function of an `np.random.Generator` and the settings of a lesson, such as
            `dmn_keras.datasets.algorithmic.copy`.
        curriculum: The `Curriculum`.
        num_examples: Examples of an epoch. Defaults to 1000.
        seed: Non-negative integer; with the epoch it decides what is drawn of a lesson. Defaults to 0.
        epochs_per_lesson: Number of epochs after which a lesson is passed; `None` to pass it by accuracy.

    Attributes:
        curriculum: The curriculum at the lesson of the epoch.

    Raises:
        ValueError: If a number is out of range.

    Example:

    >>> lessons = Lessons(dmn_keras.datasets.algorithmic.copy, Curriculum.growing_lengths(5, 20), num_examples=2)
    >>> [example.task for example in lessons(0)]
    ['copy', 'copy']
    """

    def __init__(
        self,
        build: Callable[..., SequenceTransductionExample],
        curriculum: Curriculum,
        *,
        num_examples: int = 1000,
        seed: int = 0,
        epochs_per_lesson: int | None = None,
    ):
        super().__init__()
        self.build = build
        self.curriculum = curriculum
        self.num_examples = positive_integer("num_examples", num_examples)
        self.seed = non_negative_integer("seed", seed)
        self.epochs_per_lesson = epochs_per_lesson
        if epochs_per_lesson is not None:
            positive_integer("epochs_per_lesson", epochs_per_lesson)

    def __call__(self, epoch: int) -> list[SequenceTransductionExample]:
        """Return the examples of an epoch, counted from 0."""
        if self.epochs_per_lesson is not None:
            self.curriculum = self.curriculum.at_step(epoch, self.epochs_per_lesson)
        rng = np.random.default_rng([self.seed, epoch])
        return [self.build(rng, **self.curriculum.draw(rng)) for _ in range(self.num_examples)]

    def on_epoch_end(self, epoch, logs=None):
        if self.epochs_per_lesson is None:
            self.curriculum = self.curriculum.advance(logs["accuracy"])
