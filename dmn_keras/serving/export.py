"""A trained run -> a versioned SavedModel that TF Serving runs as it is, or a small LiteRT file."""

import contextlib
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np

from dmn_keras.asking import Answerer
from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.models import answering_model
from dmn_keras.serving.samples import SAMPLES
from dmn_keras.text import SPECIAL_WORDS, UNSAID_IDS, Encoder, join_sentences, pad_ids, pad_sentences, tokenize

WARMUP = "tf_serving_warmup_requests"
DTYPES = ("float32", "float16", "bfloat16")


def export(run, folder, *, version=None, top=3, dtype="float32", questions=None, warmup=True):
    """Write a trained run as a SavedModel, verified, into `FOLDER/VERSION`.

    Nothing of Python is needed to serve it: text processing, model and search for the likeliest answers are one graph.
    Its signatures:

    - `serving_default`: `story` and `question`, strings `(batch,)`, to `answer`, `probability`, `top_answers` and
      `top_probabilities` `(batch, top)`, `facts`, strings `(batch, facts)`, and `gates` `(batch, passes, facts)`; of a
      calibrated run also `confidence` and `known`. A story without a word has no facts, and an answer all the same. Of
      a model with a first pass (`narrow_to`), `facts` and `gates` are those it kept, `positions` `(batch, facts)` their
      numbers in the story, -1 where padded, and `num_facts` and `num_open` `(batch,)` how many it read, and would have
      kept without a limit.
    - `tokens`: ids `story` and `question`, as the model takes them, to `logits` and `gates`.
    - `record`: `examples`, serialized `tf.train.Example`s with the features `story` (a string, or several, a fact each)
      and `question`, to the outputs of `serving_default`.

    The version appears whole or not at all: it is written beside, loaded in a fresh process that cannot import this
    package, what it says through every signature compared with the Keras model's own words, and then renamed. Where a
    server batches requests, as `saved_models/batching.config` has it, those for `tokens` must agree in their shape;
    texts may differ.

    Args:
        run: Folder that `train` wrote, or an `Answerer`.
        folder: The model's folder, which a server polls for versions.
        version: Positive integer; the next free one by default.
        top: How many of the likeliest answers `top_answers` holds, at most as many as the model has words.
        dtype: What the weights are kept as: `"float32"`, or `"float16"` or `"bfloat16"` for half their size. The
            arithmetic is that of the trained model.
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
    one_of("dtype", dtype, DTYPES)
    if warmup:
        _prediction_log()
    questions = _questions(questions)
    answerer = _answerer(run, dtype)
    with _new_version(folder, version) as (target, written):
        top = min(top, len(answerer.vocabulary) - len(SPECIAL_WORDS))
        _save(answerer, top, dtype, written)
        _verify(answerer, top, written, questions)
        if warmup:
            _write_warmup(written, questions)
    return target


def export_litert(run, folder, *, version=None, num_facts=32, num_words=16, quantize=True, questions=None):
    """Write a trained run as a LiteRT (TensorFlow Lite) file with its vocabulary, into `FOLDER/litert-VERSION`.

    `model.tflite` takes the ids of one question, int32 `story` `(1, num_facts, num_words)` and `question`
    `(1, num_words)`, each sentence ending with the end word's id and padded with 0, and gives `words`, the ids of the
    answer `(1, words)`, `log_probability` `(1,)` and `gates` `(1, passes, num_facts)`, 0 where a first pass drops a
    fact. `vocabulary.txt` has the word of each id on its line, from id 0. A server that polls the folder for versions
    passes it over.

    The version appears whole or not at all, after its answers were compared with the Keras model's.

    Args:
        run: Folder that `train` wrote, or an `Answerer`.
        folder: The model's folder.
        version: Positive integer; the next free one by default.
        num_facts: How many facts a story is padded to, at most as many as the model reads. A shorter one costs as much.
        num_words: How many words, with the end word, a sentence is padded to.
        quantize: Whether the weights are stored as 8-bit integers; the file then has less than half the size.
        questions: As for `export`; those that are longer are left out.

    Returns:
        The path of the version, and the share of the questions that it answers as the Keras model does.

    Raises:
        RuntimeError: If it answers otherwise than the Keras model without `quantize`.
        FileExistsError, FileNotFoundError, ImportError, ValueError: As for `export`; `ValueError` also where facts are
            words.
    """
    _check_backend()
    positive_integer("num_facts", num_facts)
    positive_integer("num_words", num_words)
    questions = _questions(questions)
    answerer = _answerer(run, "float32")
    if answerer.recipe.config.fact_level == "word":
        raise ValueError("A LiteRT file is for facts that are sentences. Received a run with fact_level='word'.")
    num_facts = min(num_facts, answerer.max_facts or num_facts)
    shape = num_facts, num_words
    questions = [e for e in questions if _fits(_ids(answerer, [e]), shape)]
    if not questions:
        raise ValueError(f"No question fits into num_facts={num_facts} and num_words={num_words}.")
    with _new_version(folder, version, "litert-") as (target, written):
        written.mkdir()
        file = written / "model.tflite"
        file.write_bytes(_converted(answerer.model, shape, quantize))
        (written / "vocabulary.txt").write_text("\n".join(answerer.vocabulary.words) + "\n", encoding="utf-8")
        same = sum(map(_litert_comparison(answerer, file, shape), questions)) / len(questions)
        if same < 1 and not quantize:
            raise RuntimeError(
                f"The written file gives the model's answers to {same:.1%} of the questions only. Nothing was exported."
            )
    return target, same


@contextlib.contextmanager
def _new_version(folder, version, prefix=""):
    """Yield the path of a version, and one to write it to, which becomes the version where nothing is raised."""
    folder = pathlib.Path(folder)
    target = folder / f"{prefix}{_version(folder, version, prefix)}"
    folder.mkdir(parents=True, exist_ok=True)
    # A server takes numbers for versions: this folder is none.
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=folder) as temporary:
        written = pathlib.Path(temporary, "model")
        yield target, written
        if target.exists():
            raise FileExistsError(_exists(target))
        os.rename(written, target)


def _questions(questions):
    questions = list(SAMPLES if questions is None else questions)
    if not questions:
        raise ValueError("questions must hold at least one question to compare the answers on. Received none.")
    for example in questions:
        if not tokenize(example.question) or not any(map(tokenize, example.story)):
            raise ValueError(f"questions must hold a word each, and one in their story. Received: {example}")
    return questions


def _answerer(run, dtype):
    """Return the `Answerer` of a run, its weights rounded to `dtype`; it computes in float32."""
    import keras

    from dmn_keras.training.fit import in_float32

    answerer = copy.copy(run if isinstance(run, Answerer) else Answerer(run))
    answerer.model = in_float32(answerer.model, answerer.recipe)
    if dtype == "float32":
        return answerer
    weights = answerer.model.get_weights()
    answerer.model = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(answerer.model))
    rounded = (keras.ops.cast(keras.ops.cast(weight, dtype), weight.dtype) for weight in weights)
    answerer.model.set_weights([keras.ops.convert_to_numpy(weight) for weight in rounded])
    return answerer


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


def _version(folder, version, prefix):
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; expected a folder for the model's versions.")
    if version is None:
        # One that was moved aside, as `2.bad`, keeps its number.
        names = (re.match(rf"{prefix}(\d+)", path.name) for path in folder.glob("*"))
        return max((int(name[1]) for name in names if name), default=0) + 1
    positive_integer("version", version)
    if (folder / f"{prefix}{version}").exists():
        raise FileExistsError(_exists(folder / f"{prefix}{version}"))
    return version


def _exists(path):
    return f"{path} is there already; a version is never replaced. Leave the version out for the next free one."


def _save(answerer, top, dtype, path):
    import tensorflow as tf

    from dmn_keras.serving.served import ServedModel

    served = ServedModel(
        answerer.model,
        answerer.vocabulary,
        max_facts=answerer.max_facts,
        top=top,
        calibration=answerer.calibration,
        dtype=dtype,
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

def plain(outputs):
    return {
        name: [[text.decode() for text in row] if isinstance(row, list) else row.decode() for row in values.tolist()]
        if values.dtype == object else values.tolist()
        for name, values in ((name, tensor.numpy()) for name, tensor in outputs.items())
    }

def record(story, question):
    values = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
        for name, text in (("story", story), ("question", question))
    }
    return tf.train.Example(features=tf.train.Features(feature=values)).SerializeToString()

serve = tf.saved_model.load(path).signatures
texts = {name: tf.constant(asked[name]) for name in ("story", "question")}
found = {
    "serving_default": plain(serve["serving_default"](**texts)),
    "record": plain(serve["record"](examples=tf.constant(list(map(record, asked["story"], asked["question"]))))),
    "tokens": plain(serve["tokens"](**{name: tf.constant(ids, tf.int32) for name, ids in asked["ids"].items()})),
}
print(json.dumps(found))
"""
"""A program that knows nothing of this package: answers the questions of a file by a SavedModel, as JSON."""


def _verify(answerer, top, path, questions):
    """Raise if the SavedModel at `path`, read by a process of its own, answers otherwise than the Keras model."""
    ids = _ids(answerer, questions)
    asked = {
        "story": [join_sentences(example.story) for example in questions],
        "question": [example.question for example in questions],
        "ids": {name: values.tolist() for name, values in ids.items()},
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
    told = answerer.model(ids, training=False)
    for i, example in enumerate(questions):
        expected = answerer.ask(example.story, example.question, beam_width=top)
        outputs, of_record, of_tokens = (
            {name: values[i] for name, values in found[signature].items()}
            for signature in ("serving_default", "record", "tokens")
        )
        differs = [*_differences(outputs, expected), *_differences(of_record, expected)]
        for name, expected_ids in (("logits", told["answer"]), ("gates", told["gates"])):
            if not np.allclose(of_tokens[name], expected_ids[i], atol=1e-3):
                differs.append(f"{name} of tokens")
        if differs:
            raise RuntimeError(
                f"The written SavedModel answers {example.question!r} otherwise than the model, in {differs[0]}: "
                f"{outputs['answer']!r} ({outputs['probability']:.4f}) in place of {expected.answer!r} "
                f"({expected.probability:.4f}). Nothing was exported."
            )


def _differences(outputs, expected):
    """Name the outputs for one question that are not what the `Answer` says."""
    facts = [fact for fact in outputs["facts"] if fact]
    gates = np.zeros_like(outputs["gates"])
    gates[: len(expected.gates), : len(expected.facts)] = expected.gates
    others = [probability for _, probability in expected.others]
    same = {
        "answer": outputs["answer"] == expected.answer == outputs["top_answers"][0],
        "facts": facts == list(expected.facts),
        "probability": np.allclose(
            [outputs["probability"], outputs["top_probabilities"][0]], expected.probability, atol=1e-3
        ),
        "top_probabilities": np.allclose(outputs["top_probabilities"][1:], others, atol=1e-3),
        "gates": np.allclose(outputs["gates"], gates, atol=1e-3),
        "confidence": expected.confidence is None or np.isclose(outputs["confidence"], expected.confidence, atol=1e-3),
        "known": expected.confidence is None or outputs["known"] == expected.known,
        "positions": _positions(outputs) == expected.positions,
        "num_facts": outputs.get("num_facts") == expected.num_facts,
        "num_open": outputs.get("num_open") == expected.num_open,
    }
    return [name for name, right in same.items() if not right]


def _positions(outputs):
    if "positions" not in outputs:
        return None
    return tuple(position for position in outputs["positions"] if position >= 0)


def _ids(answerer, questions):
    """Return the ids of questions as the model takes them, in one batch."""
    config = answerer.recipe.config
    encoder = Encoder(answerer.vocabulary, max_facts=answerer.max_facts, fact_level=config.fact_level)
    encoded = [encoder(example) for example in questions]
    num_words = max(len(sentence) for e in encoded for sentence in e.story)
    if config.fact_level == "word":
        story = pad_ids([e.story[0] for e in encoded], num_words)
    else:
        story = pad_sentences([e.story for e in encoded], max(len(e.story) for e in encoded), num_words)
    return {"story": story, "question": pad_ids([e.question for e in encoded], max(len(e.question) for e in encoded))}


def _fits(ids, shape):
    return ids["story"].shape[1] <= shape[0] and max(ids["story"].shape[2], ids["question"].shape[1]) <= shape[1]


def _converted(model, shape, quantize):
    """Return the bytes of a LiteRT file.

    Shapes are fixed and weights constant: a story of any length would need operations that only TensorFlow has.
    """
    import keras
    import tensorflow as tf

    network = answering_model(model, unsaid=UNSAID_IDS)
    weights = [(variable, variable.numpy()) for variable in model.variables if "float" in variable.dtype]

    def answer(story, question):
        with keras.StatelessScope(state_mapping=[(variable, tf.constant(value)) for variable, value in weights]):
            outputs = network({"story": story, "question": question}, training=False)
        return {name: outputs[name] for name in ("words", "log_probability", "gates")}

    specs = tf.TensorSpec([1, *shape], tf.int32, "story"), tf.TensorSpec([1, shape[1]], tf.int32, "question")
    traced = tf.function(answer, input_signature=specs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], network)
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def _litert_comparison(answerer, file, shape):
    """Return a function that tells of an `Example` whether a LiteRT file gives the Keras model's answer."""
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow names the package that its interpreter will move to
        run = tf.lite.Interpreter(str(file)).get_signature_runner()

    def same(example):
        ids = _ids(answerer, [example])
        story = np.zeros((1, *shape), "int32")
        story[:, : ids["story"].shape[1], : ids["story"].shape[2]] = ids["story"]
        words = run(story=story, question=pad_ids(ids["question"], shape[1]))["words"][0]
        expected = answerer.ask(example.story, example.question).answer
        return answerer.vocabulary.answer_text(words.tolist()) == expected

    return same


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
            request.inputs["story"].CopyFrom(tf.make_tensor_proto([join_sentences(e.story) for e in asked]))
            request.inputs["question"].CopyFrom(tf.make_tensor_proto([e.question for e in asked]))
            writer.write(log.SerializeToString())
