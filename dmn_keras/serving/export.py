"""A trained run -> a versioned SavedModel that TF Serving runs as it is."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

from dmn_keras.asking import Answerer
from dmn_keras.layers.checks import positive_integer
from dmn_keras.serving.samples import SAMPLES

WARMUP = "tf_serving_warmup_requests"


def export(run, folder, *, version=None, top=3, questions=None, warmup=True):
    """Write a trained run as a SavedModel, verified, into `FOLDER/VERSION`.

    Nothing of Python is needed to serve it: text processing, model and search for the likeliest answers are one graph.
    Its signatures:

    - `serving_default`: `story` and `question`, strings `(batch,)`, to `answer`, `probability`, `top_answers` and
      `top_probabilities` `(batch, top)`, `facts`, strings `(batch, facts)`, and `gates` `(batch, passes, facts)`; of a
      calibrated run also `confidence` and `known`. A story without a word has no facts, and an answer all the same.
    - `tokens`: ids `story` and `question`, as the model takes them, to `logits` and `gates`.
    - `record`: `examples`, serialized `tf.train.Example`s with the features `story` (a string, or one a sentence) and
      `question`, to the outputs of `serving_default`.

    The version appears whole or not at all: it is written beside, loaded in a fresh process that cannot import this
    package, the answers, probabilities, facts and gates of `serving_default` compared with the Keras model's, and then
    renamed. Where a server batches requests, as `saved_models/batching.config` has it, those for `tokens` must agree in
    their shape; texts may differ.

    Args:
        run: Folder that `train` wrote, or an `Answerer`.
        folder: The model's folder, which a server polls for versions.
        version: Positive integer; the next free one by default.
        top: How many of the likeliest answers `top_answers` holds, at most the vocabulary's size.
        questions: List of `Example` to compare the answers on; short stories of the 20 bAbI tasks by default.
        warmup: Whether to write requests that a server answers before it takes others, so that the first is as quick
            as the rest. Needs the extra `serving`.

    Returns:
        The path of the version.

    Raises:
        FileExistsError: If the version is there already.
        FileNotFoundError: If `run` holds no trained model.
        ImportError: If TensorFlow is not the backend, or `warmup` lacks `tensorflow-serving-api`.
        RuntimeError: If the written model does not answer as the Keras model does; no version is left.
        ValueError: If an argument is out of range.
    """
    _check_backend()
    positive_integer("top", top)
    if warmup:
        _prediction_log()
    folder = pathlib.Path(folder)
    target = folder / str(_version(folder, version))
    questions = list(SAMPLES if questions is None else questions)
    if not questions:
        raise ValueError("questions must hold at least one question to compare the answers on. Received none.")
    answerer = run if isinstance(run, Answerer) else Answerer(run)
    folder.mkdir(parents=True, exist_ok=True)
    # A server takes numbers for versions: this folder is none.
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as temporary:
        written = pathlib.Path(temporary, "model")
        _save(answerer, top, written)
        _verify(answerer, top, written, questions)
        if warmup:
            _write_warmup(written, questions)
        if target.exists():
            raise FileExistsError(_exists(target))
        os.rename(written, target)
    return target


def _check_backend():
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            "A SavedModel is written by TensorFlow: run with KERAS_BACKEND=tensorflow, which reads the runs of every "
            f"backend. Received: KERAS_BACKEND={keras.backend.backend()}"
        )


def versions(folder):
    """Return the versions in a model's folder, ascending integers."""
    folder = pathlib.Path(folder)
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdigit())


def _version(folder, version):
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; expected a folder for the model's versions.")
    there = versions(folder)
    if version is None:
        return max(there, default=0) + 1
    positive_integer("version", version)
    if version in there:
        raise FileExistsError(_exists(folder / str(version)))
    return version


def _exists(path):
    return f"{path} is there already; a version is never replaced. Leave the version out for the next free one."


def _save(answerer, top, path):
    import tensorflow as tf

    from dmn_keras.serving.served import ServedModel

    served = ServedModel(
        answerer.model,
        answerer.vocabulary,
        max_facts=answerer.recipe.config.max_facts,
        top=top,
        calibration=answerer.calibration,
    )
    tf.saved_model.save(served, str(path), signatures=dict(served.endpoints))


_READER = """
import json, sys

for name in ("dmn_keras", "keras"):
    sys.modules[name] = None  # an import of it raises ImportError

import tensorflow as tf

path, asked = sys.argv[1:]
with open(asked, encoding="utf-8") as file:
    asked = json.load(file)
serve = tf.saved_model.load(path).signatures["serving_default"]
outputs = serve(story=tf.constant(asked["story"]), question=tf.constant(asked["question"]))
facts = [[text.decode() for text in row if text] for row in outputs["facts"].numpy().tolist()]
answers = [text.decode() for text in outputs["answer"].numpy().tolist()]
rest = {name: outputs[name].numpy().tolist() for name in ("probability", "gates")}
print(json.dumps({"answer": answers, "facts": facts, **rest}))
"""
"""A program that knows nothing of this package: answers the questions of a file by a SavedModel, as JSON."""


def _verify(answerer, top, path, questions):
    """Raise if the SavedModel at `path`, read by a process of its own, answers otherwise than the Keras model."""
    asked = {
        "story": ["\n".join(example.story) for example in questions],
        "question": [example.question for example in questions],
    }
    file = path.parent / "questions.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-P", "-c", _READER, str(path), str(file)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    if result.returncode:
        raise RuntimeError(f"The written SavedModel cannot be read again: {result.stderr[-2000:]}")
    found = json.loads(result.stdout.splitlines()[-1])
    for i, expected in enumerate(_answers(answerer, top, asked)):
        gates = np.asarray(found["gates"][i])[: len(expected["gates"]), : len(expected["facts"])]
        same = (
            found["answer"][i] == expected["answer"]
            and found["facts"][i] == expected["facts"]
            and np.allclose(found["probability"][i], expected["probability"], atol=1e-3)
            and np.allclose(gates, expected["gates"], atol=1e-3)
        )
        if not same:
            raise RuntimeError(
                f"The written SavedModel answers {asked['question'][i]!r} otherwise than the model: "
                f"{found['answer'][i]!r} ({found['probability'][i]:.4f}) in place of "
                f"{expected['answer']!r} ({expected['probability']:.4f}). Nothing was exported."
            )


def _answers(answerer, top, asked):
    """Answer the questions by the Keras model and the Python tokenizer, with a search as wide as the exported one."""
    for story, question in zip(asked["story"], asked["question"], strict=True):
        answer = answerer.ask(story, question, beam_width=min(top, len(answerer.vocabulary)))
        yield {
            "answer": answer.answer,
            "probability": answer.probability,
            "facts": list(answer.facts),
            "gates": answer.gates,
        }


def _prediction_log():
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError as error:
        raise ImportError(
            "Warm-up requests need tensorflow-serving-api: pip install 'dmn_keras[serving]', or export without them "
            "(warmup=False, --no-warmup)."
        ) from error
    return prediction_log_pb2


def _write_warmup(path, questions, *, most=8):
    """Write requests of one and of several questions where TF Serving looks for them."""
    import tensorflow as tf

    questions = questions[:most]
    file = path / "assets.extra" / WARMUP
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for asked in [*([example] for example in questions), questions]:
            log = _prediction_log().PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = "serving_default"
            request.inputs["story"].CopyFrom(tf.make_tensor_proto(["\n".join(e.story) for e in asked]))
            request.inputs["question"].CopyFrom(tf.make_tensor_proto([e.question for e in asked]))
            writer.write(log.SerializeToString())
