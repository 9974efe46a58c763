"""Early stopping that a resumed run continues, and a stop at the first loss that is not finite."""

import contextlib
import dataclasses
import functools
import math
import time
from collections.abc import Mapping, Sequence

import keras
from keras import ops

from dmn_keras.tasks.batching import EpochSequence
from dmn_keras.tasks.config import TrainerConfig
from dmn_keras.tasks.preset import save_weights
from dmn_keras.utils.files import read_json, write_json


class TrainingDivergedError(RuntimeError):
    """The loss became infinite or NaN; the message names epoch and batch."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where training stands after some epochs, a function of their validation results alone.

    Attributes:
        best_epoch: The best epoch so far, from 0; -1 before the first.
        waited: Epochs since the best one.
        halvings: How often half of the patience has passed without a better epoch.
        finished: Why training stops here: `"solved"`, `"patience"`, or `None` to continue.
    """

    best_epoch: int = -1
    waited: int = 0
    halvings: int = 0
    finished: str | None = None


def progress(history: Sequence[Mapping[str, float]], trainer: TrainerConfig) -> Progress:
    """Judge the epochs so far.

    An epoch is better than the best before it if its validation error is lower or, where they are equal, its
    validation loss. Epochs of a linear start count for nothing: the last of them is the best until another follows.

    Args:
        history: List of one dict an epoch with `"val_error"` and `"val_loss"`, and `"linear"` where MemN2N has one.
        trainer: The `TrainerConfig`, with `patience` and `stop_after_perfect_epochs`.

    Returns:
        The `Progress` after the last epoch.
    """
    best, best_epoch, halvings = (math.inf, math.inf), -1, 0
    for epoch, logs in enumerate(history):
        result = (logs["val_error"], logs["val_loss"])
        if logs.get("linear"):
            best_epoch = epoch
        elif result < best:
            best, best_epoch = result, epoch
        elif (epoch - best_epoch) % max(trainer.patience // 2, 1) == 0:
            halvings += 1
    waited = len(history) - 1 - best_epoch
    finished = "patience" if history and waited >= trainer.patience else None
    perfect = trainer.stop_after_perfect_epochs
    last = history[-perfect:]
    if len(last) == perfect and not any(logs["val_error"] or logs.get("linear") for logs in last):
        finished = "solved"
    return Progress(best_epoch, waited, halvings, finished)


def learning_rate(config: TrainerConfig, history: Sequence[Mapping[str, float]]) -> float:
    """Return the learning rate of the epoch that follows those of `history`, as `config.schedule` has it."""
    if config.schedule == "cosine":
        done = (len(history) - config.constant_epochs) / max(config.epochs - config.constant_epochs, 1)
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(max(done, 0.0), 1.0)))
    return config.learning_rate * 0.5 ** progress(history, config).halvings


class BestWeights(keras.callbacks.Callback):
    """Keep the best epoch's weights in the run folder, set each epoch's learning rate, and stop in time.

    Its whole state is the history in the run folder, so that a resumed run decides as the uninterrupted one would have.

    Args:
        run: The `RunFolder`.
        config: The `TrainerConfig`.
        history: The epochs before a resumed one, a list of dicts; it grows in place.
        writes: Whether to write files: of several workers one does.
    """

    def __init__(self, run, config, history, *, writes=True):
        super().__init__()
        self.run, self.config, self.history, self.writes = run, config, history, writes

    def on_train_begin(self, logs=None):
        chosen = self.model.targets()[0]
        # Keras leaves out the name of the output where there is one alone.
        self._accuracies = [f"val_{chosen.name}_{chosen.metrics[0].name}", f"val_{chosen.metrics[0].name}"]
        self.model.optimizer.learning_rate = learning_rate(self.config, self.history)

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter(), time.process_time()

    def on_train_batch_end(self, batch, logs=None):
        steps, last = self.config.steps_per_execution, (self.params or {}).get("steps") or batch + 1
        batches = f"batch {batch + 1}" if steps == 1 else f"batches {batch - steps + 2} to {min(batch + 1, last)}"
        self._check_finite("loss", logs["loss"], batches)

    def on_epoch_end(self, epoch, logs=None):
        # The last batch of an epoch may spoil the weights without any training loss that shows it.
        self._check_finite("validation loss", logs["val_loss"], "after its last batch")
        record = {name: float(value) for name, value in logs.items()}
        [accuracy] = [record[name] for name in self._accuracies if name in record]
        seconds = round(time.perf_counter() - self._start[0], 3)
        cpu_seconds = round(time.process_time() - self._start[1], 3)
        self.history.append({**record, "val_error": 1.0 - accuracy, "seconds": seconds, "cpu_seconds": cpu_seconds})
        state = progress(self.history, self.config)
        if self.writes:
            if state.best_epoch == epoch:
                with _by_itself():
                    save_weights(self.model.network, self.run.best_weights)
            write_json(self.run.history, self.history)
        self.model.optimizer.learning_rate = learning_rate(self.config, self.history)
        self.model.stop_training = state.finished is not None

    def _check_finite(self, name, loss, where):
        if not math.isfinite(loss):
            kept = "The best weights before it are kept" if self.history else "There are no weights to keep yet"
            raise TrainingDivergedError(
                f"The {name} became {loss} in epoch {len(self.history) + 1}, {where}. "
                f"{kept}; a lower learning_rate or clip_norm may help."
            )


@contextlib.contextmanager
def _by_itself():
    """Make variables of this process alone: Keras makes some to save a model, which other workers would wait for."""
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


class EvaluationCheck(keras.callbacks.Callback):
    """Compare compiled evaluation with all outputs of the model on one batch, after the first epoch of a training.

    A compiler that gets the model wrong on some device would otherwise choose the weights (docs/gpu.md).

    Args:
        batches: The `Batches` of the validation examples.
        part: Number of this worker, from 0.
        parts: Number of workers.

    Raises:
        RuntimeError: From `on_epoch_end`, if a metric differs by more than `TOLERANCE`, relative if it is above 1.
    """

    TOLERANCE = 0.05

    def __init__(self, batches, *, part=0, parts=1):
        super().__init__()
        self.batches = batches
        self.own = {"part": part, "parts": parts}
        self._checked = False

    def on_epoch_end(self, epoch, logs=None):
        if self._checked:
            return
        self._checked = True
        batch = max(self.batches.plan(), key=lambda entry: len(entry.members))
        one = EpochSequence(self.batches, plan=[batch], **self.own)
        compiled = self.model.evaluate(one.for_fit(), verbose=0, return_dict=True)
        for name, expected in reference_metrics(self.model, *self.batches.batch(batch)).items():
            # Not `>`, which is false of NaN. A loss that is not finite on either side is for `BestWeights`.
            if math.isfinite(expected) and not abs(compiled[name] - expected) <= self.TOLERANCE * max(1, abs(expected)):
                raise RuntimeError(
                    f"Compiled evaluation is wrong on this device: {name} of one validation batch is "
                    f"{compiled[name]:.4f} by evaluate and {expected:.4f} by the model's outputs "
                    f"(backend {keras.backend.backend()}). "
                    "Training stops, since it would choose its weights by wrong numbers. Train on a CPU, or without "
                    "XLA (jit_compile=false on TensorFlow); see docs/gpu.md."
                )


def reference_metrics(model, inputs, targets, weights):
    """Compute what `model.evaluate` gives for one batch from all outputs of the model, on this process alone.

    TensorFlow and PyTorch compute operation by operation. JAX would compile each, and compiles the whole once: a
    function that returns all outputs, which the compiler cannot reduce to the answer.

    Args:
        model: The compiled model; its variables stay as they are.
        inputs: Dict of arrays.
        targets: Dict of arrays.
        weights: Dict of arrays, the weights of the rows for each target.

    Returns:
        Dict of names and numbers, with those of `evaluate`.
    """
    variables = [*model.trainable_variables, *model.non_trainable_variables, *model.metrics_variables]
    with _by_itself():
        values = [ops.convert_to_tensor(ops.convert_to_numpy(variable)) for variable in variables]
        inputs, targets, weights = keras.tree.map_structure(ops.convert_to_tensor, (inputs, targets, weights))
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            model.reset_metrics()
            if keras.backend.backend() == "jax":
                import jax

                trainable, others = model.trainable_variables, model.non_trainable_variables
                state = [[variable.value for variable in group] for group in (trainable, others)]
                outputs, _ = jax.jit(functools.partial(model.stateless_call, training=False))(*state, inputs)
            else:
                outputs = model(inputs, training=False)
            loss = model.compute_loss(inputs, targets, outputs, weights, training=False)
            metrics = model.compute_metrics(inputs, targets, outputs, weights)
        # Under tf.distribute Keras gives each device its part of the loss.
        strategy = getattr(model, "distribute_strategy", None)
        loss = loss if strategy is None else loss * strategy.num_replicas_in_sync
        return {name: float(ops.convert_to_numpy(value)) for name, value in {**metrics, "loss": loss}.items()}


_DRAWS_OF_EPOCH = 2**20
"""More than one dropout layer draws in an epoch, so that no two epochs drop the same."""


class ResumableBackup(keras.callbacks.Callback):
    """Saves the state of training after each epoch, and restores it before `fit`.

    Each file is replaced atomically, the weights first and the number of the epoch after them. A kill in between leaves
    a number that is one too low; the optimizer's count of steps, saved with the weights and once more with the number,
    shows it. (It need not be a multiple of an epoch's steps: loss scaling leaves some out.) What dropout draws in an
    epoch does not depend on the epochs before, so that it is the same after a resume.

    Args:
        run: The `RunFolder`.
        steps_per_epoch: Batches of an epoch.
        writes: Whether to write files: of several workers one does.
    """

    def __init__(self, run, steps_per_epoch, *, writes=True):
        super().__init__()
        self.run, self.steps_per_epoch, self.writes = run, steps_per_epoch, writes
        self.weights = run.backup / "latest.weights.h5"
        self.metadata = run.backup / "training_metadata.json"

    def restore(self, model):
        """Load the last backup, if there is one, into the compiled model, and return the epoch to resume at, from 0."""
        self.set_model(model)
        if not self.weights.exists():
            return 0
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        try:
            model.load_weights(self.weights)
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{self.weights} is damaged ({error}). Start the run again with overwrite.") from error
        try:
            written = read_json(self.metadata)
            return written["epoch"] + int(self._steps() > written["steps"])
        except (OSError, ValueError, KeyError, TypeError):  # killed before it was written
            return -(-self._steps() // self.steps_per_epoch)

    def _steps(self):
        return int(ops.convert_to_numpy(self.model.optimizer.iterations))

    def on_epoch_end(self, epoch, logs=None):
        if self.writes:
            with _by_itself():
                save_weights(self.model, self.weights)
            write_json(self.metadata, {"epoch": epoch + 1, "steps": self._steps()})

    def on_epoch_begin(self, epoch, logs=None):
        # The weights leave out the state of the random generators. Where each starts in an epoch is therefore a
        # function of its seed and the epoch alone; the second entry of a state counts what was drawn.
        for variable in self.model.variables:
            if variable.path.endswith("seed_generator_state"):
                seed = ops.convert_to_numpy(variable)[0]
                variable.assign([seed, epoch * _DRAWS_OF_EPOCH % 2**32])
