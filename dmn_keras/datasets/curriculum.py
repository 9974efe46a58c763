"""Curricula: lessons of growing difficulty."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmn_keras.datasets.sequences import check_size

__all__ = ["Curriculum"]


@dataclass(frozen=True)
class Curriculum:
    """Lessons of growing difficulty, and how far training has come in them.

    A part of the examples is drawn from earlier lessons, so that they are not forgotten. An object is never changed:
    `advance` and `at_step` return another one.

    Attributes:
        lessons: The settings of each lesson, e.g. `({"length": (1, 5)}, {"length": (1, 10)})`.
        review_fraction: Chance with which `draw` takes an earlier lesson; 0.1 in the DNC paper.
        pass_score: Score at which a lesson is passed; 0.9 in the DNC paper.
        index: Number of the current lesson, from 0.

    Raises:
        ValueError: If there are no lessons, or a number is out of range.

    Example:
        >>> curriculum = Curriculum.growing_lengths(3, 20)
        >>> curriculum.lesson
        {'length': (1, 3)}
        >>> curriculum.advance(score=0.95).lesson
        {'length': (1, 4)}

    Reference: Graves et al. 2016, doi:10.1038/nature20101, Methods (review and passing); Joulin and Mikolov 2015,
    arXiv:1503.01007 (growing lengths).
    """

    lessons: Sequence[Mapping[str, object]]
    review_fraction: float = 0.1
    pass_score: float = 0.9
    index: int = 0

    def __post_init__(self):
        if not self.lessons:
            raise ValueError(f"lessons must have at least one lesson. Received: lessons={self.lessons!r}")
        for name in ("review_fraction", "pass_score"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a number between 0 and 1. Received: {name}={getattr(self, name)!r}")
        if not 0 <= self.index < len(self.lessons):
            raise ValueError(f"index must be from 0 to {len(self.lessons) - 1}. Received: index={self.index!r}")

    @classmethod
    def growing_lengths(cls, first: int, last: int, *, least: int = 1, **options: Any) -> Curriculum:
        """Return the curriculum of lengths from `least` to `first`, to `first + 1`, ..., to `last`.

        Args:
            first: Greatest length of the first lesson.
            last: Greatest length of the last lesson.
            least: Least length of every lesson.
            **options: `review_fraction` and `pass_score`.

        Raises:
            ValueError: Unless `1 <= least <= first <= last`.
        """
        check_size("least", least)
        check_size("first", first, least=least)
        check_size("last", last, least=first)
        return cls(tuple({"length": (least, most)} for most in range(first, last + 1)), **options)

    @property
    def lesson(self) -> Mapping[str, object]:
        """The settings of the current lesson."""
        return self.lessons[self.index]

    @property
    def is_last(self) -> bool:
        """Whether there is no later lesson."""
        return self.index == len(self.lessons) - 1

    def draw(self, rng: np.random.Generator) -> Mapping[str, object]:
        """Return the settings of the next example: the current lesson's or, sometimes, an earlier one's."""
        if self.index and rng.random() < self.review_fraction:
            return self.lessons[int(rng.integers(self.index))]
        return self.lesson

    def advance(self, score: float) -> Curriculum:
        """Return the curriculum at the next lesson if `score` passes this one, else at the same."""
        if score >= self.pass_score and not self.is_last:
            return dataclasses.replace(self, index=self.index + 1)
        return self

    def at_step(self, step: int, steps_per_lesson: int) -> Curriculum:
        """Return the curriculum at the lesson of a training step or epoch, counted from 0, if each takes equally long.

        Raises:
            ValueError: If `step` is negative or `steps_per_lesson` is not positive.
        """
        index = check_size("step", step, least=0) // check_size("steps_per_lesson", steps_per_lesson)
        return dataclasses.replace(self, index=min(index, len(self.lessons) - 1))
