"""Asking a server: TF Serving's REST and gRPC interfaces, with deadlines, retries and TLS."""

import dataclasses
import functools
import json
import math
import pathlib
import random
import time
import urllib.parse

from dmn_keras.asking import Answer
from dmn_keras.layers.checks import positive_integer
from dmn_keras.text import join_sentences, tokenize

SIGNATURE = "serving_default"
_EXTRA = "pip install 'dmn_keras[serving]'"


MOST_AT_ONCE = 64
"""Questions in one request: `max_batch_size` of `saved_models/batching.config`, above which TF Serving refuses."""


_MOST_CONNECTIONS = 128


class ServerError(RuntimeError):
    """The server refused a request, or could not be reached in time; the message has the server's own words.

    Attributes:
        code: Name of the gRPC status (`"INVALID_ARGUMENT"`), or number of the HTTP status (`"400"`).
    """

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Tls:
    """How a connection is secured.

    Attributes:
        authority: File of the certificates to trust, PEM; those that come with `requests` and `grpcio` by default.
        certificate: File of the client's own certificate, PEM, where the server asks for one.
        key: File of its private key, PEM.
    """

    authority: str | None = None
    certificate: str | None = None
    key: str | None = None


class Client:
    """A model on a server that speaks TF Serving's REST or gRPC.

    A request that may be sent again, because the server was not there or was busy, is sent again after growing pauses,
    until the deadline. A question that the server refuses is not.

    Args:
        url: `http://HOST:PORT` or `https://...` for REST, `grpc://HOST:PORT` or `grpcs://...` for gRPC.
        model: Name of the model on the server.
        version: Its version, an integer; the server's choice by default.
        label: A label that the server gave to a version, `"stable"` or `"canary"`, in place of `version`.
        timeout: Seconds that a call may take in all, retries included; over REST, a server that sends its answer in
            drips may take longer, as the library counts from drip to drip.
        retries: How often a request is sent again.
        backoff: Seconds before the first retry; each further pause is twice as long, and random within that.
        tls: `Tls` for `https` and `grpcs`; the libraries' own certificates by default.

    Raises:
        ImportError: If the libraries of the extra `serving` are missing.
        ValueError: If an argument is out of range, or the URL of another kind.

    Example:

        with Client("grpc://localhost:8500", model="babi-joint") as client:
            client.ask("Mary went to the kitchen. John went to the garden.", "Where is Mary?").answer
    """

    def __init__(
        self, url, model="babi-joint", *, version=None, label=None, timeout=10.0, retries=3, backoff=0.1, tls=None
    ):
        parts = _checked(url)
        if version is not None and label is not None:
            raise ValueError(f"version and label exclude each other. Received: {version!r}, {label!r}")
        if version is not None:
            positive_integer("version", version)
        for name, value in (("timeout", timeout), ("backoff", backoff)):
            if not (isinstance(value, int | float) and 0 < value < math.inf):
                raise ValueError(f"{name} must be a positive number of seconds. Received: {name}={value!r}")
        if not isinstance(retries, int) or retries < 0:
            raise ValueError(f"retries must be an integer, 0 or more. Received: retries={retries!r}")
        if tls is not None and parts.scheme in ("http", "grpc"):
            raise ValueError(f"tls needs https or grpcs. Received: {url!r}")
        self.timeout, self.retries, self.backoff = timeout, retries, backoff
        self._transport = _TRANSPORTS[parts.scheme](url, model, version, label, tls)

    def ask(self, story, question):
        """Ask one question.

        Args:
            story: Text, or a sequence of sentences, each of which stays one fact.
            question: Text.

        Returns:
            The `Answer`. What words the model does not know, a server does not say: `unknown_words` is empty.

        Raises:
            ServerError: If the server refuses, or does not answer in time.
            ValueError: If story or question holds no word.
        """
        return self.ask_many([(story, question)])[0]

    def ask_many(self, questions):
        """Ask several questions, as many in one request as the server takes together.

        Args:
            questions: Sequence of pairs of story and question, as in `ask`.

        Returns:
            List of `Answer`, in their order.

        Raises:
            ServerError: If the server refuses, or does not answer in time.
            ValueError: If a story or question holds no word.
        """
        if not questions:
            return []
        stories = [story if isinstance(story, str) else join_sentences(story) for story, _ in questions]
        asked = [question for _, question in questions]
        for name, texts in (("story", stories), ("question", asked)):
            empty = next((text for text in texts if not tokenize(text)), None)
            if empty is not None:
                raise ValueError(f"{name} must hold at least one word. Received: {empty!r}")
        answers = []
        deadline = time.monotonic() + self.timeout
        for start in range(0, len(asked), MOST_AT_ONCE):
            part = slice(start, start + MOST_AT_ONCE)
            send = functools.partial(self._transport.predict, stories[part], asked[part])
            answers += _answers(self._call(send, deadline), len(asked[part]))
        return answers

    def status(self):
        """Return the state of each version of the model, a dict of integers to `"AVAILABLE"`, `"LOADING"`, ....

        Raises:
            ServerError: If the server knows no such model, or does not answer in time.
        """
        return self._call(self._transport.status)

    def close(self):
        """Close the connection."""
        self._transport.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def _call(self, send, deadline=None):
        """Send a request, again and again where that may help, until the deadline."""
        deadline = time.monotonic() + self.timeout if deadline is None else deadline
        for attempt in range(self.retries + 1):
            try:
                return send(max(deadline - time.monotonic(), 1e-3))
            except _TryAgainError as problem:
                pause = self.backoff * 2**attempt * random.uniform(0.5, 1.0)
                if attempt == self.retries or time.monotonic() + pause >= deadline:
                    raise ServerError(problem.code, f"{problem} (sent {attempt + 1} times)") from problem.__cause__
                time.sleep(pause)
        raise AssertionError("unreachable")


class _TryAgainError(ServerError):
    """What may pass: nobody there, or too busy."""


def _checked(url):
    """Return the parts of a URL that a `Client` understands."""
    if not str(url).startswith(tuple(f"{scheme}://" for scheme in _TRANSPORTS)):
        raise ValueError(f"url must start with http://, https://, grpc:// or grpcs://. Received: {url!r}")
    parts = urllib.parse.urlsplit(url)
    if not parts.hostname:
        raise ValueError(f"url must name a host. Received: {url!r}")
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError(f"url must name a port as a number. Received: {url!r}") from error
    if parts.scheme.startswith("grpc") and (port is None or parts.path.strip("/")):
        raise ValueError(f"url must be {parts.scheme}://HOST:PORT. Received: {url!r}")
    return parts


def _answers(outputs, count):
    """Return the `Answer`s that a server's outputs hold."""
    try:
        return [_answer({name: values[i] for name, values in outputs.items()}) for i in range(count)]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ServerError(
            "CONTENT", f"The server answered something else than a model of dmn_keras does: {error!r}"
        ) from error


def _answer(row):
    facts = tuple(text for text in row["facts"] if text)
    gates = tuple(tuple(float(gate) for gate in gates[: len(facts)]) for gates in row["gates"])
    more = {"confidence": float(row["confidence"]), "known": bool(row["known"])} if "confidence" in row else {}
    if "positions" in row:
        more["positions"] = tuple(int(position) for position in row["positions"] if position >= 0)
        more |= {name: int(row[name]) for name in ("num_facts", "num_open") if name in row}
        more["known"] = more.get("known", True) and bool(facts)
    others = tuple((text, float(p)) for text, p in zip(row["top_answers"], row["top_probabilities"], strict=True))[1:]
    return Answer(row["answer"], float(row["probability"]), facts, gates, unknown_words=(), **more, others=others)


class _Rest:
    """TF Serving's RESTful API, over one session that keeps its connections."""

    AGAIN = (429, 502, 503, 504)

    def __init__(self, url, model, version, label, tls):
        try:
            import requests
        except ImportError as error:
            raise ImportError(f"Asking a server over REST needs the library requests: {_EXTRA}.") from error
        self.requests = requests
        self.session = requests.Session()
        # As many threads as share a client keep their connections, in place of the library's ten.
        pool = requests.adapters.HTTPAdapter(pool_maxsize=_MOST_CONNECTIONS)
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, pool)
        # With each request, not on the session, where the environment's own choice would come first.
        self.trust = {}
        if tls is not None:
            self.trust["verify"] = tls.authority or True
            self.trust["cert"] = (tls.certificate, tls.key) if tls.certificate else None
        label = None if label is None else urllib.parse.quote(label, safe="")
        named = f"/versions/{version}" if version is not None else f"/labels/{label}" if label is not None else ""
        self.model = f"{url.rstrip('/')}/v1/models/{urllib.parse.quote(model, safe='')}"
        self.named = self.model + named

    def predict(self, story, question, timeout):
        content = {"signature_name": SIGNATURE, "inputs": {"story": story, "question": question}}
        return self._send("POST", f"{self.named}:predict", "outputs", timeout, content)

    def status(self, timeout):
        listed = self._send("GET", self.model, "model_version_status", timeout)
        return {int(row["version"]): row["state"] for row in listed}

    def _send(self, method, url, wanted, timeout, content=None):
        errors = self.requests.exceptions
        try:
            response = self.session.request(method, url, json=content, timeout=timeout, **self.trust)
            said = response.json()
        except errors.SSLError as error:
            raise ServerError("TLS", f"{url} cannot be trusted: {error}") from error
        except errors.ConnectTimeout as error:
            raise _TryAgainError("TIMEOUT", f"{url} could not be reached in {timeout:.1f} s") from error
        except errors.Timeout as error:
            raise ServerError("TIMEOUT", f"{url} did not answer in {timeout:.1f} s") from error
        except errors.JSONDecodeError:
            said = {"error": response.text[:500] or response.reason}
            if response.ok:
                raise ServerError(str(response.status_code), f"{url} answered no JSON: {said['error']}") from None
        except (errors.ConnectionError, errors.ChunkedEncodingError) as error:
            raise _TryAgainError("UNREACHABLE", f"{url} cannot be reached: {error}") from error
        except errors.RequestException as error:
            raise ServerError("REQUEST", f"{url} cannot be asked: {error}") from error
        if response.ok:
            if not isinstance(said, dict) or wanted not in said:
                raise ServerError("CONTENT", f"{url} answered without {wanted!r}: {json.dumps(said)[:500]}")
            return said[wanted]
        kind = _TryAgainError if response.status_code in self.AGAIN else ServerError
        message = said.get("error", json.dumps(said)) if isinstance(said, dict) else json.dumps(said)
        raise kind(str(response.status_code), f"{url} answered {response.status_code}: {message}")

    def close(self):
        self.session.close()


class _Grpc:
    """TF Serving's gRPC API, over one channel."""

    AGAIN = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED")

    def __init__(self, url, model, version, label, tls):
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
        parts = urllib.parse.urlsplit(url)
        self.error, self.address = grpc.RpcError, parts.netloc
        options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
        # Left alone, a channel waits a second before it dials again, and a retry would fail without having tried.
        options += [(f"grpc.{name}_reconnect_backoff_ms", 100) for name in ("initial", "min")]
        if parts.scheme == "grpcs":
            self.channel = grpc.secure_channel(parts.netloc, _credentials(grpc, tls or Tls()), options)
        else:
            self.channel = grpc.insecure_channel(parts.netloc, options)
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.request, self.status_request = predict_pb2.PredictRequest, get_model_status_pb2.GetModelStatusRequest
        self.model, self.version, self.label = model, version, label

    def predict(self, story, question, timeout):
        import tensorflow as tf

        request = self.request()
        self._name(request.model_spec)
        request.model_spec.signature_name = SIGNATURE
        request.inputs["story"].CopyFrom(tf.make_tensor_proto(story, dtype=tf.string))
        request.inputs["question"].CopyFrom(tf.make_tensor_proto(question, dtype=tf.string))
        response = self._send(self.predictions.Predict, request, timeout)
        return {name: _decoded(tf.make_ndarray(proto).tolist()) for name, proto in response.outputs.items()}

    def status(self, timeout):
        request = self.status_request()
        request.model_spec.name = self.model
        response = self._send(self.models.GetModelStatus, request, timeout)
        return {row.version: type(row).State.Name(row.state) for row in response.model_version_status}

    def _name(self, spec):
        spec.name = self.model
        if self.version is not None:
            spec.version.value = self.version
        if self.label is not None:
            spec.version_label = self.label

    def _send(self, method, request, timeout):
        try:
            return method(request, timeout=timeout)
        except self.error as error:
            code = error.code().name
            kind = _TryAgainError if code in self.AGAIN else ServerError
            said = "cannot be reached" if code == "UNAVAILABLE" else f"answered {code}"
            raise kind(code, f"{self.address} {said}: {error.details()}") from error

    def close(self):
        self.channel.close()


def _decoded(value):
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value


def _credentials(grpc, tls):
    read = (pathlib.Path(path).read_bytes() if path else None for path in (tls.authority, tls.key, tls.certificate))
    return grpc.ssl_channel_credentials(*read)


_TRANSPORTS = {"http": _Rest, "https": _Rest, "grpc": _Grpc, "grpcs": _Grpc}
