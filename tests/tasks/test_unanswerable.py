import numpy as np
import pytest

from dmn_keras.datasets import Example
from dmn_keras.models import answering_model, dmn
from dmn_keras.tasks.question_answering.unanswerable import common_words, unanswerable, without_answer
from dmn_keras.text import UNKNOWN_ID
from tests.layers.helpers import numpy
from tests.training.runs import own_data, tiny_task

STORY = ("Mary went to the park.", "John went to the office.", "Mary got the apple.", "Bill got the milk.")
WORDS = {"went", "to", "the", "got"}


def test_common_words_are_those_of_many_sentences():
    assert common_words([Example(STORY, "Where is Mary?"), Example(STORY[:2], "")]) == {"went", "to", "the", "mary"}
    assert common_words([Example(STORY, "")]) == {*WORDS, "mary"}


@pytest.mark.parametrize(
    ("question", "facts", "left"),
    [
        ("Where is Mary?", (0,), (1, 3)),
        ("Where is the apple?", (2, 0), (1, 3)),
        ("Where is Bill?", (), (0, 1, 2)),
        ("Who went to the pool?", (), None),
        ("Where are Mary, John and Bill?", (), None),
    ],
)
def test_what_a_question_needs_is_left_out(question, facts, left):
    cut = without_answer(Example(STORY, question, ("park",), facts), WORDS)
    if left is None:
        assert cut is None
    else:
        assert cut == Example(tuple(STORY[i] for i in left), question, ("park",), ())


LONGER = (*STORY, "Sandra got the football.", "Daniel went to the hall.")
EXAMPLES = [
    Example(LONGER, f"Where is {name}?", ("park",), (0,), story_id=i) for i, name in enumerate(["Mary", "John"] * 20)
]


def test_a_share_of_the_questions_is_asked_of_stories_without_what_they_name():
    made = unanswerable(EXAMPLES, 0.5, seed=0)
    assert len(made) == 20
    for example in made:
        name = example.question.split()[2].strip("?")
        assert (example.answer, example.supporting_facts) == ((), ())
        assert not any(name in sentence for sentence in example.story)
        assert "Bill got the milk." in example.story
    assert made == unanswerable(EXAMPLES, 0.5, seed=0)
    assert made != unanswerable(EXAMPLES, 0.5, seed=1)
    assert unanswerable(EXAMPLES, 0.0, seed=0) == []


def test_their_answer_is_the_unknown_word_and_only_training_has_them(tmp_path):
    source = own_data(tmp_path)
    examples = source.load("train")
    plain, features = (
        task.encoded_batches(task.encode_training(examples)).features
        for task in (
            tiny_task(examples["all"], supervise_gates=True, unanswerable_fraction=fraction) for fraction in (0.0, 1.0)
        )
    )
    added = slice(len(plain), None)
    assert features.inputs["story"][: len(plain)] == plain.inputs["story"]
    assert len(features) > len(plain)
    assert set(features.targets["answer"][added]) == {UNKNOWN_ID}
    assert all((targets == -1).all() for targets in features.targets["gate_logits"][added])


@pytest.mark.parametrize("answer_words", [None, 2])
def test_the_unknown_word_is_never_said_and_keeps_its_probability(answer_words):
    model = dmn(9, 4, answer_words=answer_words)
    logits = model.get_layer("answer_decoder").logits
    logits.bias.assign([0, 9, 0, 0, 3, 0, 0, 0, 0])
    asked = {"story": np.int32([[[4, 5]], [[6, 7]]]), "question": np.int32([[4], [5]])}
    freely, otherwise = (numpy(answering_model(model, suppress_tokens=tokens)(asked)) for tokens in ((), (UNKNOWN_ID,)))
    assert (freely["words"][:, 0] == UNKNOWN_ID).all()
    assert not (otherwise["words"] == UNKNOWN_ID).any()
    assert (otherwise["log_probability"] < -3).all()
