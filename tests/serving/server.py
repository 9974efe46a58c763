"""A server of SavedModels for the tests: TF Serving's gRPC services, and its REST interface beside them."""

import concurrent.futures
import contextlib
import http.server
import json
import pathlib
import re
import threading

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.serving.exported import load

LABELS = {"stable": min, "canary": max}


class ProblemError(Exception):
    """A request that is refused, with the code of gRPC and of HTTP."""

    def __init__(self, code, status, message):
        super().__init__(message)
        self.code, self.status = code, status


class Models:
    """The versions of the models in a folder, and what to do to the next requests.

    Attributes:
        faults: Problems that the next requests meet, one each, in place of an answer.
        requests: How many requests came.
    """

    def __init__(self, folder):
        self.folder = folder
        paths = [path for path in pathlib.Path(folder).glob("*/*") if path.name.isdigit()]
        self.loaded = {(path.parent.name, int(path.name)): load(path) for path in paths}
        self.faults, self.requests, self.lock = [], 0, threading.Lock()

    def versions(self, model):
        numbers = sorted(number for name, number in self.loaded if name == model)
        if not numbers:
            raise ProblemError("NOT_FOUND", 404, f"Servable not found for request: Latest({model})")
        return numbers

    def predict(self, model, version, label, signature, inputs):
        with self.lock:
            self.requests += 1
            if self.faults:
                raise self.faults.pop(0)
        numbers = self.versions(model)
        if label and label not in LABELS:
            raise ProblemError("INVALID_ARGUMENT", 400, f"Unrecognized servable version label: {label}")
        number = version or LABELS.get(label, max)(numbers)
        if number not in numbers:
            raise ProblemError("NOT_FOUND", 404, f"Servable not found for request: Specific({model}, {number})")
        function = self.loaded[model, number].signatures[signature]
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        return {name: value.numpy() for name, value in function(**tensors).items()}


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict`."""

    def __init__(self, models):
        self.models = models

    def Predict(self, request, context):  # noqa: N802 - the service's name
        spec = request.model_spec
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        try:
            outputs = self.models.predict(
                spec.name, spec.version.value, spec.version_label, spec.signature_name, inputs
            )
        except ProblemError as problem:
            context.abort(grpc.StatusCode[problem.code], str(problem))
        response = predict_pb2.PredictResponse()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response


class ModelStates(model_service_pb2_grpc.ModelServiceServicer):
    """`GetModelStatus`."""

    def __init__(self, models):
        self.models = models

    def GetModelStatus(self, request, context):  # noqa: N802 - the service's name
        response = get_model_status_pb2.GetModelStatusResponse()
        try:
            numbers = self.models.versions(request.model_spec.name)
        except ProblemError as problem:
            context.abort(grpc.StatusCode[problem.code], str(problem))
        for number in numbers:
            response.model_version_status.add(version=number, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE)
        return response


_PATH = re.compile(r"/v1/models/(?P<model>[^/:]+)(/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?(?P<verb>.*)")


class RestHandler(http.server.BaseHTTPRequestHandler):
    """`GET /v1/models/NAME` and `POST /v1/models/NAME[/versions/N|/labels/L]:predict`."""

    protocol_version = "HTTP/1.1"
    models = None

    def do_GET(self):
        self._answer(lambda named: {"model_version_status": self._states(named["model"])})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(lambda named: {"outputs": self._predict(named, body)})

    def _states(self, model):
        return [{"version": str(number), "state": "AVAILABLE"} for number in self.models.versions(model)]

    def _predict(self, named, body):
        content = json.loads(body)
        inputs = {name: np.array(value) for name, value in content["inputs"].items()}
        version, signature = int(named["version"] or 0), content["signature_name"]
        outputs = self.models.predict(named["model"], version, named["label"], signature, inputs)
        return {name: _text(value.tolist()) for name, value in outputs.items()}

    def _answer(self, make):
        named = _PATH.fullmatch(self.path)
        status = 200
        try:
            content = make(named)
        except ProblemError as problem:
            status, content = problem.status, {"error": str(problem)}
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        """Say nothing."""


class _RestServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the usual 5, connections of many clients at once are dropped


def _text(value):
    if isinstance(value, list):
        return [_text(item) for item in value]
    return value.decode() if isinstance(value, bytes) else value


@contextlib.contextmanager
def serving(folder, *, credentials=None):
    """Serve the models in a folder; yields `Models` and the addresses `(REST, gRPC)`."""
    models = Models(folder)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(models), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelStates(models), server)
    if credentials is None:
        port = server.add_insecure_port("localhost:0")
    else:
        port = server.add_secure_port("localhost:0", credentials)
    server.start()
    handler = type("Handler", (RestHandler,), {"models": models})
    rest = _RestServer(("localhost", 0), handler)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    scheme = "grpc" if credentials is None else "grpcs"
    try:
        yield models, (f"http://localhost:{rest.server_address[1]}", f"{scheme}://localhost:{port}")
    finally:
        rest.shutdown()
        rest.server_close()
        server.stop(None)
