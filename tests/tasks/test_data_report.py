import dataclasses

import pytest

from dmn_keras.datasets import Example
from dmn_keras.tasks.question_answering import QuestionAnsweringPreprocessor
from dmn_keras.tasks.question_answering.data_report import data_report
from dmn_keras.text import MAX_WORDS

pytestmark = pytest.mark.unit

TRAIN = [
    Example(("Ann is here", "Bob is there"), "Where is Ann?", ("here",), supporting_facts=(0,)),
    Example(("Bob is here", "Ann is there", "Bob is there"), "Where is Ann?", ("there",)),
    Example(("Ann is there",), "Where is Ann?", ("there",)),
]
VALID = [
    Example(("Zoe is here", "Kim is gone"), "Where is Kim?", ("gone",)),
    Example(("Ann is there",), "Where is Ann?", ("there",)),
]


def report(num_placeholders, valid=VALID, max_facts=None):
    preprocessor = QuestionAnsweringPreprocessor(num_placeholders=num_placeholders, min_stories=1, max_facts=max_facts)
    preprocessor.adapt(TRAIN)
    return list(data_report({"a": TRAIN[:2], "b": TRAIN[2:]}, {"a": valid}, preprocessor))


def test_a_report_names_sizes_unseen_words_and_the_error_of_the_commonest_answer():
    sizes, unseen, baseline = report(0)
    assert sizes.startswith("Data: 3 training and 2 validation questions; 1 to 3 facts a story, median 2; ")
    assert sizes.endswith("; 33% of the questions name supporting facts")
    assert unseen == (
        "warning: 3 words of the validation part were never seen in training: zoe, kim, gone; "
        "1 of its 2 answers hold one"
    )
    assert baseline == "Baseline: the commonest answer, 'there', is wrong for 50.0% of the validation part"


def test_stories_that_are_cut_are_counted():
    _, cut, *_ = report(0, max_facts=1)
    assert cut == (
        "warning: 2 of the 3 training questions have more than max_facts=1 facts: the first ones are left out, of 1 "
        "questions with supporting facts"
    )


@pytest.mark.parametrize(("num_placeholders", "crowded"), [(2, True), (3, False)])
def test_of_an_open_vocabulary_a_report_counts_the_questions_with_too_many_unknown_words(num_placeholders, crowded):
    """Words behind the end of what is read of a sentence do not count."""
    long = " ".join(["here"] * MAX_WORDS + ["kim", "zoe", "gone"])
    _, *warnings, _ = report(num_placeholders, [*VALID[:1], dataclasses.replace(VALID[1], question=long)])
    expected = (
        "warning: 1 of the 2 validation questions have more unknown words than num_placeholders=2: the others are one "
        "word to the model"
    )
    assert warnings == [expected] * crowded
