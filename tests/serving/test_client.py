"""The client against TF Serving's interfaces, over loopback, and whatever may go wrong there."""

import base64
import concurrent.futures
import contextlib
import datetime
import gzip
import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import traceback
import tracemalloc

import keras
import numpy as np
import pytest

if keras.backend.backend() != "tensorflow":
    pytest.skip("served by TensorFlow alone", allow_module_level=True)
pytest.importorskip("tensorflow_serving.apis")

import grpc
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from dmn_keras import cli
from dmn_keras.serving import SAMPLES, Client, ServerError, Tls
from dmn_keras.serving.client import MAX_RESPONSE_BYTES
from tests.serving.server import Predictions, ProblemError, serving
from tests.tasks.answers import assert_same_answer

ASKED = [(" ".join(example.story), example.question) for example in SAMPLES]
BUSY = ProblemError("UNAVAILABLE", 503, "try again later")


@pytest.fixture(scope="module")
def served(exports, tmp_path_factory):
    """The task of a model, the server's `Models`, and its addresses for REST and gRPC."""
    folder = tmp_path_factory.mktemp("served")
    made, path = exports("one-word")
    (folder / "one-word").mkdir()
    for version in ("1", "2"):
        (folder / "one-word" / version).symlink_to(path, target_is_directory=True)
    with serving(folder) as (models, addresses):
        yield made, models, addresses


@pytest.fixture(scope="module")
def expected(served):
    """The model's own answers to `ASKED`."""
    return [served[0].ask(*asked, beam_width=3) for asked in ASKED]


@pytest.fixture(params=["rest", "grpc"])
def url(request, served):
    return served[2][request.param == "grpc"]


@pytest.fixture
def client(url):
    with Client(url, "one-word", timeout=60, backoff=0.01) as made:
        yield made


def test_answers_are_those_of_the_model(client, expected):
    answers = client.ask_many(ASKED)
    for answer, right in zip(answers, expected, strict=True):
        assert_same_answer(answer, right)
        assert [text for text, _ in answer.others] == [text for text, _ in right.others]
        assert [p for _, p in answer.others] == pytest.approx([p for _, p in right.others], rel=1e-3)
    assert_same_answer(client.ask(SAMPLES[0].story, SAMPLES[0].question), answers[0])
    assert client.ask_many([]) == []


def test_more_questions_than_the_server_takes_at_once(client, served):
    before = served[1].requests
    answers = client.ask_many(ASKED * 5)
    assert served[1].requests == before + 2  # 95 or 100 questions, 64 at a time
    for answer, again in zip(answers, answers[len(ASKED) :], strict=False):
        assert_same_answer(answer, again)


def test_a_server_that_comes_up_late_is_found(served, expected):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(served[1]), server)
    server.add_insecure_port(f"localhost:{port}")
    timer = threading.Timer(0.3, server.start)
    timer.start()
    with Client(f"grpc://localhost:{port}", "one-word", backoff=0.3) as client:
        assert client.ask(*ASKED[0]).answer == expected[0].answer
    timer.join()
    server.stop(None)


OUTPUTS = {
    "answer": ["kitchen"],
    "probability": [0.9],
    "facts": [["Mary went.", ""]],
    "gates": [[[0.9, 0.0], [0.5, 0.0], [0.1, 0.0]]],
    "top_answers": [["kitchen", "garden"]],
    "top_probabilities": [[0.9, 0.1]],
}
"""What a model answers to one question."""


def response(outputs):
    """Return outputs as gRPC sends them."""
    made = predict_pb2.PredictResponse()
    for name, value in outputs.items():
        array = np.array(value)
        array = array.astype("float32") if array.dtype.kind == "f" else array
        made.outputs[name].CopyFrom(tf.make_tensor_proto(array))
    return made


@contextlib.contextmanager
def rest_server(body, status=200, headers=(), pause=0.0, received=None):
    """Answer every REST request with a body, byte by byte if there is a pause; yields the URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"] or 0))
            if received is not None:
                received.append((content, self.headers))
            self.send_response(status)
            for header in (("Content-Length", str(len(body))), *headers):
                self.send_header(*header)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                for part in map(bytes, zip(body)) if pause else [body]:
                    self.wfile.write(part)
                    time.sleep(pause)

        do_GET = do_POST  # noqa: N815 - as `http.server` calls it

        def log_message(self, *arguments):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_address[1]}"
        server.shutdown()


@contextlib.contextmanager
def grpc_server(data, compression=None):
    """Answer every gRPC request with serialized bytes; yields the URL."""

    class Handler(grpc.GenericRpcHandler):
        def service(self, details):
            return grpc.unary_unary_rpc_method_handler(lambda request, context: data)

    options = [("grpc.max_send_message_length", -1)]
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(1), [Handler()], options=options, compression=compression
    )
    port = server.add_insecure_port("localhost:0")
    server.start()
    yield f"grpc://localhost:{port}"
    server.stop(None)


def answering(protocol, outputs):
    """Return the server of one protocol that answers everything with the same outputs."""
    if protocol == "grpc":
        return grpc_server(response(outputs).SerializeToString())
    return rest_server(json.dumps({"outputs": outputs}).encode())


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("answer", ([0.5], None)),
        ("probability", ([float("nan")], [-1.0], [0.9, 0.9], ["0.9"])),
        ("facts", (["Mary went."],)),
        ("gates", ([[[0.9, float("inf")]]], [[0.9, 0.0]], [[[0.9]]])),
        ("top_probabilities", ([[0.9]],)),
        ("confidence", ([2.0],)),
        ("known", ([1],)),
        ("positions", ([[0]], [[-2, -1]])),
        ("num_facts", ([0.5],)),
    ],
)
def test_outputs_that_no_model_has_are_refused(protocol, name, values):
    for value in values:
        outputs = {key: array for key, array in {**OUTPUTS, name: value}.items() if array is not None}
        with answering(protocol, outputs) as url, Client(url) as client, pytest.raises(ServerError, match=name):
            client.ask(*ASKED[0])


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_outputs_of_every_kind_of_model_are_read(protocol):
    more = {"confidence": [0.8], "known": [True], "positions": [[4, -1]], "num_facts": [7], "num_above_threshold": [1]}
    with answering(protocol, {**OUTPUTS, **more, "newer": [1]}) as url, Client(url) as client:
        answer = client.ask(*ASKED[0])
    assert (answer.answer, answer.facts, answer.positions) == ("kitchen", ("Mary went.",), (4,))
    assert (answer.known, answer.num_facts, answer.num_above_threshold) == (True, 7, 1)
    assert [round(gate, 3) for [gate] in answer.gates] == [0.9, 0.5, 0.1]


@pytest.mark.parametrize(
    "body",
    [
        *(b"{}", b"[]", b'{"outputs": 1}', b"hello", b"", b"\xff"),
        b"[" * 100_000,
        b'{"outputs": ' + b"1" * 5_000 + b"}",
        json.dumps({"outputs": OUTPUTS}).replace("0.1", "[" * 500 + "]" * 500).encode(),
        json.dumps({"outputs": OUTPUTS}).replace('"garden"', "null").encode(),
    ],
)
def test_another_service_on_the_port_is_named(body):
    with rest_server(body) as url, Client(url) as client, pytest.raises(ServerError, match="answered"):
        client.ask(*ASKED[0])


@pytest.mark.parametrize("states", [1, [1], [{"version": "one", "state": "AVAILABLE"}], [{"version": 1}]])
def test_states_that_no_server_has_are_refused(states):
    body = json.dumps({"model_version_status": states}).encode()
    with rest_server(body) as url, Client(url) as client, pytest.raises(ServerError, match="no states of versions"):
        client.status()


def too_large(sizes, values=()):
    """Return a message whose gates say a shape that is far larger than they are."""
    made = response(OUTPUTS)
    gates = made.outputs["gates"]
    gates.Clear()
    gates.dtype = 1
    gates.float_val.extend(values)
    for size in sizes:
        gates.tensor_shape.dim.add().size = size
    return made.SerializeToString()


@pytest.mark.parametrize(
    ("sizes", "values"), [((1, 100, 10**6), [0.5]), ((1, 10**12, 0), []), ((1, -1, 1), [0.5]), ((2**40,) * 9, [0.5])]
)
def test_a_small_answer_that_says_it_is_large_is_refused(sizes, values):
    tracemalloc.start()
    with grpc_server(too_large(sizes, values)) as url, Client(url) as client:
        with pytest.raises(ServerError, match=r"gates: an answer of .* bytes cannot hold the shape"):
            client.ask(*ASKED[0])
        assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


@pytest.mark.parametrize("compressed", [False, True])
def test_an_answer_above_the_limit_is_not_read(compressed):
    body = bytes(2 * MAX_RESPONSE_BYTES)
    compression = grpc.Compression.Gzip if compressed else None
    with grpc_server(body, compression) as url, Client(url, retries=0) as client, pytest.raises(ServerError) as error:
        client.ask(*ASKED[0])
    assert error.value.code == "RESOURCE_EXHAUSTED"
    headers = [("Content-Encoding", "gzip")] if compressed else []
    sent = gzip.compress(body) if compressed else body
    message = "encoding 'gzip', not asked for" if compressed else "answered more than"
    with rest_server(sent, headers=headers) as url, Client(url) as client, pytest.raises(ServerError, match=message):
        client.ask(*ASKED[0])


def test_an_answer_in_drips_ends_at_the_deadline():
    start = time.monotonic()
    with rest_server(bytes(100), pause=0.1) as url, Client(url, timeout=0.5) as client:
        with pytest.raises(ServerError, match=r"did not answer in 0\.5 s"):
            client.ask(*ASKED[0])
        assert time.monotonic() - start < 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status):
    received = []
    with rest_server(json.dumps({"outputs": OUTPUTS}).encode(), received=received) as other:
        target = other.replace("//", "//bob:s3cret@")
        redirecting = rest_server(b"", status, [("Location", f"{target}/x")])
        message = r"redirects to .*, which is not followed"
        with redirecting as url, Client(url) as client, pytest.raises(ServerError, match=message) as error:
            client.ask(*ASKED[0])
    assert (error.value.code, received) == (str(status), [])
    assert "s3cret" not in str(error.value)


def test_the_password_of_the_url_is_sent_and_not_shown():
    received = []
    with rest_server(b"{}", 401, received=received) as url:
        with Client(url.replace("//", "//bob:s3%2Fcret@")) as client, pytest.raises(ServerError) as error:
            client.ask(*ASKED[0])
        assert "s3" not in f"{error.value} {error.value.__cause__} {client!r}"
    [(_, headers)] = received
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"bob:s3/cret"


@pytest.mark.parametrize(
    "url",
    [
        *(f"{scheme}://bob:s3cret@localhost:1" for scheme in ("http", "https", "grpc", "ftp")),
        *(f"http://bob:s3cret{end}" for end in ("@localhost:port", "/@localhost:1", "@[::1", "@localhost\u2100")),
        *("http://bob:s3cret#@localhost:1", "http://bob:s3cret@", "bob:s3cret@localhost:1"),
        b"http://bob:s3cret@localhost:1",
    ],
)
def test_errors_mask_the_password_of_the_url(url, capsys, tmp_path):
    with pytest.raises((ServerError, ValueError)) as error, Client(url, timeout=1, retries=0) as client:
        client.ask(*ASKED[0])
    assert "s3cret" not in "".join(traceback.format_exception(error.value, chain=True)).replace(f"{url!r}", "")
    (tmp_path / "story.txt").write_text(ASKED[0][0])
    for run in ([], ["runs/mine"]):
        command = ["ask", *run, "--story", str(tmp_path / "story.txt"), "--question", "Where?", "--server", str(url)]
        assert cli.main([*command, "--timeout", "1"]) == 2
        assert "s3cret" not in capsys.readouterr().err


def test_texts_of_any_language_arrive_whole(client, served):
    asked = ("Zoë went to the café.\n日本語 “ok”.", "Où est Zoë?")
    assert_same_answer(client.ask(*asked), served[0].ask(*asked))


def test_versions_and_labels(url, served, expected):
    for options in ({"version": 1}, {"version": 2}, {"label": "canary"}, {"label": "stable"}):
        with Client(url, "one-word", **options) as client:
            assert client.ask(*ASKED[0]).answer == expected[0].answer
            assert client.status() == {1: "AVAILABLE", 2: "AVAILABLE"}


@pytest.mark.parametrize(
    ("options", "fault", "codes", "message"),
    [
        ({"version": 9}, None, ("404", "NOT_FOUND"), r"Servable not found for request: Specific\(one-word, 9\)"),
        ({"model": "nobody"}, None, ("404", "NOT_FOUND"), r"Servable not found for request: Latest\(nobody\)"),
        ({"label": "none"}, None, ("400", "INVALID_ARGUMENT"), "version label: none"),
        ({}, ("INVALID_ARGUMENT", 400, "a\n\x1b poem"), ("400", "INVALID_ARGUMENT"), "a   poem"),
    ],
)
def test_what_a_server_refuses_is_not_sent_again(options, fault, codes, message, url, served):
    served[1].faults += [ProblemError(*fault)] if fault else []
    before = served[1].requests
    with Client(url, **{"model": "one-word", **options}) as client, pytest.raises(ServerError, match=message) as error:
        client.ask(*ASKED[0])
    assert error.value.code in codes
    assert served[1].requests == before + 1


def test_a_busy_server_is_asked_again(url, served, expected):
    served[1].faults += [BUSY] * 5
    before = served[1].requests
    with Client(url, "one-word", retries=2, backoff=0.01) as client:
        with pytest.raises(ServerError, match=r"try again later \(sent 3 times\)") as error:
            client.ask(*ASKED[0])
        assert error.value.code in ("503", "UNAVAILABLE")
        assert client.ask(*ASKED[0]).answer == expected[0].answer
    assert served[1].requests == before + 6


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_nobody_there(scheme):
    start = time.monotonic()
    with (
        Client(f"{scheme}://localhost:1", timeout=1.0, retries=50) as client,
        pytest.raises(ServerError, match=r"localhost:1.*sent \d+ times"),
    ):
        client.ask(*ASKED[0])
    assert time.monotonic() - start < 5


TIMES = "{} must be a positive number of seconds, at most 86,400. Received: {}="


@pytest.mark.parametrize(
    ("message", "name", "values"),
    [
        ("url must start with http://, https://, grpc:// or grpcs://", "url", ("ftp://host", "localhost:8500", "")),
        ("url must name a host", "url", ("grpc://", "http://host:port")),
        ("url must hold no space, control character, [?] or #", "url", ("http://host/?key=1", "grpc://host\0:1")),
        ("url must be grpc://HOST:PORT", "url", ("grpc://host", "grpc://host:1/babi")),
        ("version must be a positive integer", "version", (0,)),
        ("version must be a 64-bit integer", "version", (2**63,)),
        ("model must be a name of printable characters", "model", ("..",)),
        ("label must be a name of printable characters", "label", ("sta\0ble", "\ud800", "")),
        (TIMES.format("timeout", "timeout"), "timeout", (0, float("nan"), 1e300)),
        (TIMES.format("backoff", "backoff"), "backoff", (-1.0,)),
        ("retries must be an integer, 0 or more", "retries", (-1,)),
        ("tls needs https or grpcs", "tls", (Tls(),)),
        ("key of tls needs the certificate", "tls", (Tls(key="key.pem"),)),
        ("authority of tls must be a PEM file", "tls", (Tls("nowhere.pem"),)),
        ("tls must name PEM files", "tls", (Tls(__file__), Tls(certificate=__file__))),
    ],
)
def test_arguments_are_checked(message, name, values):
    url = "grpcs://localhost:1" if "PEM" in message or "certificate" in message else "grpc://localhost:1"
    for value in values:
        with pytest.raises(ValueError, match=message):
            Client(**{"url": url, name: value})
    with pytest.raises(ValueError, match="version and label exclude each other"):
        Client("http://host", version=1, label="stable")


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (("", "Where?"), ValueError, "story must hold at least one word"),
        (("Mary.", " ?"), ValueError, "question must hold at least one word"),
        (("Mary \ud800.", "Where?"), ValueError, "story must be Unicode text without surrogates"),
        (("Mary.", None), TypeError, "question must be text"),
    ],
)
def test_what_cannot_be_asked_is_not_sent(asked, error, message, client, served):
    before = served[1].requests
    with pytest.raises(error, match=message):
        client.ask(*asked)
    assert served[1].requests == before


ODD_ARGUMENTS = r"""
import itertools, sys
from dmn_keras.serving import Client, ServerError, Tls

folder = sys.argv[1]
files = [None, *(f"{folder}/{name}.pem" for name in ("cert", "key", "both", "other", "empty", "half"))]
calls = [{"url": "grpcs://localhost:1", "tls": Tls(*chosen)} for chosen in itertools.product(files, repeat=3)]
hosts = ("unix", "localhost", "[::1]", "%00", ",", "*", "a" * 300, "localhost:1,localhost", "xds", "\u00f6")
calls += [{"url": f"{scheme}://{host}:1"} for scheme in ("grpc", "grpcs") for host in hosts]
calls += [{"timeout": value} for value in (1e-300, 86_400, 86_401, -1, float("inf"), float("nan"), 10**400, True)]
calls += [{name: value} for name in ("model", "label") for value in ("\0", "\n", "\u00e9", "a/b", "%2e", "x" * 10_000)]
made = 0
for call in calls:
    try:
        with Client(**{"url": "grpc://localhost:1", "retries": 0, "timeout": 0.05, **call}) as client:
            made += 1
            client.ask("Mary went.", "Where?")
    except (ServerError, ValueError):
        pass
print(made, len(calls))
"""


def test_no_arguments_end_the_process(tmp_path):
    authority, key = certificate(tmp_path)
    both = pathlib.Path(authority).read_bytes() + pathlib.Path(key).read_bytes()
    for name, content in (("both", both), ("empty", b""), ("half", both[:200])):
        (tmp_path / f"{name}.pem").write_bytes(content)
    (tmp_path / "other.pem").write_bytes(pathlib.Path(certificate(tmp_path / "other")[1]).read_bytes())
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[2])}
    command = [sys.executable, "-c", ODD_ARGUMENTS, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]
    made, calls = map(int, result.stdout.split())
    assert 0 < made < calls


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
    assert cli.main([*command, "--server", url, "--model", "one-word", "--authority", __file__]) == 2
    assert "tls needs https or grpcs" in capsys.readouterr().err
    assert cli.main([*command, "--label", "canary", "--timeout", "3"]) == 2
    assert "Leave out --label, --timeout: only used with --server" in capsys.readouterr().err


def certificate(folder):
    """Write a certificate for localhost that signs itself, and its key; returns their paths."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder.mkdir(exist_ok=True)
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


def test_tls(served, tmp_path, expected):
    authority, key = certificate(tmp_path)
    with open(key, "rb") as private, open(authority, "rb") as chain:
        credentials = grpc.ssl_server_credentials([(private.read(), chain.read())])
    with serving(served[1].folder, credentials=credentials) as (_, (_, address)):
        with Client(address, "one-word", tls=Tls(authority)) as client:
            assert client.ask(*ASKED[0]).answer == expected[0].answer
        (tmp_path / "story.txt").write_text(ASKED[0][0])
        command = ["ask", "--story", str(tmp_path / "story.txt"), "--question", ASKED[0][1], "--server", address]
        assert cli.main([*command, "--model", "one-word", "--authority", authority]) == 0
        with Client(address, "one-word", timeout=2, retries=0) as client, pytest.raises(ServerError):
            client.ask(*ASKED[0])
