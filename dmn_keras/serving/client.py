"""Asking a server: TF Serving's REST and gRPC interfaces, with deadlines, retries and TLS."""

import dataclasses
import functools
import itertools
import json
import math
import numbers
import pathlib
import random
import re
import ssl
import time
import unicodedata
import urllib.parse
from collections.abc import Iterable
from typing import Any

import numpy as np

from dmn_keras.layers.checks import non_negative_integer, positive_integer
from dmn_keras.tasks.question_answering import Answer
from dmn_keras.text import join_sentences, tokenize

MOST_AT_ONCE = 64
"""Questions in one request: `max_batch_size` of `saved_models/batching.config`, above which TF Serving refuses."""

MAX_RESPONSE_BYTES = 16 * 2**20
"""Size of an answer, uncompressed, above which it is refused: stories of 64 questions with thousands of facts fit."""

_SIGNATURE = "serving_default"
_EXTRA = "pip install 'dmn_keras[serving]'"
_MAX_SECONDS = 86_400
_MAX_CONNECTIONS = 128
_MAX_MESSAGE = 500
"""Characters of a server's own words in an error message."""

_OUTPUTS = {
    "answer": (str, 1),
    "probability": (float, 1),
    "top_answers": (str, 2),
    "top_probabilities": (float, 2),
    "facts": (str, 2),
    "gates": (float, 3),
    "confidence": (float, 1),
    "known": (bool, 1),
    "positions": (int, 2),
    "num_facts": (int, 1),
    "num_above_threshold": (int, 1),
    "unknown_words": (str, 2),
}
"""Type and rank of a model's outputs; floats are between 0 and 1, integers -1 or more."""
_OPTIONAL = ("confidence", "known", "positions", "num_facts", "num_above_threshold", "unknown_words")
"""Those of calibrated models, of models with a retriever, and of newer exports."""


class ServerError(RuntimeError):
    """The server refused a request, could not be reached in time, or answered what no model of dmn_keras answers.

    Attributes:
        code: Name of the gRPC status (`"INVALID_ARGUMENT"`), or number of the HTTP status (`"400"`).
    """

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Tls:
    """How a connection is secured.

    Attributes:
        authority: File of the certificates to trust, PEM; those that come with `requests` and `grpcio` by default.
        certificate: File of the client's own certificate, PEM, where the server asks for one.
        key: File of its private key, PEM and not encrypted; the certificate's own file by default.
    """

    authority: str | None = None
    certificate: str | None = None
    key: str | None = None


class Client:
    """A model on a server that speaks TF Serving's REST or gRPC.

    A request that may be sent again, because the server was not there or was busy, is sent again after growing pauses,
    until the deadline. A question that the server refuses is not. Redirects are not followed, compressed answers and
    those of more than `MAX_RESPONSE_BYTES` are refused.

    Args:
        url: `http://HOST:PORT` or `https://...` for REST, `grpc://HOST:PORT` or `grpcs://...` for gRPC. A user and
            password in the URL (`https://USER:PASSWORD@HOST`) are sent over REST, and shown nowhere.
        model: Name of the model on the server.
        version: Its version, an integer; the server's choice by default.
        label: A label that the server gave to a version, `"stable"` or `"canary"`, in place of `version`.
        timeout: Seconds that a call may take in all, retries included, at most a day; over REST, a server that sends
            its headers in pieces may take longer, as the library's limit is that between two pieces.
        retries: How often a request is sent again.
        backoff: Seconds before the first retry; each further pause is twice as long, and random within that.
        tls: `Tls` for `https` and `grpcs`; the libraries' own certificates by default.

    Raises:
        ImportError: If the libraries of the extra `serving` are missing.
        ValueError: If an argument is out of range, the URL of another kind, or a file of `tls` no valid PEM.

    Example:

        with Client("grpc://localhost:8500", model="babi-joint") as client:
            client.ask("Mary went to the kitchen. John went to the garden.", "Where is Mary?").answer
    """

    def __init__(
        self,
        url: str,
        model: str = "babi-joint",
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 10.0,
        retries: int = 3,
        backoff: float = 0.1,
        tls: Tls | None = None,
    ):
        parts = _split_url(url)
        if version is not None and label is not None:
            raise ValueError(f"version and label exclude each other. Received: {version!r}, {label!r}")
        if version is not None and positive_integer("version", version) >= 2**63:
            raise ValueError(f"version must be a 64-bit integer. Received: version={version!r}")
        for name, value in {"model": model, **({} if label is None else {"label": label})}.items():
            # Names of dots alone would be taken for folders of the URL.
            if not (isinstance(value, str) and value.strip(".") and value.isprintable()):
                raise ValueError(f"{name} must be a name of printable characters. Received: {name}={value!r}")
        for name, seconds in (("timeout", timeout), ("backoff", backoff)):
            if isinstance(seconds, bool) or not isinstance(seconds, numbers.Real) or not 0 < seconds <= _MAX_SECONDS:
                needed = f"must be a positive number of seconds, at most {_MAX_SECONDS:,}"
                raise ValueError(f"{name} {needed}. Received: {name}={seconds!r}")
        if tls is not None:
            if parts.scheme in ("http", "grpc"):
                raise ValueError(f"tls needs https or grpcs. Received: {masked(url)!r}")
            _check_tls(tls)
        self.timeout, self.backoff = float(timeout), float(backoff)
        self.retries = non_negative_integer("retries", retries)
        self._transport: Any = _TRANSPORTS[parts.scheme](parts, model, version, label, tls)

    def ask(self, story: Any, question: str) -> Answer:
        """Ask one question.

        Args:
            story: Text, or a sequence of sentences, each of which stays one fact.
            question: Text.

        Returns:
            The `Answer`.

        Raises:
            ServerError: If the server refuses, does not answer in time, or not as a model of dmn_keras does.
            TypeError: If story or question is no text.
            ValueError: If story or question holds no word.
        """
        return self.ask_many([(story, question)])[0]

    def ask_many(self, questions: Iterable) -> list[Answer]:
        """Ask several questions, as many in one request as the server takes together.

        Args:
            questions: Iterable of pairs of story and question, as in `ask`.

        Returns:
            List of `Answer`, in their order.

        Raises:
            ServerError, TypeError, ValueError: As `ask`.
        """
        pairs = [
            (story if isinstance(story, str) else join_sentences(story), question) for story, question in questions
        ]
        for pair in pairs:
            for name, text in zip(("story", "question"), pair, strict=True):
                if not isinstance(text, str):
                    raise TypeError(f"{name} must be text. Received one of type {type(text).__name__}.")
                if not tokenize(text):
                    raise ValueError(f"{name} must hold at least one word. Received: {text!r}")
                if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
                    raise ValueError(f"{name} must be Unicode text without surrogates. Received: {text[:80]!r}")
        answers = []
        deadline = time.monotonic() + self.timeout
        for start in range(0, len(pairs), MOST_AT_ONCE):
            stories, asked = zip(*pairs[start : start + MOST_AT_ONCE], strict=True)
            send = functools.partial(self._transport.predict, list(stories), list(asked))
            answers += answers_from_outputs(self._call(send, deadline), len(asked))
        return answers

    def status(self) -> dict[int, str]:
        """Return the state of each version of the model, a dict of integers to `"AVAILABLE"`, `"LOADING"`, ....

        Raises:
            ServerError: If the server knows no such model, or does not answer in time.
        """
        return self._call(self._transport.status, time.monotonic() + self.timeout)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _call(self, send, deadline):
        """Send a request, again and again where that may help, until the deadline."""
        for attempt in itertools.count():
            try:
                return send(max(deadline - time.monotonic(), 1e-3))
            except _TryAgainError as problem:
                pause = self.backoff * 2 ** min(attempt, 64) * random.uniform(0.5, 1.0)
                if attempt == self.retries or time.monotonic() + pause >= deadline:
                    raise ServerError(problem.code, f"{problem} (sent {attempt + 1} times)") from problem.__cause__
                time.sleep(pause)


class _TryAgainError(ServerError):
    """What may pass: nobody there, or too busy."""


def masked(url) -> str:
    """Return a URL without the user and password that may stand in it."""
    return re.sub(r"^(\w+://)?.*@", r"\1***@", str(url), flags=re.DOTALL)


def _split_url(url):
    """Return the parts of a URL that a `Client` understands."""
    received = f"Received: {masked(url)!r}"  # no error names the URL itself, nor the errors that `urllib` raises
    if not isinstance(url, str) or not url.startswith(tuple(f"{scheme}://" for scheme in _TRANSPORTS)):
        raise ValueError(f"url must start with http://, https://, grpc:// or grpcs://. {received}")
    if not url.isprintable() or any(character in url for character in " ?#"):
        raise ValueError(f"url must hold no space, control character, ? or #. {received}")
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"url must name a host, and a port as a number. {received}") from None
    if not parts.hostname:
        raise ValueError(f"url must name a host. {received}")
    if parts.scheme.startswith("grpc") and (port is None or parts.path.strip("/") or "@" in parts.netloc):
        raise ValueError(f"url must be {parts.scheme}://HOST:PORT, without user or path. {received}")
    return parts


def _check_tls(tls):
    """Raise if a file is not what it should be: gRPC ends the process over a certificate without its key."""
    received = f"Received: {tls}"
    if tls.key is not None and tls.certificate is None:
        raise ValueError(f"key of tls needs the certificate that it belongs to. {received}")
    for name, path in dataclasses.asdict(tls).items():
        if path is not None and not pathlib.Path(path).is_file():
            raise ValueError(f"{name} of tls must be a PEM file. {received}")
    try:
        context = ssl.create_default_context(cafile=tls.authority)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key, password="")  # asks nobody for the password of a key
    except OSError as error:
        raise ValueError(
            f"tls must name PEM files, a certificate and its own key not encrypted: {error}. {received}"
        ) from None


def answers_from_outputs(outputs, count: int) -> list[Answer]:
    """Return the answers that a model's outputs hold.

    Args:
        outputs: Dict of the signature's outputs, arrays by name.
        count: How many questions were asked.

    Returns:
        List of `Answer`, one a question.

    Raises:
        ServerError: If an output is missing, or of another type, shape or range than a model of dmn_keras gives.
    """
    try:
        missing = _OUTPUTS.keys() - _OPTIONAL - outputs.keys()
        if missing:
            raise ValueError(f"no {', '.join(sorted(missing))}")
        rows = {name: _rows(name, outputs[name], count) for name in _OUTPUTS if name in outputs}
        for names in (("top_answers", "top_probabilities"), ("facts", "positions")):
            shapes = {name: np.shape(outputs[name]) for name in names if name in outputs}
            if len(set(shapes.values())) > 1:
                raise ValueError(f"shapes that differ: {shapes}")
        if np.shape(outputs["gates"])[2] != np.shape(outputs["facts"])[1]:
            raise ValueError("not as many gates as facts")
        return [_answer({name: values[i] for name, values in rows.items()}) for i in range(count)]
    except (TypeError, ValueError) as error:
        message = f"The server answered something else than a model of dmn_keras does: {error}"
        raise ServerError("CONTENT", message) from error


def _rows(name, array, count):
    """Return the values of an output as nested lists, after checking them."""
    kind, rank = _OUTPUTS[name]
    if array.ndim != rank or len(array) != count:
        raise ValueError(f"{name} of shape {array.shape}")
    values = array.ravel().tolist()
    if kind is str:
        values = [value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value for value in values]
    valid = {
        str: lambda value: isinstance(value, str),
        bool: lambda value: isinstance(value, bool),
        int: lambda value: type(value) is int and -1 <= value < 2**31,
        # Rounding may go beyond 1; what is not a number is in no range.
        float: lambda value: type(value) in (float, int) and 0 <= value <= 1.001,
    }[kind]
    if not all(map(valid, values)):
        raise ValueError(f"{name} that holds another type than {kind.__name__}, or a number out of range")
    return np.array([kind(value) for value in values], dtype=object).reshape(array.shape).tolist()


def _answer(row):
    real = [i for i, text in enumerate(row["facts"]) if text]
    more = {name: row[name] for name in ("confidence", "known", "num_facts", "num_above_threshold") if name in row}
    if "positions" in row:
        more["positions"] = tuple(row["positions"][i] for i in real)
        more["known"] = more.get("known", True) and bool(real)
    return Answer(
        row["answer"],
        row["probability"],
        facts=tuple(row["facts"][i] for i in real),
        gates=tuple(tuple(gates[i] for i in real) for gates in row["gates"]),
        unknown_words=tuple(unicodedata.normalize("NFC", word) for word in row.get("unknown_words", ()) if word),
        others=tuple(zip(row["top_answers"], row["top_probabilities"], strict=True))[1:],
        **more,
    )


class _Rest:
    """TF Serving's RESTful API, over one session that keeps its connections."""

    AGAIN = (429, 502, 503, 504)

    def __init__(self, parts, model, version, label, tls):
        try:
            import requests
            import urllib3
        except ImportError as error:
            raise ImportError(f"Asking a server over REST needs requests: {_EXTRA}.") from error
        self.errors, self.read_errors = requests.exceptions, urllib3.exceptions
        self.session = requests.Session()
        # No redirect is one: a story goes to no other host.
        self.session.get_redirect_target = lambda response: None
        self.session.headers["Accept-Encoding"] = "identity"
        # The URL that is shown in errors holds no password.
        if parts.username is not None:
            credentials = (parts.username, parts.password or "")
            self.session.auth = tuple(urllib.parse.unquote(text).encode() for text in credentials)
        # As many threads as share a client keep their connections, in place of the library's ten.
        pool = requests.adapters.HTTPAdapter(pool_maxsize=_MAX_CONNECTIONS)
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, pool)
        # With each request, not on the session, where the environment's own choice would come first.
        self.trust = {}
        if tls is not None:
            certificate = (tls.certificate, tls.key) if tls.certificate else None
            self.trust = {"verify": tls.authority or True, "cert": certificate}
        label = None if label is None else urllib.parse.quote(label, safe="")
        named = f"/versions/{version}" if version is not None else f"/labels/{label}" if label is not None else ""
        base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self.model = f"{base}/v1/models/{urllib.parse.quote(model, safe='')}"
        self.named = self.model + named

    def predict(self, story, question, timeout):
        content = {"signature_name": _SIGNATURE, "inputs": {"story": story, "question": question}}
        outputs = self._send("POST", f"{self.named}:predict", "outputs", timeout, content)
        if not isinstance(outputs, dict):
            raise ServerError("CONTENT", f"{self.named} answered outputs without names.")
        known = _OUTPUTS.keys() & outputs.keys()
        return {name: np.array(outputs[name], dtype=object) for name in known}

    def status(self, timeout):
        states = self._send("GET", self.model, "model_version_status", timeout)
        try:
            return {int(row["version"]): str(row["state"]) for row in states}
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ServerError("CONTENT", f"{self.model} answered no states of versions.") from error

    def _send(self, method, url, wanted, timeout, content=None):
        late = f"{url} did not answer in {timeout:.1f} s"
        deadline = time.monotonic() + timeout
        try:
            with self.session.request(
                method, url, json=content, timeout=timeout, stream=True, **self.trust
            ) as response:
                body = self._read(response, deadline, late)
        except self.errors.SSLError as error:
            raise ServerError("TLS", f"{url} cannot be trusted: {error}") from error
        except (self.errors.ReadTimeout, self.read_errors.TimeoutError) as error:
            raise ServerError("TIMEOUT", late) from error
        except (self.errors.ConnectionError, self.read_errors.HTTPError) as error:
            raise _TryAgainError("UNREACHABLE", f"{url} cannot be reached: {error}") from error
        except self.errors.RequestException as error:
            raise ServerError("REQUEST", f"{url} cannot be asked: {error}") from error
        status = response.status_code
        if 300 <= status < 400:
            target = masked(response.headers.get("Location", ""))[:_MAX_MESSAGE]
            raise ServerError(str(status), f"{url} redirects to {target!r}, which is not followed: name the server.")
        excerpt = _short(body[: 4 * _MAX_MESSAGE].decode("utf-8", errors="replace") or response.reason)
        try:
            answered = json.loads(body)
        except (ValueError, RecursionError):  # also numbers of thousands of digits, and lists in lists in lists
            if status == 200:
                raise ServerError("CONTENT", f"{url} answered no JSON: {excerpt}") from None
            answered = None
        if status != 200:
            kind = _TryAgainError if status in self.AGAIN else ServerError
            problem = answered.get("error") if isinstance(answered, dict) else None
            raise kind(
                str(status), f"{url} answered {status}: {_short(problem) if isinstance(problem, str) else excerpt}"
            )
        if not isinstance(answered, dict) or wanted not in answered:
            raise ServerError("CONTENT", f"{url} answered without {wanted!r}: {excerpt}")
        return answered[wanted]

    def _read(self, response, deadline, late):
        """Return the body of a response, as it is sent; raise if it is compressed, too long or late."""
        encoding = response.headers.get("Content-Encoding", "identity")
        if encoding != "identity":
            raise ServerError("CONTENT", f"{response.url} answered with the encoding {encoding[:40]!r}, not asked for.")
        body = bytearray()
        while block := response.raw.read1(2**16, decode_content=False):
            body += block
            if len(body) > MAX_RESPONSE_BYTES:
                raise ServerError("CONTENT", f"{response.url} answered more than {MAX_RESPONSE_BYTES:,} bytes.")
            if time.monotonic() > deadline:
                raise ServerError("TIMEOUT", late)
        return bytes(body)

    def close(self):
        self.session.close()


class _Grpc:
    """TF Serving's gRPC API, over one channel."""

    AGAIN = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED")

    def __init__(self, parts, model, version, label, tls):
        try:
            import grpc
            from tensorflow_serving.apis import (
                get_model_status_pb2,
                model_service_pb2_grpc,
                predict_pb2,
                prediction_service_pb2_grpc,
            )
        except ImportError as error:
            raise ImportError(f"Asking a server over gRPC needs tensorflow-serving-api: {_EXTRA}.") from error
        self.error, self.address = grpc.RpcError, parts.netloc
        # The limit is that of the decompressed answer.
        options = [("grpc.max_receive_message_length", MAX_RESPONSE_BYTES), ("grpc.max_send_message_length", -1)]
        # Left alone, a channel waits a second before it dials again, and a retry would fail without having tried.
        options += [(f"grpc.{name}_reconnect_backoff_ms", 100) for name in ("initial", "min")]
        target = f"dns:///{parts.netloc}"  # a host called `unix` is a host
        if parts.scheme == "grpcs":
            tls = tls or Tls()
            paths = (tls.authority, tls.key or tls.certificate, tls.certificate)
            pem = (pathlib.Path(path).read_bytes() if path else None for path in paths)
            self.channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(*pem), options)
        else:
            self.channel = grpc.insecure_channel(target, options)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.request, self.status_request = predict_pb2.PredictRequest, get_model_status_pb2.GetModelStatusRequest
        self.model, self.version, self.label = model, version, label

    def predict(self, story, question, timeout):
        import tensorflow as tf

        request = self.request()
        request.model_spec.name = self.model
        request.model_spec.signature_name = _SIGNATURE
        if self.version is not None:
            request.model_spec.version.value = self.version
        if self.label is not None:
            request.model_spec.version_label = self.label
        request.inputs["story"].CopyFrom(tf.make_tensor_proto(story, dtype=tf.string))
        request.inputs["question"].CopyFrom(tf.make_tensor_proto(question, dtype=tf.string))
        response = self._send(self.predictions.Predict, request, timeout)
        known = _OUTPUTS.keys() & response.outputs.keys()
        return {name: self._array(name, response.outputs[name], response.ByteSize()) for name in known}

    def _array(self, name, proto, num_bytes):
        """Return the array of a tensor in an answer of `num_bytes`, which holds no more values than that."""
        import tensorflow as tf

        sizes = [dim.size for dim in proto.tensor_shape.dim]
        try:
            # A tensor may say its last value once for all that follow, and none for any number of empty rows.
            if min(sizes, default=0) < 0 or math.prod(max(size, 1) for size in sizes) > num_bytes:
                raise ValueError(f"an answer of {num_bytes:,} bytes cannot hold the shape {sizes}")
            return tf.make_ndarray(proto)
        except (KeyError, TypeError, ValueError) as error:
            raise ServerError("CONTENT", f"{self.address} answered no valid {name}: {_short(error)}") from error

    def status(self, timeout):
        request = self.status_request()
        request.model_spec.name = self.model
        response = self._send(self.models.GetModelStatus, request, timeout)
        try:
            return {row.version: type(row).State.Name(row.state) for row in response.model_version_status}
        except ValueError as error:
            raise ServerError("CONTENT", f"{self.address} answered an unknown state: {error}") from error

    def _send(self, method, request, timeout):
        try:
            return method(request, timeout=timeout)
        except self.error as error:
            code = error.code().name
            kind = _TryAgainError if code in self.AGAIN else ServerError
            problem = "cannot be reached" if code == "UNAVAILABLE" else f"answered {code}"
            raise kind(code, f"{self.address} {problem}: {_short(error.details())}") from error

    def close(self):
        self.channel.close()


def _short(text):
    """Return the beginning of what a server answered, in one line without control characters."""
    return "".join(character if character.isprintable() else " " for character in str(text)[:_MAX_MESSAGE])


_TRANSPORTS = {"http": _Rest, "https": _Rest, "grpc": _Grpc, "grpcs": _Grpc}
