import numpy as np
import pytest

from dmn_keras.datasets.curriculum import Curriculum


def test_lengths_grow_by_one():
    curriculum = Curriculum.growing_lengths(3, 5, least=2)
    assert [lesson["length"] for lesson in curriculum.lessons] == [(2, 3), (2, 4), (2, 5)]


def test_score_advances_to_the_last_lesson_and_no_further():
    curriculum = Curriculum.growing_lengths(1, 2)
    assert curriculum.advance(0.89) == curriculum
    last = curriculum.advance(0.9)
    assert (last.index, last.is_last, curriculum.is_last) == (1, True, False)
    assert last.advance(1.0) == last
    assert Curriculum.growing_lengths(1, 2, pass_score=0.5).advance(0.6).index == 1


def test_lesson_of_a_step():
    curriculum = Curriculum.growing_lengths(1, 3)
    assert [curriculum.at_step(step, 2).index for step in range(8)] == [0, 0, 1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5])
def test_fraction_of_earlier_lessons(fraction):
    curriculum = Curriculum.growing_lengths(1, 4, review_fraction=fraction).at_step(2, 1)
    rng = np.random.default_rng(0)
    drawn = [curriculum.draw(rng)["length"][1] for _ in range(4000)]
    assert np.mean([length < 3 for length in drawn]) == pytest.approx(fraction, abs=0.03)
    assert set(drawn) == ({1, 2, 3} if fraction else {3})


def test_first_lesson_has_none_before_it():
    curriculum = Curriculum.growing_lengths(1, 4, review_fraction=1.0)
    assert curriculum.draw(np.random.default_rng(0)) == {"length": (1, 1)}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Curriculum(()), "lessons must have at least one"),
        (lambda: Curriculum(({},), review_fraction=1.5), "review_fraction must be .* Received: review_fraction=1.5"),
        (lambda: Curriculum(({},), pass_score=-1), "pass_score must be"),
        (lambda: Curriculum(({},), index=1), "index must be from 0 to 0"),
        (lambda: Curriculum.growing_lengths(5, 4), "last must be an integer of at least 5"),
        (lambda: Curriculum.growing_lengths(2, 4, least=0), "least must be"),
        (lambda: Curriculum(({},)).at_step(-1, 1), "step must be"),
        (lambda: Curriculum(({},)).at_step(0, 0), "steps_per_lesson must be"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=message):
        build()
