"""The answers are checked by a solver that knows the pixels and the question alone."""

import collections
import re

import numpy as np
import pytest

from dmn_keras.datasets import sort_of_clevr


def objects_in(image):
    """Return `{color: (shape, row, column)}`, as seen in the image."""
    found = {}
    for color, rgb in sort_of_clevr.COLORS.items():
        rows, columns = np.nonzero((image == rgb).all(axis=-1))
        box = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
        assert box == 11 * 11, "an object is seen whole"
        assert 37 not in (rows.mean(), columns.mean()), "an object is on one side of the middle"
        found[color] = ("square" if len(rows) == box else "circle", rows.mean(), columns.mean())
    return found


def solve(objects, question):
    [color] = re.findall("|".join(objects), question)
    shape, row, column = objects[color]
    others = [objects[other] for other in objects if other != color]
    by_distance = sorted(others, key=lambda other: np.hypot(other[1] - row, other[2] - column))
    if "closest" in question:
        return by_distance[0][0]
    if "farthest" in question:
        return by_distance[-1][0]
    if "How many" in question:
        return str(1 + sum(other[0] == shape for other in others))
    if "left" in question:
        return "yes" if column < 37 else "no"
    if "top" in question:
        return "yes" if row < 37 else "no"
    return shape


@pytest.fixture(scope="module")
def examples():
    return sort_of_clevr.load("train", num_examples=1000)


def test_every_answer_follows_from_the_image(examples):
    objects = [objects_in(example.image) for example in examples[::20]]
    solved = [solve(objects[example.image_id], example.question) for example in examples]
    assert solved == [example.answer for example in examples]


def test_each_image_has_ten_different_questions_of_each_kind(examples):
    for image_id in range(50):
        about = examples[20 * image_id : 20 * image_id + 20]
        assert {example.image_id for example in about} == {image_id}
        assert len({id(example.image) for example in about}) == 1
        assert collections.Counter(example.task for example in about) == {"relational": 10, "non-relational": 10}
        assert len({example.question for example in about}) == 20
        relational = [any(word in e.question for word in ("closest", "farthest", "many")) for e in about]
        assert relational == [example.task == "relational" for example in about]


def test_images_are_read_only_arrays_of_six_objects_on_white(examples):
    image = examples[0].image
    assert image.shape == (75, 75, 3)
    assert image.dtype == np.uint8
    colors = {tuple(rgb) for rgb in image.reshape(-1, 3).tolist()}
    assert colors == {*sort_of_clevr.COLORS.values(), (255, 255, 255)}
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 0


def test_all_questions_and_answers_occur(examples):
    forms = {form for forms in sort_of_clevr.QUESTIONS.values() for form in forms}
    texts = {form.format(color) for form in forms for color in sort_of_clevr.COLORS}
    assert len(texts) == 36
    assert {example.question for example in examples} == texts
    numbers = [str(count) for count in range(1, 7)]
    assert {example.answer for example in examples} == {"square", "circle", "yes", "no", *numbers}
    answers = collections.Counter(example.answer for example in examples if "left" in example.question)
    assert 0.35 < answers["yes"] / answers.total() < 0.65


def images(split, seed, num_examples):
    loaded = sort_of_clevr.load(split, seed=seed, num_examples=num_examples)
    return [(example.image.tobytes(), example.question, example.answer) for example in loaded]


def test_seed_and_split_choose_the_images():
    first = images("train", 0, 45)
    assert len(first) == 45
    assert first == images("train", 0, 60)[:45]
    others = [images("valid", 0, 45), images("test", 0, 45), images("train", 1, 45)]
    assert len({image for examples in (first, *others) for image, _, _ in examples}) == 4 * 3


def test_a_split_has_its_number_of_images_by_default(monkeypatch):
    monkeypatch.setitem(sort_of_clevr.NUM_IMAGES, "valid", 3)
    assert len(sort_of_clevr.load("valid")) == 60
