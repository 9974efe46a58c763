"""Source, configuration -> a trained model in a run folder."""

import dataclasses
import hashlib
import importlib.util

import keras

from dmn_keras.layers import DMN_FEATURES, DMN_PLUS_FEATURES
from dmn_keras.losses import AnswerCrossentropy, GateCrossentropy
from dmn_keras.metrics import AnswerAccuracy
from dmn_keras.models import dmn
from dmn_keras.text import UNKNOWN_ID, Encoder, Vocabulary
from dmn_keras.text.word_vectors import word_vector_matrix
from dmn_keras.training.batches import StoryBatches
from dmn_keras.training.callbacks import BestWeights, ResumableBackup, TrainingDivergedError, progress
from dmn_keras.training.data import train_and_validation
from dmn_keras.training.evaluation import evaluate_tasks, summary, versions, with_answers
from dmn_keras.training.pipeline import evaluation_data, training_data
from dmn_keras.training.run_folder import Recipe, RunFolder, read_json, write_json
from dmn_keras.training.strategy import choose
from dmn_keras.training.unanswerable import unanswerable


def train(
    source, config, output, *, resume=False, overwrite=False, strategy="auto", devices=None, verbose=1, say=print
):
    """Train a Dynamic Memory Network and leave it, with its measured errors, in a folder.

    The model is chosen by its validation error; the test questions are looked at once, at the end. Ctrl-C ends
    training early: the best model so far is kept and evaluated. A killed run goes on with `resume=True`, to the result
    it would have had.

    Args:
        source: The `Source` of the questions. With several tasks, one model learns them all.
        config: The `Config`.
        output: The run folder.
        resume: Go on with the run in `output`, under the settings it was begun with.
        overwrite: Replace the run in `output`.
        strategy: `"auto"`, `"one"`, `"mirrored"`, `"multi_worker"` or `"tpu"`, see
            `dmn_keras.training.strategy.choose`. With `"multi_worker"` all workers make the same call, with an `output`
            that they share; the first one writes, measures, and tells the others the metrics.
        devices: The devices that train, by name or number, see `dmn_keras.training.strategy.choose`; `None` for all.
        verbose: Keras' verbosity of `fit`: 0, 1 or 2.
        say: Function that takes a line to tell the user.

    Returns:
        The metrics, as in `metrics.json`; to resume a run that has finished changes nothing.

    Raises:
        FileExistsError: If `output` holds a run, or runs in subfolders, and neither `resume` nor `overwrite` is set.
        TrainingDivergedError: If the loss becomes NaN or infinite; the best model before it is kept and evaluated.
        ValueError: If a setting is out of range, the data malformed, the run in `output` has other settings, the
            backend cannot run the strategy, or workers are not alike.
        WorkerLostError: If another worker ended before the training did; `resume=True` goes on from the last epoch.
    """
    place = choose(strategy, devices)
    workers, run = place.workers, RunFolder(output)

    def prepare():
        prepared = _prepare(source, config, run, resume, overwrite, place, say)
        return _alike(prepared, place) if workers.count > 1 else {}, prepared

    prepared = workers.agree(prepare)
    if prepared is None:
        say(f"{output} holds a finished run: there is nothing to resume.")
        return read_json(run.metrics)
    restart = f"{output} holds what was reached: start all workers again, with the same commands and --resume."
    with workers.training(restart):
        with place.scope():
            workers.share(lambda: _begin(run, prepared.recipe, prepared.resume))
            model = prepared.model if workers.count == 1 else build(prepared.recipe, say=lambda line: None)
            examples = prepared.train, prepared.valid
            error, history = fit_run(model, prepared.recipe, run, *examples, place=place, verbose=verbose, say=say)
        if history:
            metrics = workers.share(lambda: _measured(prepared, run, source, place, error))
    if isinstance(error, TrainingDivergedError) or not history:
        raise error
    return metrics


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """What was settled before anything is written.

    Attributes:
        recipe: The `Recipe`.
        train: Dict of task name to training questions.
        valid: Dict of task name to validation questions.
        model: The model, which several workers build once more, together.
        resume: Whether there is a run to go on with.
    """

    recipe: Recipe
    train: dict
    valid: dict
    model: keras.Model
    resume: bool


def _prepare(source, config, run, resume, overwrite, place, say):
    """Do all that a mistake in the arguments can stop; `None` if the run has nothing left to do."""
    if config.batch_size < place.num_devices:
        raise ValueError(
            f"batch_size must be at least the number of devices that share a batch, {place.num_devices}. "
            f"Received: batch_size={config.batch_size}"
        )
    if not (resume or overwrite):
        run.refuse_existing()
    resume = resume and run.exists()
    train, valid = train_and_validation(source, validation_fraction=config.validation_fraction, seed=config.seed)
    recipe = make_recipe(source, config, [e for examples in train.values() for e in examples])
    if resume:
        _check_same(run.recipe(), recipe, run)
        if _finished(run, config):
            return None
    if place.workers.count > 1:
        model = build(recipe, say=say)
    else:
        with place.scope():
            model = build(recipe, say=say)
    return _Prepared(recipe, train, valid, model, resume)


def _alike(prepared, place):
    """Return what has to be the same for all workers."""
    if prepared is None:
        return {"finished": True}
    recipe = dataclasses.asdict(prepared.recipe)
    recipe["vocabulary"] = _digest(recipe["vocabulary"])
    return {
        "finished": False,
        **recipe.pop("config"),
        **recipe,
        "training questions": _digest(prepared.train),
        "validation questions": _digest(prepared.valid),
        "--resume": prepared.resume,
        "devices": place.num_devices // place.workers.count,
        "versions": versions(),
    }


def _digest(content):
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _measured(prepared, run, source, place, error):
    """Measure the best model, in a model of its own where the trained one is bound to its devices.

    Or where it was interrupted: JAX takes over the memory of all weights for a step, and one cut short leaves none.
    """
    model = prepared.model
    if place.apart or isinstance(error, KeyboardInterrupt):
        model = build(prepared.recipe, say=lambda line: None)
        model.optimizer.build(model.trainable_variables)
    metrics = measure_run(model, prepared.recipe, run, source, prepared.valid, error)
    if metrics["status"] in _FINISHED:
        run.remove_backup()
    return metrics


_FINISHED = ("solved", "patience")


def _finished(run, config):
    """Return whether a run has nothing left to do: a run cut short by Ctrl-C or too few epochs has."""
    if not run.metrics.exists():
        return False
    metrics = read_json(run.metrics)
    status = metrics.get("status")
    return status in _FINISHED or (status == "epochs" and metrics["epochs"] >= config.epochs)


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
            "--supervise-gates needs questions that name supporting facts, and facts that are sentences "
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
            **{name: getattr(config, name) for name in _MODEL_SETTINGS},
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


_MODEL_SETTINGS = (
    "embedding_scale",
    "fact_level",
    "fact_encoder",
    "question_match",
    "fact_links",
    "link_chains",
    "input_fusion",
    "gate",
    "episode",
    "memory_update",
    "tie_weights",
    "learned_stop",
    "num_heads",
    "layer_norm",
    "top_facts",
    "dropout",
    "l2",
    "train_word_vectors",
    "recompute",
    "narrow_to",
)


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
    place=None,
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
        place: The `Place` of the devices and workers that train, in whose scope the model was built; one device by
            default.
        last_epoch: Number of the epoch, from 1, after which to stop before `epochs` of the `Config`; a later call goes
            on as if there had been no stop.
        callbacks: Further Keras callbacks. What they raise ends training and is passed on.
        verbose: Keras' verbosity of `fit`: 0, 1 or 2.
        say: Function that takes a line to tell the user.

    Returns:
        The `TrainingDivergedError` or `KeyboardInterrupt` that ended training, or `None`; and the history, a list of
        one dict an epoch.
    """
    place = choose("one") if place is None else place
    config, workers = recipe.config, place.workers
    writes, own = workers.index == 0, {"part": workers.index, "parts": workers.count}
    epochs = config.epochs if last_epoch is None else min(last_epoch, config.epochs)
    on_devices = {"num_devices": place.num_devices}
    batches = encode(recipe, train_examples, unanswerable_share=config.unanswerable, same_steps=True, **on_devices)
    valid_batches = encode(recipe, valid_examples, **on_devices)
    backup = ResumableBackup(run, len(batches), writes=writes)
    epoch, history = workers.agree(lambda: _restored(run, backup, model, workers))
    finished = progress(history, patience=config.patience, solved_epochs=config.solved_epochs).finished
    if finished or epoch >= epochs:
        return None, history
    _make_variables(model, batches)
    try:
        model.fit(
            **training_data(batches, seed=config.seed, epoch=lambda: len(history), curriculum=config.curriculum, **own),
            validation_data=evaluation_data(valid_batches, **own),
            epochs=epochs,
            initial_epoch=epoch,
            callbacks=[
                BestWeights(run, config, history, writes=writes),
                *(tensorboard(run.logs) if writes else ()),
                backup,
                *callbacks,
            ],
            verbose=verbose if writes else 0,
        )
    except TrainingDivergedError as error:
        return error, history
    except KeyboardInterrupt as error:
        if workers.count > 1:
            raise
        say("\nInterrupted: keeping and evaluating the best weights so far.")
        return error, history
    return None, history


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


def _begin(run, recipe, resume):
    """Make the run folder. Not before everything that a mistake in the arguments can stop."""
    if not resume:
        run.remove()
    run.create(recipe)


def _restored(run, backup, model, workers):
    """Return what workers have to agree on, and the epoch to go on with and the history before it."""
    epoch = backup.restore(model)
    history = read_json(run.history)[:epoch] if run.history.exists() else []
    if workers.count == 1:
        return {}, (epoch, history)
    weights = [keras.ops.convert_to_numpy(weight).tobytes() for weight in model.weights]
    alike = {"the epoch that --output holds": epoch, "the weights that --output holds": _digest(weights)}
    return alike | {"the history that --output holds": _digest(history)}, (epoch, history)


def tensorboard(folder):
    """Return a list of the TensorBoard callback where TensorFlow, which writes its files, is installed."""
    if importlib.util.find_spec("tensorflow") is None:
        return []
    return [keras.callbacks.TensorBoard(str(folder), write_graph=False)]


def measure_run(model, recipe, run, source, valid_examples, error=None):
    """Load the best weights, save the model, measure it on validation and test questions, and write it all down.

    Args:
        model: The model of `build`.
        recipe: The `Recipe`.
        run: The `RunFolder`, with best weights and history.
        source: The `Source` of the test questions.
        valid_examples: Dict of task name to list of `Example`.
        error: What `fit_run` returned.

    Returns:
        The metrics, as in `metrics.json`.
    """
    model.load_weights(run.best_weights)
    run.calibration.unlink(missing_ok=True)  # it was that of another model
    run.save_model(model)
    history = read_json(run.history)
    state = progress(history, patience=recipe.config.patience, solved_epochs=recipe.config.solved_epochs)
    metrics = {
        **_errors(model, recipe, source, valid_examples),
        "status": _STATUS[type(error)] if error else state.finished or "epochs",
        "epochs": len(history),
        "best_epoch": state.best_epoch + 1,
        **{name: round(sum(epoch.get(name, 0.0) for epoch in history), 1) for name in ("seconds", "cpu_seconds")},
        "seed": recipe.config.seed,
        "parameters": model.count_params(),
        "versions": versions(),
    }
    write_json(run.metrics, metrics)
    return metrics


_STATUS = {TrainingDivergedError: "diverged", KeyboardInterrupt: "interrupted"}


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
                f"--resume: {run.path} was begun with another {name}. Expected: {str(getattr(stored, name))[:200]}. "
                f"Received: {str(getattr(given, name))[:200]}"
            )
    for name, value in stored.config.to_dict().items():
        if name != "epochs" and value != getattr(given.config, name):
            raise ValueError(
                f"--resume: {run.path} was begun with {name}={value!r}. "
                f"Received: {name}={getattr(given.config, name)!r}"
            )
