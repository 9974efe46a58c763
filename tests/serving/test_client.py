"""The client against TF Serving's interfaces, over loopback, and whatever may go wrong there."""

import concurrent.futures
import datetime
import http.server
import json
import socket
import ssl
import threading
import time

import keras
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("served by TensorFlow alone", allow_module_level=True)
pytest.importorskip("tensorflow_serving.apis")

import grpc
from tensorflow_serving.apis import prediction_service_pb2_grpc

from dmn_keras import cli
from dmn_keras.serving import SAMPLES, Client, ServerError, Tls
from tests.serving.exported import exported
from tests.serving.server import Predictions, ProblemError, serving

ASKED = [(" ".join(example.story), example.question) for example in SAMPLES]
BUSY = ProblemError("UNAVAILABLE", 503, "try again later")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The `Answerer` of a model, the server's `Models`, and its addresses for REST and gRPC."""
    folder = tmp_path_factory.mktemp("served")
    made, path = exported(folder, "one-word")
    (path.parent / "2").symlink_to(path, target_is_directory=True)
    with serving(folder / "models") as (models, addresses):
        yield made, models, addresses


@pytest.fixture(params=["rest", "grpc"])
def url(request, served):
    return served[2][request.param == "grpc"]


@pytest.fixture
def client(url):
    with Client(url, "one-word", backoff=0.01) as made:
        yield made


def assert_same(answer, expected):
    assert (answer.answer, answer.facts) == (expected.answer, expected.facts)
    assert answer.probability == pytest.approx(expected.probability, rel=1e-3)
    for one, other in zip(answer.gates, expected.gates, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    assert answer.evidence == expected.evidence


def test_answers_are_those_of_the_model(client, served):
    answers = client.ask_many(ASKED)
    assert len(answers) == len(ASKED)
    for answer, asked in zip(answers, ASKED, strict=True):
        assert_same(answer, served[0].ask(*asked))
        expected = served[0].ask(*asked, beam_width=3).others
        assert [text for text, _ in answer.others] == [text for text, _ in expected]
        assert [p for _, p in answer.others] == pytest.approx([p for _, p in expected], rel=1e-3)
    assert_same(client.ask(SAMPLES[0].story, SAMPLES[0].question), answers[0])
    assert client.ask_many([]) == []


def test_more_questions_than_the_server_takes_at_once(client, served):
    before = served[1].requests
    answers = client.ask_many(ASKED * 5)
    assert served[1].requests == before + 2  # 95 or 100 questions, 64 at a time
    for answer, again in zip(answers, answers[len(ASKED) :], strict=False):
        assert_same(answer, again)


def test_a_server_that_comes_up_late_is_found(served):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(served[1]), server)
    server.add_insecure_port(f"localhost:{port}")
    timer = threading.Timer(0.3, server.start)
    timer.start()
    with Client(f"grpc://localhost:{port}", "one-word", backoff=0.3) as client:
        assert client.ask(*ASKED[0]).answer == served[0].ask(*ASKED[0]).answer
    timer.join()
    server.stop(None)


@pytest.mark.parametrize("content", ["{}", "[]", '{"outputs": {"poem": ["x"]}}', '{"outputs": 1}', "hello"])
def test_another_service_on_the_port_is_named(content):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, *arguments):
            """Say nothing."""

    with http.server.HTTPServer(("localhost", 0), Handler) as other:
        threading.Thread(target=other.handle_request, daemon=True).start()
        with (
            Client(f"http://localhost:{other.server_address[1]}") as client,
            pytest.raises(ServerError, match="answered"),
        ):
            client.ask(*ASKED[0])


def test_texts_of_any_language_arrive_whole(client, served):
    asked = ("Zoë went to the café.\n日本語 “ok”.", "Où est Zoë?")
    assert_same(client.ask(*asked), served[0].ask(*asked))


def test_versions_and_labels(url, served):
    for options in ({"version": 1}, {"version": 2}, {"label": "canary"}, {"label": "stable"}):
        with Client(url, "one-word", **options) as client:
            assert client.ask(*ASKED[0]).answer == served[0].ask(*ASKED[0]).answer
    with Client(url, "one-word") as client:
        assert client.status() == {1: "AVAILABLE", 2: "AVAILABLE"}
    with Client(url, "one-word", label="none") as client, pytest.raises(ServerError, match="version label: none"):
        client.ask(*ASKED[0])


@pytest.mark.parametrize(
    ("options", "model", "message"),
    [
        ({"version": 9}, "one-word", r"Servable not found for request: Specific\(one-word, 9\)"),
        ({}, "nobody", r"Servable not found for request: Latest\(nobody\)"),
    ],
)
def test_a_model_that_is_not_there(options, model, message, url, served):
    before = served[1].requests
    with Client(url, model, **options) as client, pytest.raises(ServerError, match=message) as error:
        client.ask(*ASKED[0])
    assert error.value.code in ("404", "NOT_FOUND")
    assert served[1].requests == before + 1  # what is refused is not sent again


def test_a_busy_server_is_asked_again(client, served):
    served[1].faults += [BUSY, BUSY]
    before = served[1].requests
    assert client.ask(*ASKED[0]).answer == served[0].ask(*ASKED[0]).answer
    assert served[1].requests == before + 3


def test_a_server_that_stays_busy_is_given_up(url, served):
    served[1].faults += [BUSY] * 3
    with Client(url, "one-word", retries=2, backoff=0.01) as client:
        with pytest.raises(ServerError, match=r"try again later \(sent 3 times\)") as error:
            client.ask(*ASKED[0])
        assert error.value.code in ("503", "UNAVAILABLE")
        assert client.ask(*ASKED[0]).facts


def test_a_refusal_has_the_server_s_words(client, served):
    served[1].faults.append(ProblemError("INVALID_ARGUMENT", 400, "the story is a poem"))
    with pytest.raises(ServerError, match="the story is a poem"):
        client.ask(*ASKED[0])


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_nobody_there(scheme):
    start = time.monotonic()
    with (
        Client(f"{scheme}://localhost:1", timeout=1.0, retries=50) as client,
        pytest.raises(ServerError, match=r"localhost:1.*sent \d+ times"),
    ):
        client.ask(*ASKED[0])
    assert time.monotonic() - start < 5


@pytest.mark.parametrize(("story", "question", "name"), [("", "Where?", "story"), ("Mary.", " ?", "question")])
def test_a_question_without_words_is_not_sent(story, question, name, client, served):
    before = served[1].requests
    with pytest.raises(ValueError, match=f"{name} must hold at least one word"):
        client.ask(story, question)
    assert served[1].requests == before


def test_many_clients_at_once_get_their_own_answers(url, served):
    expected = {asked: served[0].ask(*asked) for asked in ASKED}
    asked = ASKED * 10
    with Client(url, "one-word", timeout=60) as client, concurrent.futures.ThreadPoolExecutor(32) as pool:
        for question, answer in zip(asked, pool.map(lambda one: client.ask(*one), asked), strict=True):
            assert_same(answer, expected[question])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"url": "ftp://host"}, "url must start with http://, https://, grpc:// or grpcs://. Received: 'ftp://host'"),
        ({"url": "localhost:8500"}, "url must start with"),
        ({"url": ""}, "url must start with"),
        ({"url": "grpc://"}, "url must name a host"),
        ({"url": "http://host:port"}, "url must name a port as a number"),
        ({"url": "grpc://host"}, "url must be grpc://HOST:PORT"),
        ({"url": "grpc://host:1/babi"}, "url must be grpc://HOST:PORT"),
        ({"version": 1, "label": "stable"}, "version and label exclude each other"),
        ({"version": 0}, "version must be a positive integer"),
        ({"timeout": 0}, "timeout must be a positive number of seconds. Received: timeout=0"),
        ({"retries": -1}, "retries must be an integer, 0 or more"),
        ({"tls": Tls()}, "tls needs https or grpcs"),
    ],
)
def test_arguments_are_checked(arguments, message):
    with pytest.raises(ValueError, match=message):
        Client(**{"url": "grpc://localhost:1", **arguments})


def test_the_command_line_asks_a_server(url, served, tmp_path, capsys):
    story, question = ASKED[1]
    (tmp_path / "story.txt").write_text(story)
    command = ["ask", "--story", str(tmp_path / "story.txt"), "--question", question]
    assert cli.main([*command, "--server", url, "--model", "one-word", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    expected = served[0].ask(story, question)
    assert (printed["answer"], printed["facts"]) == (expected.answer, list(expected.facts))
    assert cli.main([*command, "--server", url, "--model", "nobody"]) == 2
    assert "Servable not found for request: Latest(nobody)" in capsys.readouterr().err
    assert cli.main([*command, "--server", url, "--beam-width", "2"]) == 2
    assert "--beam-width and --min-confidence are the server's own" in capsys.readouterr().err
    assert cli.main([*command, "--server", url, "--model", "one-word", "--label", "stable"]) == 0
    assert capsys.readouterr().out.startswith(expected.answer)
    assert cli.main([*command, "--server", url, "--model", "one-word", "--authority", "cert.pem"]) == 2
    assert "tls needs https or grpcs" in capsys.readouterr().err
    assert cli.main([*command, "--label", "canary", "--timeout", "3"]) == 2
    assert "Leave out --label, --timeout: they are for --server" in capsys.readouterr().err


def certificate(folder):
    """Write a certificate for localhost that signs itself, and its key; returns their paths."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(signed.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return str(folder / "cert.pem"), str(folder / "key.pem")


def test_tls(served, tmp_path):
    authority, key = certificate(tmp_path)
    assert ssl.create_default_context(cafile=authority)
    with open(key, "rb") as private, open(authority, "rb") as chain:
        credentials = grpc.ssl_server_credentials([(private.read(), chain.read())])
    with serving(served[1].folder, credentials=credentials) as (_, (_, address)):
        with Client(address, "one-word", tls=Tls(authority)) as client:
            assert client.ask(*ASKED[0]).answer == served[0].ask(*ASKED[0]).answer
        (tmp_path / "story.txt").write_text(ASKED[0][0])
        command = ["ask", "--story", str(tmp_path / "story.txt"), "--question", ASKED[0][1], "--server", address]
        assert cli.main([*command, "--model", "one-word", "--authority", authority]) == 0
        with Client(address, "one-word", timeout=2, retries=0) as client, pytest.raises(ServerError):
            client.ask(*ASKED[0])
