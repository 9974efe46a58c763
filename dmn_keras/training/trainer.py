"""Trains a task on a dataset into a run folder."""

import contextlib
import dataclasses
import errno
import importlib.util
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from dmn_keras.datasets import Source, labelled, train_and_validation
from dmn_keras.inference.evaluation import evaluate_tasks, summary, versions
from dmn_keras.models.dmn_config import SETTLED
from dmn_keras.tasks.batching import EpochSequence
from dmn_keras.tasks.config import RunConfig
from dmn_keras.tasks.preset import save_weights
from dmn_keras.tasks.registry import task_class_for
from dmn_keras.tasks.task import Task
from dmn_keras.training.callbacks import BestWeights, EvaluationCheck, ResumableBackup, TrainingDivergedError, progress
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.training.strategy import DistributionContext, get_distribution
from dmn_keras.training.transfer import continue_from, load_start
from dmn_keras.utils.files import write_json

_TENSORBOARD = all(importlib.util.find_spec(name) for name in ("tensorflow", "tensorboard"))
"""Whether TensorBoard is installed, and TensorFlow, which writes its files."""
_log = logging.getLogger(__name__)


def train(
    source: Source,
    config: RunConfig,
    output: str | os.PathLike,
    *,
    resume: bool = False,
    overwrite: bool = False,
    start_from: str | os.PathLike | None = None,
    strategy: str = "auto",
    devices: Sequence[str] | str | None = None,
    verbose: int = 1,
) -> dict[str, Any]:
    """Train a model and leave it, with its measured errors, in a folder.

    The model is chosen by its validation error; the test questions are read once, at the end. Ctrl-C ends training
    early: the best model so far is kept and evaluated. SIGTERM does the same, and ends the process with the status 143.
    A killed run is resumed with `resume=True`, to the result it would have had. Progress is logged.

    Args:
        source: The `Source` of the questions. With several tasks, one model learns them all.
        config: The `RunConfig`.
        output: The run folder. One process at a time may train into it.
        resume: Resume the run in `output`, under the settings it was begun with.
        overwrite: Replace the run in `output`.
        start_from: A run folder or the name of a pretrained model to start from: it keeps its words and weights, and
            learns the new words. It is a Dynamic Memory Network for questions; `config` may not change its model.
        strategy: `"auto"`, `"one"`, `"mirrored"`, `"multi_worker"` or `"tpu"`, see
            `dmn_keras.training.strategy.get_distribution`. With `"multi_worker"` all workers make the same call, with
            an `output` on a disk that they share; the first one writes.
        devices: The devices that train, by name or number, see `get_distribution`; `None` for all.
        verbose: Keras' verbosity of `fit`: 0, 1 or 2.

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
            backend cannot run the strategy, or workers differ.
    """
    context, run = get_distribution(strategy, devices), RunFolder(output)
    chief = context.worker == 0
    with _sigterm_as_interrupt(), contextlib.ExitStack() as stack:

        def prepare():
            prepared = _prepare(source, config, run, resume, overwrite, start_from, context)
            return _consistent_values(prepared, context) if context.num_workers > 1 else {}, prepared

        prepared = context.run_consistently(prepare)
        if prepared.finished:
            _log.info("%s holds a finished run: there is nothing to resume.", output)
            return run.read_metrics() or {}

        def begin():
            if chief:
                stack.enter_context(run.lock())
                _begin(run, prepared, source, overwrite)
            return {}, None

        stack.enter_context(_explain_errors(run, context))
        context.run_consistently(begin)
        _log.info("Training on %s, task %s, into %s", source.dataset, ", ".join(source.tasks), output)
        task = prepared.task
        with context.scope():
            if context.num_workers > 1:  # all build the network together, in the scope of all devices
                task = rebuild(task)
            parts, redraw = (prepared.train, prepared.valid), redrawing(source, config)
            try:
                error, history = fit_run(task, run, *parts, context=context, redraw=redraw, verbose=verbose)
            except ValueError:
                # As with a damaged image: the folder is free for another call, unless there was a run to resume.
                if chief and not (prepared.resume or run.history.exists()):
                    run.remove()
                raise
        if not history and error is not None:
            raise error
        context.barrier()  # the first worker has written the best weights, which all of them measure
        # JAX takes over the memory of all weights for a step, and one cut short leaves none.
        if context.needs_local_copy or isinstance(error, KeyboardInterrupt):
            task = rebuild(task)
        _log.info("Evaluating the best epoch on the validation and test questions")
        metrics = measure_run(task, run, source, prepared.valid, error, writes=chief)
        context.barrier()  # all of them have read the best weights
        if chief and metrics["status"] in _FINISHED:
            run.remove_backup()
        if isinstance(error, (TrainingDivergedError, _Terminated)):
            raise error
        return metrics


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
            raise OSError(f"{run.path} cannot be written: {full}. Free some space, then resume: {kept}.") from error
        if context.num_workers > 1:
            raise RuntimeError(
                f"Worker {context.worker} of {context.num_workers} stopped: {str(error)[:300]}. If another worker was "
                f"lost, start all of them again and resume: {kept}."
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


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """What was settled before anything is written."""

    task: Task
    train: dict[str, list]
    valid: dict[str, list]
    resume: bool  # whether there is a run to resume
    finished: bool  # whether that run has nothing left to do


def _prepare(source, config, run, resume, overwrite, start_from, context):
    """Do all that a mistake in the arguments can stop."""
    if config.trainer.batch_size < context.num_devices:
        raise ValueError(
            f"batch_size must be at least the number of devices that share a batch, {context.num_devices}. "
            f"Received: batch_size={config.trainer.batch_size}"
        )
    if not (resume or overwrite):
        run.refuse_existing()
    resume = resume and run.exists()
    start = None if start_from is None else load_start(start_from, config)
    seed = config.trainer.seed
    train, valid = train_and_validation(source, validation_fraction=config.data.validation_fraction, seed=seed)
    examples = [example for of_task in train.values() for example in of_task]
    task_class = task_class_for(source.dataset)
    # Several workers build the network once more in the scope of all devices, where each waits for the others.
    with context.scope() if context.num_workers == 1 else contextlib.nullcontext():
        if start is None:
            task = task_class(config)
            task.adapt(examples)
        else:
            task = continue_from(start, config, examples)
        finished = False
        if resume:
            _check_same(run, task, source)
            finished = _finished(run, config)
        if not finished:
            keras.utils.set_random_seed(seed)  # after the networks of others were built
            task.compile()
    for line in task.data_report(train, valid):
        _log.info("%s", line)
    return _Prepared(task, train, valid, resume, finished)


def rebuild(task: Task) -> Task:
    """Return a new, compiled task of the same configuration and preprocessor, its weights drawn by the seed."""
    keras.utils.set_random_seed(task.config.trainer.seed)
    task = type(task)(task.config, preprocessor=task.preprocessor)
    task.compile()
    return task


def _consistent_values(prepared, context):
    """Return the values that workers compare before they train."""
    return {
        **prepared.task.config.flat(),
        **prepared.task.preprocessor.get_config(),
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
    return status in _FINISHED or (status == "epochs" and metrics.get("epochs", 0) >= config.trainer.epochs)


def _begin(run, prepared, source, overwrite):
    """Create the run folder, whose lock is held; another process may have begun a run since it was looked at."""
    run.refuse_foreign()
    if not (prepared.resume or overwrite):
        run.refuse_existing()
    if not prepared.resume:
        run.remove()
    run.create(prepared.task, source)


def redrawing(source: Source, config: RunConfig) -> Callable[[int], dict[str, list]] | None:
    """Return a function of the number of an epoch that draws its training examples; `None` if all have the same."""
    if not config.data.redraw:
        return None
    # Above all seeds of runs, so that no epoch has the examples of another run's.
    return lambda epoch: source.load("train", seed=config.trainer.seed + 2**32 * epoch)


def fit_run(
    task: Task,
    run: RunFolder,
    train_examples: Mapping[str, Sequence],
    valid_examples: Mapping[str, Sequence],
    *,
    context: DistributionContext | None = None,
    redraw: Callable[[int], Mapping[str, Sequence]] | None = None,
    last_epoch: int | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 1,
) -> tuple[BaseException | None, list[dict[str, float]]]:
    """Train in a run folder until there is a reason to stop, from where its backup stands; test questions play no part.

    Args:
        task: The task, new and compiled.
        run: The `RunFolder`, created.
        train_examples: Dict of part name to list of examples.
        valid_examples: The same, held out.
        context: The `DistributionContext` of the devices and workers that train, in whose scope the network was built;
            one device by default.
        redraw: Function of the number of an epoch, from 1, that returns other training examples for it; `None` for the
            same ones in every epoch.
        last_epoch: Number of the epoch, from 1, after which to stop before `epochs` of the configuration; a later call
            continues as if there had been no stop.
        callbacks: Further Keras callbacks. What they raise ends training and is passed on.
        verbose: Keras' verbosity of `fit`: 0, 1 or 2.

    Returns:
        The `TrainingDivergedError` or `KeyboardInterrupt` that ended training, or `None`; and the history, a list of
        one dict an epoch.
    """
    context = DistributionContext() if context is None else context
    trainer, writes = task.config.trainer, context.worker == 0
    own: dict[str, Any] = {"part": context.worker, "parts": context.num_workers}
    epochs = trainer.epochs if last_epoch is None else min(last_epoch, trainer.epochs)
    devices = {"multiple_of": context.num_devices}
    history: list[dict[str, float]] = []
    encoded = task.encode_training(train_examples)
    anew = None if redraw is None else (lambda number: task.encode_training(redraw(number)))
    sequence = task.training_sequence(encoded, lambda: len(history), redraw=anew, same_steps=True, **devices, **own)
    batches = sequence.batches
    valid_batches = task.batches([example for of_part in valid_examples.values() for example in of_part], **devices)
    backup = ResumableBackup(run, len(batches), writes=writes)
    epoch, resumed = context.run_consistently(lambda: _restored(run, backup, task, context))
    history += resumed
    if progress(history, trainer).finished or epoch >= epochs:
        return None, history
    task.make_variables(batches)
    sequence.on_epoch_begin()
    _log.info("Compiling the training step, which the first batch waits for")
    try:
        task.fit(
            sequence.for_fit(),
            shuffle=False,
            validation_data=EpochSequence(valid_batches, **own).for_fit(),
            epochs=epochs,
            initial_epoch=epoch,
            callbacks=[
                EvaluationCheck(valid_batches, **own),
                BestWeights(run, trainer, history, writes=writes),
                *([keras.callbacks.TensorBoard(str(run.logs), write_graph=False)] if writes and _TENSORBOARD else ()),
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
            _log.info("Interrupted: keeping and evaluating the best weights so far.")
        else:
            _log.info("Interrupted in the first epoch: no model was trained yet, and none is kept.")
        return error, history
    return None, history


def _restored(run, backup, task, context):
    """Return what workers compare, and the epoch to resume at and the history before it."""
    epoch = backup.restore(task)
    history = run.read_history()[:epoch]
    if context.num_workers == 1:
        return {}, (epoch, history)
    weights = [keras.ops.convert_to_numpy(weight).tobytes() for weight in task.weights]
    restored = {"epoch": epoch, "weights": weights, "history": history}
    return {f"the {what} that output holds": value for what, value in restored.items()}, (epoch, history)


def measure_run(
    task: Task,
    run: RunFolder,
    source: Source,
    valid_examples: Mapping[str, Sequence],
    error: BaseException | None = None,
    *,
    writes: bool = True,
) -> dict[str, Any]:
    """Load the best weights, save the model, measure it on validation and test questions, and write the metrics.

    Args:
        task: The task.
        run: The `RunFolder`, with best weights and history.
        source: The `Source` of the test questions.
        valid_examples: Dict of part name to list of examples.
        error: What `fit_run` returned.
        writes: Whether to write files: of several workers one does.

    Returns:
        The metrics, as in `metrics.json`.
    """
    run.load_best_weights(task)
    if writes:
        run.calibration.unlink(missing_ok=True)  # it was that of another model
        save_weights(task.network, run.model)
    history = run.read_history()
    state = progress(history, task.config.trainer)
    interrupted = "interrupted" if isinstance(error, KeyboardInterrupt) else None
    diverged = "diverged" if isinstance(error, TrainingDivergedError) else None
    metrics = {
        **_errors(task, source, valid_examples),
        "status": interrupted or diverged or state.finished or "epochs",
        "epochs": len(history),
        "best_epoch": state.best_epoch + 1,
        **{name: round(sum(epoch.get(name, 0.0) for epoch in history), 1) for name in ("seconds", "cpu_seconds")},
        "seed": task.config.trainer.seed,
        "parameters": task.network.count_params(),
        "versions": versions(),
    }
    if writes:
        write_json(run.metrics, metrics)
    return metrics


def _errors(task, source, valid_examples):
    """Measure every part on its validation and test examples; without a test part there is only the first."""
    test = labelled(source.load("test", seed=task.config.trainer.seed))
    valid, _ = evaluate_tasks(task, valid_examples, split="validation")
    tested, _ = evaluate_tasks(task, {name: examples for name, examples in test.items() if examples})
    rows = {}
    for name, row in valid.items():
        of_validation = {"validation_error": row["error"], "validation_questions": row["questions"]}
        rows[name] = {"error": row["error"], **of_validation, **tested.get(name, {})}
    return summary(rows)


def _check_same(run, task, source):
    """Raise if a resumed run was begun with other settings; the number of epochs may grow."""
    stored, trained_on = run.read_task(type(task)), run.source()
    for given, expected in (
        (source.to_dict(), trained_on.to_dict()),
        (task.preprocessor.get_config(), stored.preprocessor.get_config()),
        (task.config.flat(), stored.config.flat()),
    ):
        for name, value in expected.items():
            if name in ("data_dir", "trainer.epochs") or value == given[name]:
                continue
            if name.removeprefix("model.") in SETTLED and given[name] is None:  # settled when the network is built
                continue
            raise ValueError(
                f"resume: {run.path} was begun with {name}={str(value)[:200]}. "
                f"Received: {name}={str(given[name])[:200]}"
            )
