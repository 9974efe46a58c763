"""What the tests of training share: tiny data, a tiny model, and ways to stop a run."""

import contextlib
import hashlib
import json
import random

import keras
import pytest

from dmn_keras.datasets import Source
from dmn_keras.tasks.config import NAMED_SETTINGS, RunConfig
from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.training.trainer import rebuild

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="runs eagerly, on TensorFlow alone"
)
without_tracing = pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
in_eager_steps = pytest.mark.usefixtures("eager_steps")

TINY = {
    "units": 4,
    "num_passes": 1,
    "gate": "softmax",
    "episode": "soft_attention",
    "fact_encoder": "position",
    "dropout": 0.2,
    "batch_size": 8,
    "num_buckets": 1,
    "epochs": 3,
}
"""Settings under which a run takes seconds: no GRU over words, few and small batches."""


@contextlib.contextmanager
def eagerly():
    """Run without tracing, on TensorFlow, which takes longer than the few steps of these tests."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def write_stories(folder, *, train=15, valid=6, test=7, several=False):
    """Write stories of two or three facts, and the place where someone is as answer (two words, if `several`)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(0)
    for split, count in (("train", train), ("valid", valid), ("test", test)):
        records = [_record(rng, several) for _ in range(count)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def _record(rng, several):
    people = rng.sample(["Mary", "John", "Bill"], rng.choice([2, 3]))
    places = [rng.choice(["park", "office", "home"]) for _ in people]
    asked = rng.randrange(len(people))
    answer = ["the", places[asked]] if several else places[asked]
    story = [f"{person} {place}." for person, place in zip(people, places, strict=True)]
    return {"story": story, "question": f"Where is {people[asked]}?", "answer": answer, "supporting_facts": [asked]}


def own_data(folder, **sizes):
    """Return the `Source` of such stories, written into `folder`."""
    return Source("jsonl", ("all",), str(write_stories(folder, **sizes)))


def tiny(**settings):
    return RunConfig().replace({**NAMED_SETTINGS["_plain"], **TINY, **settings})


def tiny_task(examples, **settings):
    """Return a compiled `QuestionAnswerer` of these settings that knows the words of some examples."""
    task = QuestionAnswerer(tiny(**settings))
    task.adapt(examples)
    return rebuild(task)


def snapshot(folder):
    """Return a checksum of every file in a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def history(folder):
    """Return losses and metrics of each epoch of a run, without the seconds it took."""
    epochs = json.loads((folder / "history.json").read_text())
    return [{name: value for name, value in epoch.items() if "seconds" not in name} for epoch in epochs]
