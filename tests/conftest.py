"""What all tests share."""

import os
import pathlib
import signal

import pytest

# Each worker of a parallel run has one core: TensorFlow reads these variables when it is imported.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:  # JAX does not write its files atomically: one folder a worker
        os.environ["JAX_COMPILATION_CACHE_DIR"] += f"/{os.environ['PYTEST_XDIST_WORKER']}"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell's background jobs ignore Ctrl-C, and so would the processes that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

UNIT = ("datasets", "inference", "layers", "models", "tasks", "text", "utils", "test_losses.py", "test_metrics.py")
"""Folders and files whose tests are quick: `pytest -m unit` runs them, but for those that are marked `slow`."""


def pytest_collection_modifyitems(items):
    def is_quick(item):
        return item.path.relative_to(pathlib.Path(__file__).parent).parts[0] in UNIT

    for item in items:
        if is_quick(item) and item.get_closest_marker("slow") is None:
            item.add_marker("unit")
    items.sort(key=is_quick)  # quick files last, so that all workers end at about the same time


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory):
    """The task that comes with the package, and its SavedModel among the models of a server."""
    from dmn_keras.serving import SAMPLES, export
    from dmn_keras.tasks.question_answering import QuestionAnswerer

    qa = QuestionAnswerer.from_preset()
    return qa, export(qa, tmp_path_factory.mktemp("models") / "babi-joint", questions=SAMPLES[::5], warmup=False)


@pytest.fixture
def eager_steps():
    """Run the test without tracing (see `tests.training.runs.eagerly`)."""
    from tests.training.runs import eagerly

    with eagerly():
        yield


@pytest.fixture
def float64():
    """Skip where Keras does not compute in float64."""
    import keras

    if keras.backend.backend() != "tensorflow":
        pytest.skip("only on the TensorFlow backend does Keras multiply float64 matrices in float64")
