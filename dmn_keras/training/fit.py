"""Source, configuration -> a trained model in a run folder."""

import contextlib
import dataclasses
import errno
import importlib.util
import inspect
import os
import shutil
import signal
import sys
import threading
import typing

import keras

from dmn_keras.layers import DMN_FEATURES, DMN_PLUS_FEATURES
from dmn_keras.losses import AnswerCrossentropy, GateCrossentropy
from dmn_keras.metrics import AnswerAccuracy
from dmn_keras.models import dmn
from dmn_keras.text import UNKNOWN_ID, Encoder, Vocabulary
from dmn_keras.text.word_vectors import word_vector_matrix
from dmn_keras.training.batches import StoryBatches
from dmn_keras.training.callbacks import BestWeights, EvaluationCheck, ResumableBackup, TrainingDivergedError, progress
from dmn_keras.training.data import train_and_validation
from dmn_keras.training.evaluation import evaluate_tasks, summary, versions, with_answers
from dmn_keras.training.pipeline import evaluation_data, training_data
from dmn_keras.training.run_folder import Recipe, RunFolder
from dmn_keras.training.strategy import DistributionContext, get_distribution
from dmn_keras.training.unanswerable import unanswerable
from dmn_keras.utils.files import write_json

_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None
"""Whether TensorFlow is installed, which writes TensorBoard's files."""


def train(
    source, config, output, *, resume=False, overwrite=False, strategy="auto", devices=None, verbose=1, say=print
):
    """Train a Dynamic Memory Network and leave it, with its measured errors, in a folder.

    The model is chosen by its validation error; the test questions are read once, at the end. Ctrl-C ends training
    early: the best model so far is kept and evaluated. SIGTERM does the same, and ends the process with the status 143.
    A killed run is resumed with `resume=True`, to the result it would have had.

    Args:
        source: The `Source` of the questions. With several tasks, one model learns them all.
        config: The `Config`.
        output: The run folder. One process at a time may train into it.
        resume: Resume the run in `output`, under the settings it was begun with.
        overwrite: Replace the run in `output`.
        strategy: `"auto"`, `"one"`, `"mirrored"`, `"multi_worker"` or `"tpu"`, see
            `dmn_keras.training.strategy.get_distribution`. With `"multi_worker"` all workers make the same call, with
            an `output` on a disk that they share; the first one writes.
        devices: The devices that train, by name or number, see `get_distribution`; `None` for all.
        verbose: Keras' verbosity of `fit`: 0, 1 or 2.
        say: Function that takes a line to tell the user.

    Returns:
        The metrics, as in `metrics.json`; to resume a run that has finished changes nothing.

    Raises:
        BlockingIOError: If another process trains into `output`.
        FileExistsError: If `output` holds a run, or runs in subfolders, and neither `resume` nor `overwrite` is set, or
            files of something else.
        KeyboardInterrupt: If training was interrupted before its first epoch ended: there is nothing to keep.
        OSError: If the disk is full; what was saved before stays, and `resume=True` continues from it.
        RuntimeError: If one of several workers stopped, e.g. because another was lost; `resume=True` continues from the
            last epoch that was finished.
        TrainingDivergedError: If the loss becomes NaN or infinite; the best model before it is kept and evaluated.
        ValueError: If a setting is out of range, the data malformed, the run in `output` has other settings, the
            backend cannot run the strategy, or workers are not alike.
    """
    context, run = get_distribution(strategy, devices), RunFolder(output)
    chief = context.worker == 0
    say = say if chief else _ignore
    with _sigterm_as_interrupt(), contextlib.ExitStack() as stack:

        def prepare():
            prepared = _prepare(source, config, run, resume, overwrite, context, say)
            return _consistent_values(prepared, context) if context.num_workers > 1 else {}, prepared

        prepared = context.run_consistently(prepare)
        if prepared.finished:
            say(f"{output} holds a finished run: there is nothing to resume.")
            return run.read_metrics()

        def begin():
            if chief:
                stack.enter_context(run.lock())
                _begin(run, prepared, overwrite)
            return {}, None

        stack.enter_context(_explain_errors(run, context))
        context.run_consistently(begin)
        say(f"Training on {source.dataset}, task {', '.join(source.tasks)}, into {output}")
        with context.scope():
            model = prepared.model if context.num_workers == 1 else build(prepared.recipe, say=_ignore)
            error, history = fit_run(
                model, prepared.recipe, run, prepared.train, prepared.valid, context=context, verbose=verbose, say=say
            )
        if not history:
            raise error
        context.barrier()  # the first worker has written the best weights, which all of them measure
        # JAX takes over the memory of all weights for a step, and one cut short leaves none.
        if context.needs_local_copy or isinstance(error, KeyboardInterrupt):
            model = build(prepared.recipe, say=_ignore)
            model.optimizer.build(model.trainable_variables)
        say("Evaluating the best epoch on the validation and test questions")
        metrics = measure_run(model, prepared.recipe, run, source, prepared.valid, error, writes=chief)
        context.barrier()  # all of them have read the best weights
        if chief and metrics["status"] in _FINISHED:
            run.remove_backup()
        if isinstance(error, (TrainingDivergedError, _Terminated)):
            raise error
        return metrics


def _ignore(line):
    """Drop a line that is for the user."""


class _Terminated(KeyboardInterrupt):
    """The process got SIGTERM."""


@contextlib.contextmanager
def _sigterm_as_interrupt():
    """Let SIGTERM end training as Ctrl-C does, and then the process, with the status that is usual for it: 143."""

    def terminate(*_):
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():  # only there can signals be handled
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except _Terminated:
        sys.exit(128 + signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextlib.contextmanager
def _explain_errors(run, context):
    """Tell how to resume after an error that no argument caused: a full disk, a lost worker."""
    try:
        yield
    except TrainingDivergedError:
        raise
    except Exception as error:
        kept = f"{run.path} keeps the epochs that were finished"
        if full := _full_disk(error, run.path):
            raise OSError(
                f"{run.path} cannot be written: {full}. Free some space, then continue with --resume: {kept}."
            ) from error
        if context.num_workers > 1:
            raise RuntimeError(
                f"Worker {context.worker} of {context.num_workers} stopped: {str(error)[:300]}. If another worker was "
                f"lost, start all of them again, with the same commands and --resume: {kept}."
            ) from error
        raise


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def _full_disk(error, path):
    """Return why a disk takes no more, if an error stems from that, else `None`."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error.strerror
        error = error.__cause__ or error.__context__
    # The writer of TensorBoard's files raises errors of TensorFlow: then the disk tells, if it lacks a few blocks.
    return os.strerror(errno.ENOSPC) if shutil.disk_usage(path).free < 2**14 else None


class _Prepared(typing.NamedTuple):
    """What was settled before anything is written."""

    recipe: Recipe
    train: dict  # of task name to questions
    valid: dict
    resume: bool  # whether there is a run to resume
    finished: bool  # whether that run has nothing left to do
    model: keras.Model | None  # which several workers build once more, together; `None` if there is nothing to train


def _prepare(source, config, run, resume, overwrite, context, say):
    """Do all that a mistake in the arguments can stop."""
    if config.batch_size < context.num_devices:
        raise ValueError(
            f"batch_size must be at least the number of devices that share a batch, {context.num_devices}. "
            f"Received: batch_size={config.batch_size}"
        )
    if not (resume or overwrite):
        run.refuse_existing()
    resume = resume and run.exists()
    train, valid = train_and_validation(
        source, validation_fraction=config.validation_fraction, seed=config.seed, say=say
    )
    recipe = make_recipe(source, config, [e for examples in train.values() for e in examples])
    finished = False
    if resume:
        _check_same(run.recipe(), recipe, run)
        finished = _finished(run, config)
    # Several workers build the model once more in the scope of all devices, where each waits for the others.
    with context.scope() if context.num_workers == 1 else contextlib.nullcontext():
        model = None if finished else build(recipe, say=say)
    return _Prepared(recipe, train, valid, resume, finished, model)


def _consistent_values(prepared, context):
    """Return what has to be the same for all workers."""
    recipe = {**dataclasses.asdict(prepared.recipe), "data_dir": None}
    return {
        **recipe.pop("config"),
        **recipe,
        "training questions": prepared.train,
        "validation questions": prepared.valid,
        "resume": prepared.resume,
        "finished": prepared.finished,
        "devices": context.num_devices // context.num_workers,
    }


_FINISHED = ("solved", "patience")


def _finished(run, config):
    """Return whether a run has nothing left to do: a run cut short by Ctrl-C or too few epochs has."""
    metrics = run.read_metrics() or {}
    status = metrics.get("status")
    return status in _FINISHED or (status == "epochs" and metrics.get("epochs", 0) >= config.epochs)


def _begin(run, prepared, overwrite):
    """Create the run folder, whose lock is held; another process may have begun a run since it was looked at."""
    run.refuse_foreign()
    if not (prepared.resume or overwrite):
        run.refuse_existing()
    if not prepared.resume:
        run.remove()
    run.create(prepared.recipe)


def make_recipe(source, config, examples):
    """Settle what the training questions decide: vocabulary, longest answer, number of passes.

    Args:
        source: The `Source`.
        config: The `Config`; `num_passes=None` is resolved here.
        examples: The training questions alone.

    Returns:
        The `Recipe`.

    Raises:
        ValueError: If the gates are to be supervised and no question names a supporting fact.
    """
    vocabulary = Vocabulary.from_examples(examples)
    encoder = Encoder(vocabulary)
    answer_words = max(len(encoder(example).answer) for example in examples)
    num_facts = max(len(example.supporting_facts) for example in examples)
    if config.supervise_gates and (num_facts == 0 or config.fact_level == "word"):
        raise ValueError(
            "supervise_gates needs questions that name supporting facts, and facts that are sentences "
            f"(fact_level='sentence'). Received: at most {num_facts} supporting facts a question, "
            f"fact_level={config.fact_level!r}."
        )
    if config.num_passes is None:
        config = config.replace(num_passes=min(max(num_facts, 2), 3) if config.supervise_gates else 3)
    return Recipe(
        dataset=source.dataset,
        dataset_config=source.config,
        tasks=source.tasks,
        config=config,
        vocabulary=vocabulary.words[3:],
        answer_words=None if answer_words == 1 else answer_words,
        data_dir=None if source.data_dir is None else os.path.abspath(source.data_dir),
        answers=vocabulary.answers,
    )


def build(recipe, *, say=print):
    """Build and compile the model of a `Recipe`; says which words pretrained vectors lack."""
    config, vectors = recipe.config, None
    vocabulary = Vocabulary(recipe.vocabulary)
    keras.utils.set_random_seed(config.seed)
    if config.word_vectors:
        vectors, missing = word_vector_matrix(config.word_vectors, vocabulary, seed=config.seed)
        if config.embedding_dim not in (None, vectors.shape[1]):
            raise ValueError(
                f"embedding_dim must be that of {config.word_vectors}, {vectors.shape[1]}. "
                f"Received: embedding_dim={config.embedding_dim}"
            )
        say(
            f"Word vectors: {len(vocabulary) - 3 - len(missing)} words found, {len(missing)} missing: "
            f"{', '.join(missing[:10])}{' ...' if len(missing) > 10 else ''}"
        )
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.dtype)
    try:
        model = dmn(
            len(vocabulary),
            config.units,
            config.num_passes,
            answer_words=recipe.answer_words,
            embedding_dim=config.embedding_dim if vectors is None else vectors.shape[1],
            gate_features=DMN_FEATURES if config.gate_features == "dmn" else DMN_PLUS_FEATURES,
            word_vectors=vectors,
            **{name: value for name, value in config.to_dict().items() if name in _MODEL_SETTINGS},
        )
    finally:
        keras.config.set_dtype_policy(policy)
    loss = {"answer": AnswerCrossentropy()}
    loss_weights = {"answer": 1.0}
    if config.supervise_gates:
        loss["gates"] = GateCrossentropy(config.gate)
        loss_weights["gates"] = config.gate_weight
        if config.learned_stop:
            loss["stop"] = GateCrossentropy("sigmoid")
            loss_weights["stop"] = config.gate_weight
    if config.narrow_to is not None:
        loss["narrowing"] = GateCrossentropy("sigmoid")
        loss_weights["narrowing"] = 1.0
    optimizer = keras.optimizers.Adam(config.learning_rate, clipnorm=config.clip_norm)
    if config.dtype == "mixed_float16":
        # As Keras would by itself, but then a saved model could not be loaded under another global policy.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(
        optimizer,
        loss=loss,
        loss_weights=loss_weights,
        metrics={"answer": [AnswerAccuracy()]},
        jit_compile=config.jit_compile,
        steps_per_execution=config.steps_per_execution,
    )
    return model


def in_float32(model, recipe):
    """Return a model with the same weights that computes in float32, of one that was trained in mixed precision."""
    if recipe.config.dtype == "float32":
        return model
    embedding_dim = model.get_layer("semantic_memory").output_dim
    config = recipe.config.replace(dtype="float32", word_vectors=None, embedding_dim=embedding_dim)
    again = build(dataclasses.replace(recipe, config=config))
    again.set_weights(model.get_weights())
    return again


_MODEL_SETTINGS = inspect.signature(dmn).parameters.keys() - {
    *("units", "num_passes", "embedding_dim", "gate_features", "word_vectors")
}
"""Arguments of `dmn` that are settings of `Config` as they are."""


def encode(recipe, examples, *, num_devices=1, unanswerable_share=0.0, same_steps=False):
    """Encode and pad the questions of one split, as the model of `recipe` reads them.

    Args:
        recipe: The `Recipe`.
        examples: Dict of task name to list of `Example`.
        num_devices: Devices that share a batch.
        unanswerable_share: Share of the questions that are asked again of a story that does not answer them.
        same_steps: Whether steps rather than their mean are to be those of one device, as `StoryBatches` has it.

    Returns:
        The `StoryBatches`.
    """
    config = recipe.config
    encoder = Encoder(Vocabulary(recipe.vocabulary), max_facts=config.max_facts, fact_level=config.fact_level)
    encoded = [encoder(example) for task in recipe.tasks for example in examples[task]]
    for task in recipe.tasks:
        for example in unanswerable(examples[task], unanswerable_share, config.seed):
            encoded.append(dataclasses.replace(encoder(example), answer=(UNKNOWN_ID,)))
    return StoryBatches(
        encoded,
        batch_size=config.batch_size,
        num_passes=config.num_passes,
        answer_words=recipe.answer_words,
        fact_level=config.fact_level,
        gate_targets=config.gate_order if config.supervise_gates else None,
        gate=config.gate,
        learned_stop=config.learned_stop,
        narrowing=config.narrow_to is not None,
        num_buckets=config.num_buckets,
        multiple_of=num_devices,
        same_steps=same_steps,
    )


def fit_run(
    model,
    recipe,
    run,
    train_examples,
    valid_examples,
    *,
    context=None,
    last_epoch=None,
    callbacks=(),
    verbose=1,
    say=print,
):
    """Train in a run folder until there is a reason to stop, from where its backup stands; test questions play no part.

    Args:
        model: The model of `build`, new.
        recipe: The `Recipe`.
        run: The `RunFolder`, created.
        train_examples: Dict of task name to list of `Example`.
        valid_examples: The same, held out.
        context: The `DistributionContext` of the devices and workers that train, in whose scope the model was built;
            one device by default.
        last_epoch: Number of the epoch, from 1, after which to stop before `epochs` of the `Config`; a later call goes
            on as if there had been no stop.
        callbacks: Further Keras callbacks. What they raise ends training and is passed on.
        verbose: Keras' verbosity of `fit`: 0, 1 or 2.
        say: Function that takes a line to tell the user.

    Returns:
        The `TrainingDivergedError` or `KeyboardInterrupt` that ended training, or `None`; and the history, a list of
        one dict an epoch.
    """
    context = DistributionContext() if context is None else context
    config, writes = recipe.config, context.worker == 0
    own = {"part": context.worker, "parts": context.num_workers}
    epochs = config.epochs if last_epoch is None else min(last_epoch, config.epochs)
    num_devices, share = context.num_devices, config.unanswerable
    batches = encode(recipe, train_examples, num_devices=num_devices, unanswerable_share=share, same_steps=True)
    valid_batches = encode(recipe, valid_examples, num_devices=num_devices)
    backup = ResumableBackup(run, len(batches), writes=writes)
    epoch, history = context.run_consistently(lambda: _restored(run, backup, model, context))
    finished = progress(history, patience=config.patience, solved_epochs=config.solved_epochs).finished
    if finished or epoch >= epochs:
        return None, history
    _make_variables(model, batches)
    say("Compiling the training step, which the first batch waits for")
    try:
        model.fit(
            **training_data(batches, seed=config.seed, epoch=lambda: len(history), curriculum=config.curriculum, **own),
            validation_data=evaluation_data(valid_batches, **own),
            epochs=epochs,
            initial_epoch=epoch,
            callbacks=[
                EvaluationCheck(valid_batches, **own),
                BestWeights(run, config, history, writes=writes),
                *([keras.callbacks.TensorBoard(str(run.logs), write_graph=False)] if writes and _TENSORFLOW else ()),
                backup,
                *callbacks,
            ],
            verbose=verbose if writes else 0,
        )
    except TrainingDivergedError as error:
        return error, history
    except KeyboardInterrupt as error:
        if context.num_workers > 1:
            raise
        if history:
            say("\nInterrupted: keeping and evaluating the best weights so far.")
        else:
            say("\nInterrupted in the first epoch: no model was trained yet, and none is kept.")
        return error, history
    return None, history


def _restored(run, backup, model, context):
    """Return what workers compare, and the epoch to resume at and the history before it."""
    epoch = backup.restore(model)
    history = run.read_history()[:epoch]
    if context.num_workers == 1:
        return {}, (epoch, history)
    weights = [keras.ops.convert_to_numpy(weight).tobytes() for weight in model.weights]
    restored = {"epoch": epoch, "weights": weights, "history": history}
    return {f"the {what} that output holds": value for what, value in restored.items()}, (epoch, history)


def _make_variables(model, batches):
    """Make the variables of optimizer, losses and metrics, which Keras leaves to the first step on TensorFlow.

    TensorFlow traces a step once more if its first trace made variables. Predictions of zeros make them too, and change
    none.
    """
    if keras.backend.backend() != "tensorflow":
        return
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    _, targets, weights = batches.batch(*batches.plan()[0])
    outputs = {
        name: keras.ops.zeros([1 if size is None else size for size in output.shape], output.dtype)
        for name, output in model.output.items()
    }
    targets, weights = ({name: array[:1] for name, array in arrays.items()} for arrays in (targets, weights))
    with keras.StatelessScope(state_mapping=[(variable, variable.value) for variable in model.variables]):
        model.compute_loss(None, targets, outputs, weights)
        model.compute_metrics(None, targets, outputs, weights)


def measure_run(model, recipe, run, source, valid_examples, error=None, *, writes=True):
    """Load the best weights, save the model, measure it on validation and test questions, and write the metrics.

    Args:
        model: The model of `build`.
        recipe: The `Recipe`.
        run: The `RunFolder`, with best weights and history.
        source: The `Source` of the test questions.
        valid_examples: Dict of task name to list of `Example`.
        error: What `fit_run` returned.
        writes: Whether to write files: of several workers one does.

    Returns:
        The metrics, as in `metrics.json`.
    """
    run.load_best_weights(model)
    if writes:
        run.calibration.unlink(missing_ok=True)  # it was that of another model
        run.save_model(model)
    history = run.read_history()
    state = progress(history, patience=recipe.config.patience, solved_epochs=recipe.config.solved_epochs)
    interrupted = "interrupted" if isinstance(error, KeyboardInterrupt) else None
    diverged = "diverged" if isinstance(error, TrainingDivergedError) else None
    metrics = {
        **_errors(model, recipe, source, valid_examples),
        "status": interrupted or diverged or state.finished or "epochs",
        "epochs": len(history),
        "best_epoch": state.best_epoch + 1,
        **{name: round(sum(epoch.get(name, 0.0) for epoch in history), 1) for name in ("seconds", "cpu_seconds")},
        "seed": recipe.config.seed,
        "parameters": model.count_params(),
        "versions": versions(),
    }
    if writes:
        write_json(run.metrics, metrics)
    return metrics


def _errors(model, recipe, source, valid_examples):
    """Measure every task on its validation and test questions; without a test part there is only the first."""
    vocabulary = Vocabulary(recipe.vocabulary)
    test = with_answers(source.load("test", seed=recipe.config.seed))
    valid = evaluate_tasks(model, vocabulary, recipe, valid_examples)
    tested = evaluate_tasks(model, vocabulary, recipe, {task: examples for task, examples in test.items() if examples})
    rows = {}
    for task, row in valid.items():
        of_validation = {"validation_error": row["error"], "validation_questions": row["questions"]}
        rows[task] = {"error": row["error"], **of_validation, **tested.get(task, {})}
    return summary(rows)


def _check_same(stored, given, run):
    """Raise if a resumed run was begun with other settings; the number of epochs may grow."""
    for name in ("dataset", "dataset_config", "tasks", "vocabulary", "answer_words"):
        if getattr(stored, name) != getattr(given, name):
            raise ValueError(
                f"resume: {run.path} was begun with another {name}. Expected: {str(getattr(stored, name))[:200]}. "
                f"Received: {str(getattr(given, name))[:200]}"
            )
    for name, value in stored.config.to_dict().items():
        if name != "epochs" and value != getattr(given.config, name):
            raise ValueError(
                f"resume: {run.path} was begun with {name}={value!r}. Received: {name}={getattr(given.config, name)!r}"
            )
