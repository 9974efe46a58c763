import dataclasses

import pytest

from dmn_keras.asking import Answer, Answerer, answer_text, attention_table, evidence_text, plot_attention
from dmn_keras.training.data import Source
from dmn_keras.training.fit import build, make_recipe
from dmn_keras.training.run_folder import RunFolder
from tests.layers.helpers import randomize
from tests.training.runs import eagerly, own_data, tiny, without_tracing

pytestmark = without_tracing
ANSWER = Answer("the park", 0.75, ("Mary park.", "John home."), ((0.9, 0.1), (0.25, 0.75)), ())


@pytest.fixture(autouse=True)
def _eager():
    with eagerly():
        yield


def answerer(folder, **settings):
    """A model with random weights in a run folder, ready to be asked."""
    source = own_data(folder / "data")
    recipe = make_recipe(Source("jsonl", ("all",)), tiny(**settings), source.load("train")["all"])
    run = RunFolder(folder / "run")
    run.create(recipe)
    model = randomize(build(recipe))
    model.optimizer.build(model.trainable_variables)  # as training does before anything is saved
    run.save_model(model)
    return Answerer(run.path)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return answerer(tmp_path_factory.mktemp("asked"), num_passes=2)


def test_a_text_is_asked_about_as_its_sentences_are(asked):
    answer = asked.ask("Mary park. John home.\nBill office", "Where is John?")
    assert answer.facts == ("Mary park.", "John home.", "Bill office")
    assert answer == asked.ask(["Mary park.", "John home.", "Bill office"], "Where is John?")
    assert [len(gates) for gates in answer.gates] == [3, 3]
    for gates in answer.gates:
        assert sum(gates) == pytest.approx(1.0, abs=1e-5)
    assert 0 < answer.probability <= 1
    assert answer.unknown_words == ()


def test_a_wider_search_gives_the_next_likeliest_answers(asked):
    answer = asked.ask("Mary park.", "Where is Mary?", beam_width=3)
    assert asked.ask("Mary park.", "Where is Mary?").others == ()
    texts, probabilities = zip(*answer.others, strict=True)
    assert len({answer.answer, *texts}) == 3
    assert answer.probability >= probabilities[0] >= probabilities[1] > 0


def test_blank_sentences_are_no_facts(asked):
    assert asked.ask(["", "Mary park.", " . "], "Where is Mary?").facts == ("Mary park.",)


def test_unknown_words_are_named_and_read_as_one(asked):
    answer = asked.ask("Zoe park. Mary kitchen.", "Where is Zoe or Mary?")
    assert answer.unknown_words == ("zoe", "kitchen", "or")
    other = asked.ask("Ann park. Mary cellar.", "Where is Ann xor Mary?")
    assert other.gates == answer.gates
    assert asked.ask("John park. Mary kitchen.", "Where is John or Mary?").gates != answer.gates


@pytest.mark.parametrize("story", ["", " \n ", "...", [], ["", "?"]])
def test_an_empty_story_is_refused(story, asked):
    with pytest.raises(ValueError, match=r"story must hold at least one word\. Received an empty story"):
        asked.ask(story, "Where is Mary?")


@pytest.mark.parametrize("question", ["", " ?"])
def test_an_empty_question_is_refused(question, asked):
    with pytest.raises(ValueError, match=r"question must hold at least one word\. Received: "):
        asked.ask("Mary park.", question)


@pytest.mark.parametrize("beam_width", [0, -1, 1.5])
def test_beam_width_is_checked(beam_width, asked):
    with pytest.raises(ValueError, match=f"beam_width must be a positive integer. Received: beam_width={beam_width}"):
        asked.ask("Mary park.", "Where is Mary?", beam_width=beam_width)


def test_only_the_facts_that_were_read_are_shown(tmp_path):
    answer = answerer(tmp_path, max_facts=2).ask("Mary park. John home. Bill office.", "Where is John?")
    assert answer.facts == ("John home.", "Bill office.")
    assert [len(gates) for gates in answer.gates] == [2]


def test_facts_of_words_are_shown_as_words(tmp_path):
    made = answerer(tmp_path, fact_level="word", fact_encoder="sentence")
    answer = made.ask("Mary park. Zoe home.", "Where is Mary?")
    assert answer.facts == ("mary", "park", "<end>", "<unknown>", "home", "<end>")
    assert [len(gates) for gates in answer.gates] == [6]


def test_without_calibration_every_answer_is_known(asked):
    answer = asked.ask("Mary park.", "Where is Mary?")
    assert (answer.confidence, answer.known) == (None, True)
    with pytest.raises(ValueError, match="min_confidence needs a calibrated run"):
        asked.ask("Mary park.", "Where is Mary?", min_confidence=0.5)


@pytest.mark.parametrize(
    ("gates", "evidence"),
    [
        (((0.9, 0.1, 0.0), (0.25, 0.3, 0.45)), ((0,), (0, 1, 2))),
        (((0.0, 0.0, 0.0),), ((),)),
        (((0.2, 0.1, 0.7), (0.5, 0.0, 0.5)), ((2,), (0, 2))),
    ],
)
def test_evidence_is_what_a_pass_attends_to_most(gates, evidence):
    answer = dataclasses.replace(ANSWER, facts=("A.", "B.", "C."), gates=gates)
    assert answer.evidence == answer.to_dict()["evidence"] == evidence


def test_evidence_is_named():
    assert evidence_text(ANSWER) == "pass 1: Mary park.\npass 2: John home."
    assert evidence_text(dataclasses.replace(ANSWER, gates=((0.0, 0.0), (0.5, 0.4)))).splitlines() == [
        "pass 1: nothing",
        "pass 2: Mary park. | John home.",
    ]


def test_an_answer_is_said_by_its_confidence():
    assert answer_text(ANSWER) == "the park (probability 0.750)"
    sure = dataclasses.replace(ANSWER, confidence=0.9)
    assert answer_text(sure) == "the park (confidence 0.900)"
    unsure = dataclasses.replace(ANSWER, confidence=0.2, known=False)
    assert answer_text(unsure) == "I do not know (best guess: the park, confidence 0.200)"


def test_table():
    assert attention_table(ANSWER).splitlines() == [
        "            pass 1  pass 2",
        "Mary park.   0.90<   0.25",
        "John home.   0.10    0.75<",
    ]


@pytest.mark.parametrize("answer", [ANSWER, Answer("", 0.5, tuple("abcde" * 10), ((0.02,) * 50,), ())])
def test_plot_writes_a_picture(answer, tmp_path):
    plot_attention(answer, "Where is $Mary?", tmp_path / "gates.png")
    assert (tmp_path / "gates.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 1


def test_plot_of_an_unknown_kind_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="Format 'xyz' is not supported"):
        plot_attention(ANSWER, "Where?", tmp_path / "gates.xyz")
    assert not list(tmp_path.iterdir())
