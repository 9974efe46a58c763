import dataclasses
import json
import math

import pytest
from matplotlib.mathtext import MathTextParser

from dmn_keras.inference.attention_plot import plot_attention
from dmn_keras.long_context.story_index import StoryIndex, write_index
from dmn_keras.tasks.question_answering import Answer, Calibration, answer_text, attention_table, evidence_text
from dmn_keras.tasks.question_answering.retrieval import StoryRetriever
from dmn_keras.text import Vocabulary
from tests.layers.helpers import randomize
from tests.long_stories import QUESTION, long_story, task_with_retriever
from tests.tasks.answers import assert_same_answer
from tests.training.runs import in_eager_steps, own_data, tiny_task, without_tracing

pytestmark = [without_tracing, in_eager_steps]
ANSWER = Answer("the park", 0.75, ("Mary park.", "John home."), ((0.9, 0.1), (0.25, 0.75)), ())


def answerer(folder, **settings):
    """A task with random weights."""
    qa = tiny_task(own_data(folder / "data").load("train")["all"], **settings)
    randomize(qa.network)
    return qa


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


def test_unknown_words_are_named_and_read_as_one(asked):
    answer = asked.ask("Zoe park. Mary kitchen.", "Where is Zoe or Mary?")
    assert answer.unknown_words == ("zoe", "kitchen", "or")
    other = asked.ask("Ann park. Mary cellar.", "Where is Ann xor Mary?")
    assert other.gates == answer.gates
    assert asked.ask("John park. Mary kitchen.", "Where is John or Mary?").gates != answer.gates


@pytest.mark.parametrize(
    ("story", "question", "options", "message"),
    [
        *((story, "Who?", {}, r"story must .* an empty story") for story in ("", " \n ", "...", [], ["", "?"])),
        *(("Mary park.", question, {}, "question must hold at least one word. Received: ") for question in ("", " ?")),
        *(
            ("Mary park.", "Who?", {"beam_width": k}, f"beam_width must be .* beam_width={k}")
            for k in (0, -1, 1.5, 1000)
        ),
        ("Mary park.", "Who?", {"min_confidence": 0.5}, "min_confidence needs a calibrated model"),
    ],
)
def test_mistakes_are_named(story, question, options, message, asked):
    with pytest.raises(ValueError, match=message):
        asked.ask(story, question, **options)


def test_mistakes_in_asking_an_index(asked, retrieving, tmp_path):
    with pytest.raises(ValueError, match=r"An index is for a model with a retriever \(max_retrieved_facts\)"):
        asked.ask_index(StoryIndex(tmp_path), QUESTION)
    with pytest.raises(FileNotFoundError, match="does not hold an index"):
        retrieving.ask_index(StoryIndex(tmp_path), QUESTION)


def test_a_fact_of_a_list_stays_one(asked):
    assert asked.ask(["", "Mary park.", " . "], "Where is Mary?").facts == ("Mary park.",)
    assert asked.ask(["Mary park. John home.", "Mr. Bill"], "Where?").facts == ("Mary park. John home.", "Mr. Bill")
    assert asked.ask("Mr. Mary park. Dr. John home.", "Where?").facts == ("Mr. Mary park.", "Dr. John home.")


@pytest.mark.slow
def test_a_sentence_that_is_cut_is_counted(asked):
    long = "Mary " * 300
    assert asked.ask([long, "John home."], long).to_dict()["num_cut"] == 2
    assert asked.ask("Mary park.", "Where is Mary?").num_cut == 0


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory):
    """A model that is as sure of each answer as it can be."""
    made = answerer(tmp_path_factory.mktemp("calibrated"), fact_encoder="sentence", gate="sigmoid")
    made.calibration = Calibration(scale=0.0, shift=4.0)
    return made


@pytest.mark.parametrize(
    ("story", "question", "number"),
    [
        ("Mary park. John home.", "Where is Mary?", 0),
        ("Zoe park. Zoe\u0308 home.", "Where is Mary?", 2),
        ("Zoe park. John home.", "Where is Zoe?", 1),
        ("Zoe park. Xander home.", "Where is ZOE?", 2),
        ("Mary park. John home.", "Where is Zoe, Yuri?", 3),
    ],
)
def test_unknown_words_that_cannot_be_distinguished_share_the_confidence(story, question, number, calibrated):
    answer = calibrated.ask(story, question)
    evidence = {i for facts in dataclasses.replace(answer, known=True).evidence for i in facts}
    words = calibrated.vocabulary.unknown_words([question, *(answer.facts[i] for i in evidence)])
    assert len(words) <= number
    assert answer.confidence == pytest.approx(1 / (1 + math.exp(-4)) / max(len(words), 1))
    assert answer.known == (len(words) < 2)


def test_only_the_facts_that_were_read_are_shown_and_answers_are_written_as_in_the_data(tmp_path):
    made = answerer(tmp_path, max_facts=2)
    words = made.vocabulary.words[3:]
    made.preprocessor.vocabulary = Vocabulary(words, [word.upper() for word in words])
    answer = made.ask("Mary park. John home. Bill office.", "Where is John?", beam_width=2)
    assert answer.facts == ("John home.", "Bill office.")
    assert [len(gates) for gates in answer.gates] == [2]
    assert (answer.answer + answer.others[0][0]).isupper()


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


def test_answer_evidence_and_attention_as_text():
    assert evidence_text(ANSWER) == "pass 1: Mary park.\npass 2: John home."
    spread = dataclasses.replace(ANSWER, gates=((0.0, 0.0), (0.5, 0.4)))
    assert evidence_text(spread) == "pass 1: nothing\npass 2: Mary park. | John home."
    assert answer_text(ANSWER) == "the park (probability 0.750)"
    assert answer_text(dataclasses.replace(ANSWER, confidence=0.9)) == "the park (confidence 0.900)"
    unsure = dataclasses.replace(ANSWER, confidence=0.2, known=False)
    assert answer_text(unsure) == "I do not know (best guess: the park, confidence 0.200)"
    assert attention_table(ANSWER).splitlines() == [
        "            pass 1  pass 2",
        "Mary park.   0.90<   0.25",
        "John home.   0.10    0.75<",
    ]


@pytest.mark.parametrize("answer", [ANSWER, Answer("", 0.5, tuple("abcde" * 10), ((0.02,) * 50,), ())])
def test_plot_writes_a_picture_or_nothing(answer, tmp_path):
    with pytest.raises(ValueError, match="Format 'xyz' is not supported"):
        plot_attention(answer, "Where?", tmp_path / "gates.xyz")
    plot_attention(answer, "Where is $Mary?", tmp_path / "gates.png")
    assert (tmp_path / "gates.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(tmp_path.iterdir())) == 1


def test_dollar_signs_are_drawn_as_they_are(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(MathTextParser, "parse", lambda self, text, *more: drawn.append(text) or 1 / 0)
    answer = dataclasses.replace(ANSWER, answer="$5", facts=("From $5 {sale to $4.", "$10, #3 $9_"))
    plot_attention(answer, "Is it $5 or $7?", tmp_path / "gates.png")
    assert not drawn


@pytest.fixture(scope="module")
def retrieving(tmp_path_factory):
    """A model that retrieves a few facts of a story."""
    return task_with_retriever(tmp_path_factory.mktemp("retrieving"))


def test_a_long_story_is_answered_as_if_it_were_read_at_once(retrieving, monkeypatch):
    story = long_story()
    in_pieces = StoryRetriever(retrieving.network, retrieving.vocabulary, chunk=7)
    monkeypatch.setitem(retrieving.__dict__, "retriever", in_pieces)
    answer = retrieving.ask(story, QUESTION)
    [whole] = retrieving.predict({"story": [story], "question": [QUESTION]})
    assert answer.facts == tuple(story[i] for i in answer.positions)
    assert (len(answer.facts), answer.num_facts) == (8, len(story))
    assert_same_answer(answer, whole)


def test_a_story_without_a_fact_that_matters(tmp_path):
    closed = task_with_retriever(tmp_path, gate_bias=-100.0)
    answer = closed.ask(long_story(), "Where is the whale?")
    [whole] = closed.predict({"story": [long_story()], "question": ["Where is the whale?"]})
    assert_same_answer(answer, whole)
    assert (answer.facts, answer.positions, answer.gates) == ((), (), ((), ()))
    assert answer.num_facts == len(long_story())
    assert answer.unknown_words == ("the", "whale")
    assert evidence_text(answer) == "pass 1: nothing\npass 2: nothing"
    assert attention_table(answer) == "  pass 1  pass 2"
    with pytest.raises(ValueError, match="answer must have facts for a heat map"):
        plot_attention(answer, QUESTION, tmp_path / "gates.png")


@pytest.mark.slow
def test_a_story_may_be_text_sentences_a_file_or_an_index(retrieving, tmp_path):
    story = long_story()
    (tmp_path / "story.txt").write_text("\n".join(story))
    expected = retrieving.ask(story, QUESTION)
    assert retrieving.ask("\n".join(story), QUESTION) == expected
    assert retrieving.ask(iter(story), QUESTION) == expected
    assert retrieving.ask(tmp_path / "story.txt", QUESTION) == expected
    write_index(retrieving.retriever, tmp_path / "story.txt", tmp_path / "index")
    assert retrieving.ask_index(StoryIndex(tmp_path / "index"), QUESTION) == expected
    assert json.loads(json.dumps(expected.to_dict()))["positions"] == list(expected.positions)


def test_a_file_is_a_story_for_every_model(asked, tmp_path):
    (tmp_path / "story.txt").write_text("Mary park. John home.\nBill office")
    expected = asked.ask("Mary park. John home.\nBill office", "Where is John?")
    assert asked.ask(tmp_path / "story.txt", "Where is John?") == expected
    assert (expected.positions, expected.num_facts) == (None, None)
    with pytest.raises(FileNotFoundError):
        asked.ask(tmp_path / "nothing.txt", "Where is John?")


def test_only_the_unknown_words_of_what_is_retrieved_are_named(retrieving):
    answer = retrieving.ask([*long_story(), "Zanzibar.", "Mary park."], "Where is the ship?")
    words = {word for fact in answer.facts for word in ("whale", "ship", "zanzibar") if word in fact.lower()}
    assert set(answer.unknown_words) == words | {"the", "ship"}
    assert "zanzibar" not in words


def test_facts_of_a_long_story_are_shown_with_their_numbers(tmp_path):
    long = dataclasses.replace(ANSWER, facts=("Mary park.", "word " * 40), positions=(3, 411_999), num_facts=500_000)
    table = attention_table(long).splitlines()
    assert table[1].startswith("[4] Mary park.  ")
    assert table[2].startswith("[412,000] word word")
    assert max(map(len, table)) < 140
    assert evidence_text(long).splitlines()[0] == "pass 1: [4] Mary park."
    plot_attention(long, QUESTION, tmp_path / "gates.png")
    assert (tmp_path / "gates.png").exists()
