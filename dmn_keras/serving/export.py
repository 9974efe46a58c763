"""A trained task -> a versioned SavedModel that TF Serving runs as it is, or a small LiteRT file."""

import contextlib
import functools
import itertools
import os
import pathlib
import re
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from dmn_keras.datasets import Example
from dmn_keras.layers.checks import one_of, positive_integer
from dmn_keras.serving.client import answers_from_outputs
from dmn_keras.serving.samples import SAMPLES
from dmn_keras.tasks.question_answering import QuestionAnswerer, QuestionAnsweringPreprocessor
from dmn_keras.tasks.task import Task
from dmn_keras.text import join_sentences, tokenize
from dmn_keras.utils.files import TEMPORARY_PREFIX
from dmn_keras.utils.folder import LOCK

WARMUP = "tf_serving_warmup_requests"
DTYPES = ("float32", "float16", "bfloat16")


def export(
    task: Task,
    folder: str | os.PathLike,
    *,
    version: int | None = None,
    top: int | None = None,
    dtype: str = "float32",
    questions: Any = None,
    warmup: bool = True,
) -> pathlib.Path:
    """Write a trained task as a SavedModel, verified, into `FOLDER/VERSION`.

    Nothing of Python is needed to serve it: text processing, model and search for the likeliest answers are one graph.
    Signatures of a `QuestionAnswerer`:

    - `serving_default`: `story` and `question`, strings `(batch,)`, to `answer`, `probability`, `top_answers` and
      `top_probabilities` `(batch, top)`, `facts`, strings `(batch, facts)`, and `gates` `(batch, passes, facts)`,
      `unknown_words`, strings `(batch, words)`, those without a placeholder, in lower case and Unicode's form NFD,
      padded with empty ones; of a calibrated model also `confidence` and `known`. A story without a word has no facts.
      It is answered all the same, as is a question without a word: an error would fail all requests that a server
      batches with it. Of a model with a retriever, `facts` and `gates` are those it selected, `positions` `(batch,
      facts)` their numbers in the story, -1 where padded, and `num_facts` and `num_above_threshold` `(batch,)` how many
      it read, and would have selected without a limit.
    - `tokens`: ids `story` and `question`, as the model takes them, to `logits` and `gates`.
    - `record`: `examples`, serialized `tf.train.Example`s with the features `story` (a string, or several, a fact each)
      and `question`, to the outputs of `serving_default`.

    Signatures of any other task:

    - `serving_default`: the arrays of the preprocessor's `specs`, `(batch, *axes)`, to the outputs of the task's
      prediction network by name.
    - `text`, where the preprocessor has `dmn_keras.serving.raw_inputs`: strings `(batch,)`. With a
      `QuestionAnsweringPreprocessor` `story` and `question`, to the same outputs and `facts`, strings `(batch, facts)`,
      padded with empty ones; with a `VisualQuestionAnsweringPreprocessor` `image`, the bytes of PNG or JPEG files, and
      `question`, to `answer`, strings `(batch,)`, `probability` and `gates`; with a `TextClassificationPreprocessor`
      `text`, to `label`, and with a `TokenTaggingPreprocessor` `tokens`, words with blanks between them, to `tags`,
      both with `words`, `probabilities` and `gates`, of text in Unicode's form NFC: in another form its accented words
      are unknown; all three also with `unknown_words`, as above.

    The version appears whole or not at all: it is written to a temporary folder and loaded, its outputs through every
    signature are compared with those of the Keras model, and then it is renamed. Where a server batches requests, as
    `saved_models/batching.config` has it, those for `tokens` must agree in their shape; texts may differ.

    Args:
        task: The trained `Task`.
        folder: The model's folder, which a server polls for versions.
        version: Positive integer; the next free one by default.
        top: How many of the likeliest answers of a `QuestionAnswerer` `top_answers` holds, at most as many as the model
            has words. Defaults to 3.
        dtype: What the weights are kept as: `"float32"`, or `"float16"` or `"bfloat16"` for half their size. The
            arithmetic is that of the trained model.
        questions: Raw examples, as `Task.predict` takes them, to compare the outputs on. Defaults to short stories of
            the 20 bAbI tasks, or to words of the model's own and a random image; a task whose preprocessor has no
            `raw_inputs` needs some.
        warmup: Whether to write requests that a server answers before it takes others, so that the first is as quick
            as the rest. Needs the extra `serving`.

    Returns:
        The path of the version.

    Raises:
        FileExistsError: If the version is there already.
        ImportError: If TensorFlow is not the backend, or `warmup` lacks `tensorflow-serving-api`.
        OSError: If `folder` cannot be written, or the disk is full; no version is left.
        RuntimeError: If the written model does not answer as the Keras model does; no version is left.
        ValueError: If an argument is out of range, or a weight of the model no finite number in `dtype`.
    """
    _check_backend()
    answers = isinstance(task, QuestionAnswerer)
    if not answers and top is not None:
        raise ValueError(
            f"top is for a QuestionAnswerer: leave it out for a {type(task).__name__}. Received: top={top}"
        )
    top = 3 if top is None else positive_integer("top", top)
    one_of("dtype", dtype, DTYPES)
    if warmup:
        _prediction_log()
    questions = _questions(task, questions)
    task = _rounded(task, dtype)
    with _new_version(folder, version) as (target, written):
        if answers:
            top = min(top, len(task.vocabulary.known_words))
            _save(task, written, top=top, dtype=dtype)
            _verify(task, top, written, questions)
        else:
            _save(task, written, dtype=dtype)
            _verify_outputs(task, written, questions)
        if warmup:
            _write_warmup(written, _texts if answers else task.preprocessor, questions)
    return target


def export_litert(
    qa: QuestionAnswerer,
    folder: str | os.PathLike,
    *,
    version: int | None = None,
    num_facts: int = 32,
    num_words: int = 16,
    quantize: bool = True,
    questions: Sequence[Example] | None = None,
) -> tuple[pathlib.Path, float]:
    """Write a trained task as a LiteRT (TensorFlow Lite) file with its vocabulary, into `FOLDER/litert-VERSION`.

    `model.tflite` takes the ids of one question, int32 `story` `(1, num_facts, num_words)` and `question`
    `(1, num_words)`, each sentence ending with the end word's id and padded with 0, and gives `words`, the ids of the
    answer `(1, words)`, `log_probability` `(1,)` and `gates` `(1, passes, num_facts)`, 0 where a retriever drops a
    fact. `vocabulary.txt` has the word of each id on its line, from id 0. With an open vocabulary its last ids are
    placeholders, which the caller gives to unknown words as `dmn_keras.text.assign_placeholders` does. A server that
    polls the folder for versions passes it over.

    The version appears whole or not at all, after its answers were compared with the Keras model's.

    Args:
        qa: The trained `QuestionAnswerer`.
        folder: The model's folder.
        version: Positive integer; the next free one by default.
        num_facts: How many facts a story is padded to, at most as many as the model reads. A shorter one costs as much.
        num_words: How many words, with the end word, a sentence is padded to.
        quantize: Whether the weights are stored as 8-bit integers; the file then has less than half the size.
        questions: As for `export`; those that are longer are left out.

    Returns:
        The path of the version, and the fraction of the questions that it answers as the Keras model does.

    Raises:
        RuntimeError: If it answers otherwise than the Keras model without `quantize`.
        FileExistsError, ImportError, OSError, ValueError: As for `export`.
    """
    _check_backend()
    if not isinstance(qa, QuestionAnswerer):
        raise ValueError(f"A LiteRT file is for a QuestionAnswerer. Received: {type(qa).__name__}")
    positive_integer("num_facts", num_facts)
    positive_integer("num_words", num_words)
    questions = _questions(qa, SAMPLES if questions is None else questions)
    qa = _rounded(qa, "float32")
    num_facts = min(num_facts, qa.preprocessor.max_facts or num_facts)
    sizes = {"facts": num_facts, "words": num_words, "question_words": num_words}
    questions = [
        example
        for example, encoded in zip(questions, qa.preprocessor.encode(questions), strict=True)
        if len(encoded.story) <= num_facts and max(map(len, (*encoded.story, encoded.question))) <= num_words
    ]
    if not questions:
        raise ValueError(f"No question fits into num_facts={num_facts} and num_words={num_words}.")
    with _new_version(folder, version, "litert-") as (target, written):
        written.mkdir()
        file = written / "model.tflite"
        file.write_bytes(_converted(qa, sizes, quantize))
        (written / "vocabulary.txt").write_text("\n".join(qa.vocabulary.words) + "\n", encoding="utf-8")
        same = _litert_agreement(qa, file, sizes, questions)
        if same < 1 and not quantize:
            raise RuntimeError(
                f"The written file gives the model's answers to {same:.1%} of the questions only. Nothing was exported."
            )
    return target, same


@contextlib.contextmanager
def _new_version(folder, version, prefix=""):
    """Yield the path of a version, and one to write it to, which becomes the version where nothing is raised."""
    import tensorflow as tf

    folder = pathlib.Path(folder)
    try:
        target = folder / f"{prefix}{_version(folder, version, prefix)}"
        folder.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(folder) as temporary:
            yield target, temporary / "model"
            if target.exists():
                raise FileExistsError(_exists(target))
            os.rename(temporary / "model", target)
    except (OSError, tf.errors.OpError) as error:
        if isinstance(error, OSError) and error.errno is None:  # not of the system
            raise
        reason = error.strerror if isinstance(error, OSError) else error.message.rpartition("; ")[2]
        raise OSError(
            f"folder {folder} cannot be written: {reason}. Nothing was exported. Make room or choose "
            "another folder, and export again."
        ) from error


@contextlib.contextmanager
def _temporary_folder(folder):
    """Yield a folder to write a version in, whose name a server does not take for one.

    Those that killed exports left are removed: nobody holds their locks.
    """
    import filelock

    for path in folder.glob(f"{TEMPORARY_PREFIX}*/"):
        if not path.is_symlink():
            with contextlib.suppress(OSError), filelock.FileLock(path / LOCK, timeout=0):
                shutil.rmtree(path, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as temporary,
        filelock.FileLock(pathlib.Path(temporary, LOCK)),
    ):
        yield pathlib.Path(temporary)


def _questions(task, questions):
    """Return the examples to compare on, a list that is not empty."""
    if questions is None:
        from dmn_keras.serving.served import raw_inputs  # with those of all tasks

        task.preprocessor.check_adapted()
        inputs = raw_inputs(task.preprocessor)
        if inputs is None:
            raise ValueError(f"questions must hold examples of {type(task).__name__} to compare on. Received: None")
        questions = inputs.samples(task.preprocessor)
    questions = task.preprocessor.read(questions)
    # Without a word there is nothing to serve an answer to.
    if isinstance(task.preprocessor, QuestionAnsweringPreprocessor):
        questions = [e for e in questions if tokenize(e.question) and any(map(tokenize, e.story))]
    if not questions:
        raise ValueError("questions must hold at least one example, with a word in it, to compare on. Received none.")
    return questions


def _rounded(task, dtype):
    """Return a task that computes in float32, its weights rounded to `dtype`."""
    import keras

    rounded = task.in_float32()
    weights = rounded.network.get_weights()
    if dtype != "float32":
        if rounded is task:
            rounded = type(task)(task.config, preprocessor=task.preprocessor)
        weights = [
            keras.ops.convert_to_numpy(keras.ops.cast(keras.ops.cast(w, dtype), w.dtype)) if w.dtype.kind == "f" else w
            for w in weights
        ]
        rounded.network.set_weights(weights)
    if not all(np.isfinite(weight).all() for weight in weights):
        raise ValueError(f"The model has weights that are no finite numbers in {dtype}: train it again.")
    if isinstance(task, QuestionAnswerer):
        rounded.calibration = task.calibration
    return rounded


def _check_backend():
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ImportError(
            "A SavedModel is written by TensorFlow: run with KERAS_BACKEND=tensorflow, which reads the runs of every "
            f"backend. Received: KERAS_BACKEND={keras.backend.backend()}"
        )


def versions(folder: str | os.PathLike) -> list[int]:
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


def _save(task, path, **options):
    import tensorflow as tf

    from dmn_keras.serving import served

    module = served.ServedModel if isinstance(task, QuestionAnswerer) else served.ServedTask
    made = module(task, **options)
    tf.saved_model.save(made, str(path), signatures=dict(made.endpoints))


def _verify_outputs(task, path, questions):
    """Raise if the SavedModel at `path` gives other outputs than a task's prediction network."""
    import tensorflow as tf

    from dmn_keras.serving.raw_inputs import raw_inputs

    signatures = tf.saved_model.load(str(path)).signatures
    arrays = task.preprocessor(questions)
    expected = task.prediction_network()(arrays, training=False)
    _compare("serving_default", signatures["serving_default"](**_constants(arrays)), expected)
    if "text" in signatures:
        raw = raw_inputs(task.preprocessor)
        outputs = signatures["text"](**_constants(raw.strings(questions)))
        _compare("text", outputs, raw.expected(task, questions))


def _compare(signature, outputs, expected):
    """Raise if a signature gives other outputs than expected."""
    for name, values in expected.items():
        given, values = np.asarray(outputs[name]), np.asarray(values)
        equal = functools.partial(np.allclose, atol=1e-3) if given.dtype.kind == "f" else np.array_equal
        if given.shape != values.shape or not equal(given, values):
            raise RuntimeError(
                f"The written SavedModel gives other {name} of {signature} than the model. Nothing was exported."
            )


def _constants(arrays):
    import tensorflow as tf

    return {name: tf.constant(values) for name, values in arrays.items()}


def _texts(questions):
    """Return examples of question answering as a server takes them."""
    return {"story": [join_sentences(e.story) for e in questions], "question": [e.question for e in questions]}


def _verify(qa, top, path, questions):
    """Raise if the SavedModel at `path` answers otherwise than the Keras model."""
    import tensorflow as tf

    signatures = tf.saved_model.load(str(path)).signatures
    texts, ids = _texts(questions), qa.preprocessor(questions)
    stories, asked = texts.values()
    records = [_record(story=story, question=question) for story, question in zip(stories, asked, strict=True)]
    outputs = {
        "serving_default": signatures["serving_default"](**_constants(texts)),
        "record": signatures["record"](examples=tf.constant(records)),
    }
    expected = qa.predict(questions, beam_width=top)
    for signature, tensors in outputs.items():
        answers = answers_from_outputs({name: tensor.numpy() for name, tensor in tensors.items()}, len(questions))
        for question, answer, right in zip(asked, answers, expected, strict=True):
            differs = _difference(answer, right)
            if differs:
                raise RuntimeError(
                    f"The written SavedModel answers {question!r} otherwise than the model, in {differs} of "
                    f"{signature}: {answer.answer!r} ({answer.probability:.4f}) in place of {right.answer!r} "
                    f"({right.probability:.4f}). Nothing was exported."
                )
    direct = qa.network(ids, training=False)
    _compare("tokens", signatures["tokens"](**_constants(ids)), {"logits": direct["answer"], "gates": direct["gates"]})


def _record(**features):
    """Return a serialized `tf.train.Example` of texts."""
    import tensorflow as tf

    lists = {name: tf.train.BytesList(value=[text.encode()]) for name, text in features.items()}
    features = {name: tf.train.Feature(bytes_list=texts) for name, texts in lists.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _difference(answer, expected):
    """Return the name of the first part of an answer that differs from the expected one, `None` where none does."""
    for name in ("answer", "facts", "known", "unknown_words", "positions", "num_facts", "num_above_threshold"):
        if getattr(answer, name) != getattr(expected, name):
            return name
    # The passes after a learned stop have gates of 0 in a SavedModel, and are left out of an `Answer`.
    passes = itertools.zip_longest(answer.gates, expected.gates, fillvalue=(0.0,) * len(answer.facts))
    pairs = {
        "probability": (answer.probability, expected.probability),
        "others": ([p for _, p in answer.others], [p for _, p in expected.others]),
        "gates": zip(*passes, strict=True),
        "confidence": (answer.confidence or 0.0, expected.confidence or 0.0),
    }
    return next((name for name, pair in pairs.items() if not np.allclose(*map(np.array, pair), atol=1e-3)), None)


def _converted(qa, sizes, quantize):
    """Return the bytes of a LiteRT file.

    Shapes are fixed and weights constant: a story of any length would need operations that only TensorFlow has.
    """
    import keras
    import tensorflow as tf

    network = qa.prediction_network()
    weights = [(variable, variable.numpy()) for variable in qa.network.variables if "float" in variable.dtype]

    def answer(story, question):
        with keras.StatelessScope(state_mapping=[(variable, tf.constant(value)) for variable, value in weights]):
            outputs = network({"story": story, "question": question}, training=False)
        return {name: outputs[name] for name in ("words", "log_probability", "gates")}

    specs = {n: tf.TensorSpec([1, *spec.shape(sizes)], spec.dtype, n) for n, spec in qa.preprocessor.specs.items()}
    traced = tf.function(answer).get_concrete_function(**specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], network)
    if quantize:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def _litert_agreement(qa, file, sizes, questions):
    """Return the fraction of questions to which a LiteRT file gives the Keras model's answer."""
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow names the package that its interpreter will move to
        run = tf.lite.Interpreter(str(file)).get_signature_runner()
    same = 0
    for encoded, expected in zip(qa.preprocessor.encode(questions), qa.predict(questions), strict=True):
        ids = {name: spec.pad([getattr(encoded, name)], sizes) for name, spec in qa.preprocessor.specs.items()}
        answer = qa.vocabulary.answer_text(run(**ids)["words"][0].tolist(), encoded.placeholders)
        same += answer == expected.answer
    return same / len(questions)


def _prediction_log():
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError as error:
        raise ImportError(
            "Warm-up requests need tensorflow-serving-api: pip install 'dmn_keras[serving]', or export without them: "
            "--no-warmup, in Python warmup=False."
        ) from error
    return prediction_log_pb2


def _write_warmup(path, inputs_of, questions, *, most=8):
    """Write requests of one and of several questions where TF Serving looks for them.

    Args:
        path: The version.
        inputs_of: Function of a list of examples to the inputs of `serving_default`, a dict.
        questions: The examples.
        most: How many of them are asked.
    """
    import tensorflow as tf

    questions = questions[:most]
    file = path / "assets.extra" / WARMUP
    file.parent.mkdir()
    with tf.io.TFRecordWriter(str(file)) as writer:
        for asked in [*([example] for example in questions), questions]:
            log = _prediction_log().PredictionLog()
            request = log.predict_log.request
            request.model_spec.signature_name = "serving_default"
            for name, values in inputs_of(asked).items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
            writer.write(log.SerializeToString())
