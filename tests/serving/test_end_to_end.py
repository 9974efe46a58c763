"""Everything a client does, from text to answer: against a real TF Serving where there is one.

    DMN_KERAS_SERVER=grpc://localhost:8500,http://localhost:8501 pytest tests/serving/test_end_to_end.py

It is expected to serve the model that comes with the package, as `babi-joint` (`saved_models/README.md`) or under the
name in `DMN_KERAS_SERVER_MODEL`. Without an address the same tests ask the stand-in.
"""

import concurrent.futures
import os

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("served by TensorFlow alone", allow_module_level=True)
pytest.importorskip("tensorflow_serving.apis")

from dmn_keras.serving import SAMPLES, Client
from tests.serving.server import serving

pytestmark = pytest.mark.xdist_group("export")
ADDRESSES = os.environ.get("DMN_KERAS_SERVER", "").split(",")
MODEL = os.environ.get("DMN_KERAS_SERVER_MODEL", "babi-joint")
ASKED = [("\n".join(example.story), example.question) for example in SAMPLES]


@pytest.fixture(scope="module")
def answerer(pretrained):
    return pretrained[0]


@pytest.fixture(scope="module")
def addresses(pretrained):
    """The server's addresses."""
    if ADDRESSES != [""]:
        yield ADDRESSES
        return
    with serving(pretrained[1].parents[1]) as (_, addresses):
        yield addresses


@pytest.fixture(params=range(len(ADDRESSES) if ADDRESSES != [""] else 2))
def client(request, addresses):
    with Client(addresses[request.param], MODEL, timeout=60) as made:
        yield made


def test_a_version_is_available(client):
    assert "AVAILABLE" in client.status().values()


def test_answers_and_evidence_are_those_of_the_pretrained_folder(client, answerer):
    for (story, question), answer in zip(ASKED, client.ask_many(ASKED), strict=True):
        expected = answerer.ask(story, question, beam_width=3)
        assert (answer.answer, answer.facts, answer.known) == (expected.answer, expected.facts, expected.known)
        assert answer.probability == pytest.approx(expected.probability, abs=1e-3)
        assert answer.confidence == pytest.approx(expected.confidence, abs=1e-3)
        for one, other in zip(answer.gates, expected.gates, strict=True):
            assert one == pytest.approx(other, abs=1e-3)


def test_many_clients_at_once_get_their_own_answers(client, answerer):
    expected = [answerer.ask(*asked, beam_width=3).answer for asked in ASKED]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda asked: client.ask(*asked).answer, ASKED * 3))
    assert answers == expected * 3


def test_a_long_story_is_answered_and_the_next_question_too(client):
    story = "Mary went to the kitchen. " * 2_000 + "John went to the garden."
    assert client.ask(story, "Where is John?").answer == "garden"
    assert client.ask(*ASKED[0]).answer
