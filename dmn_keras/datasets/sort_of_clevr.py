"""Sort-of-CLEVR: questions about images of coloured squares and circles, generated.

Reference: Santoro, Raposo, Barrett, Malinowski, Pascanu, Battaglia, Lillicrap, "A simple neural network module for
relational reasoning", 2017, arXiv:1706.01427. Deviations: objects do not overlap, so that each can be seen whole; no
object has two others at the same distance, so that the closest and the farthest one are unique; none is in the middle
between left and right or top and bottom; the questions are English sentences, and those about an image are different.
"""

import os

import numpy as np

from dmn_keras.datasets.checks import SPLITS, check_split
from dmn_keras.datasets.example import VisualQuestionAnsweringExample

COLORS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "orange": (255, 156, 0),
    "gray": (128, 128, 128),
    "yellow": (255, 255, 0),
}
"""Color of each object -> its RGB values. An image has one object of each."""
SHAPES = ("square", "circle")
NUM_IMAGES = {"train": 9800, "valid": 200, "test": 1000}
QUESTIONS_PER_KIND = 10
"""Number of relational questions about an image, and of non-relational ones."""
IMAGE_SIZE = 75
RADIUS = 5
"""Pixels between the center of an object and its outermost ones: squares and circles are 11 pixels wide."""

QUESTIONS = {
    "non-relational": (
        "What is the shape of the {} object?",
        "Is the {} object on the left?",
        "Is the {} object at the top?",
    ),
    "relational": (
        "What is the shape of the object closest to the {} object?",
        "What is the shape of the object farthest from the {} object?",
        "How many objects have the shape of the {} object?",
    ),
}
"""Kind of question -> its forms, each with a color to fill in."""

_OFFSETS = np.arange(-RADIUS, RADIUS + 1)
_MASKS = np.stack(
    [np.full((2 * RADIUS + 1, 2 * RADIUS + 1), True), np.add.outer(_OFFSETS**2, _OFFSETS**2) < (RADIUS + 0.5) ** 2]
)  # (shapes, rows, columns)


def load(
    split: str,
    *,
    config: None = None,
    data_dir: str | os.PathLike | None = None,
    seed: int = 0,
    num_examples: int | None = None,
) -> list[VisualQuestionAnsweringExample]:
    """Generate one split: for each image ten non-relational questions, then ten relational ones.

    The answers are `"square"` and `"circle"`; `"yes"` and `"no"`, by the half of the image that has the object's
    center; and the numbers `"1"` to `"6"`, the object of the question counted.

    Args:
        split: `"train"`, `"valid"` or `"test"`, each with images of its own.
        config: None: there is only one.
        data_dir: Not used.
        seed: Non-negative integer. The same arguments give the same examples.
        num_examples: Number of questions, twenty for an image; None for those of `NUM_IMAGES`. Fewer are the first ones
            of more.

    Returns:
        A list of `VisualQuestionAnsweringExample`, `image` a read-only uint8 array `(75, 75, 3)` that the questions of
        an image share, `task` `"relational"` or `"non-relational"`.

    Raises:
        ValueError: If an argument is unknown or out of range.
    """
    check_split(split, num_examples, seed)
    if config is not None:
        raise ValueError(f"config must be None for sort_of_clevr. Received: config={config!r}.")
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    examples = []
    num_examples = num_examples or NUM_IMAGES[split] * QUESTIONS_PER_KIND * len(QUESTIONS)
    image_id = 0
    while len(examples) < num_examples:
        centers, shapes = _centers(rng), rng.integers(len(SHAPES), size=len(COLORS))
        image, answers = _draw(centers, shapes), _answers(centers, shapes)
        for task, forms in QUESTIONS.items():
            for number in rng.permutation(len(forms) * len(COLORS))[:QUESTIONS_PER_KIND].tolist():
                form, color = divmod(number, len(COLORS))
                question = forms[form].format(tuple(COLORS)[color])
                answer = answers[task][form][color]
                examples.append(VisualQuestionAnsweringExample(image, question, answer, task, image_id))
        image_id += 1
    return examples[:num_examples]


def _centers(rng):
    """Return the row and the column of each object's center, int64 `(objects, 2)`."""
    while True:
        centers = np.empty((0, 2), int)
        while len(centers) < len(COLORS):
            center = rng.integers(RADIUS, IMAGE_SIZE - RADIUS, size=(1, 2))
            overlaps = (abs(centers - center).max(axis=1) <= 2 * RADIUS).any()
            if not overlaps and IMAGE_SIZE // 2 not in center:
                centers = np.concatenate([centers, center])
        if (np.diff(np.sort(_squared_distances(centers), axis=1), axis=1) > 0).all():
            return centers


def _squared_distances(centers):
    return ((centers[:, None, :] - centers[None, :, :]) ** 2).sum(axis=-1)  # (objects, objects)


def _draw(centers, shapes):
    image = np.full((IMAGE_SIZE, IMAGE_SIZE, 3), 255, np.uint8)
    for (row, column), shape, color in zip(centers, shapes, COLORS.values(), strict=True):
        box = image[row - RADIUS : row + RADIUS + 1, column - RADIUS : column + RADIUS + 1]
        box[_MASKS[shape]] = color
    image.flags.writeable = False
    return image


def _answers(centers, shapes):
    """Return the answers to all questions about an image: kind -> for each form, the answer for each color."""
    by_distance = np.argsort(_squared_distances(centers), axis=1)  # the object itself comes first
    names = np.array(SHAPES)[shapes]
    in_first_half = np.where(centers < IMAGE_SIZE // 2, "yes", "no")
    counts = (shapes[:, None] == shapes[None, :]).sum(axis=1)
    return {
        "non-relational": (names.tolist(), in_first_half[:, 1].tolist(), in_first_half[:, 0].tolist()),
        "relational": (names[by_distance[:, 1]].tolist(), names[by_distance[:, -1]].tolist(), [*map(str, counts)]),
    }
