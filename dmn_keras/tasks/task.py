"""The base class of all tasks: a Keras model that takes raw examples."""

import dataclasses
import logging
import os
import pathlib
import re
import threading
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np

from dmn_keras.layers.checks import positive_integer
from dmn_keras.models.dynamic_memory_network import check_no_hdf5
from dmn_keras.models.families import MODEL_FAMILIES
from dmn_keras.tasks.batching import Batches, EpochSequence
from dmn_keras.tasks.config import RunConfig
from dmn_keras.tasks.preprocessor import Preprocessor, shown_names
from dmn_keras.tasks.preset import PresetFolder
from dmn_keras.tasks.target import Target
from dmn_keras.utils.settings import Settings

_log = logging.getLogger(__name__)

_OPTIMIZERS = {
    "adam": (keras.optimizers.Adam, {}),
    "rmsprop": (keras.optimizers.RMSprop, {"rho": 0.95, "momentum": 0.9, "epsilon": 1e-4, "centered": True}),
    "sgd": (keras.optimizers.SGD, {}),
}
"""Keras optimizers and their options, by the setting `optimizer`."""


class Task(keras.Model):
    """A Keras model whose `fit`, `evaluate` and `predict` take raw examples.

    It holds a preprocessor, which turns examples into arrays, and a network, a functional Keras model that is built
    once the preprocessor is adapted to training data. A task of one's own defines `preprocessor_class`, `targets`,
    `build_network` and `decode`.

    Args:
        config: A `RunConfig`, the configuration of a model family, or `None` for the defaults.
        preprocessor: The `Preprocessor`; by default a new one, which `fit` adapts.
        **settings: Settings to change, by name, e.g. `units=32`.

    Raises:
        ValueError: If a setting is unknown or out of range, or the model is of another family.
    """

    preprocessor_class: ClassVar[Any]
    """Class of the task's preprocessor, a `Preprocessor`."""
    default_config: ClassVar[RunConfig] = RunConfig()
    families: ClassVar[tuple[str, ...]] = ()
    """Families of models that the task builds; empty for any."""

    def __init__(
        self,
        config: RunConfig | Settings | None = None,
        *,
        preprocessor: Any = None,
        name: str | None = None,
        **settings: Any,
    ):
        super().__init__(name=name or re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower())
        if not isinstance(config, (RunConfig, type(None), *MODEL_FAMILIES.values())):
            message = f"config must be a RunConfig, the configuration of a model, or None. Received: {config!r:.100}."
            if isinstance(config, str):
                message += f" To open a model: {type(self).__name__}.from_preset({config!r})."
            raise TypeError(message)
        whole = config if isinstance(config, RunConfig) else self.default_config
        if config is not whole and config is not None:
            whole = dataclasses.replace(whole, model=config)
        self.config = whole.replace(settings)
        if self.families and self.config.model.family not in self.families:
            raise ValueError(
                f"model.family must be {' or '.join(map(repr, self.families))} for a {type(self).__name__}. "
                f"Received: model.family={self.config.model.family!r}"
            )
        for part in ("task", "data"):
            expected, given = (type(getattr(config, part)).__name__ for config in (self.default_config, self.config))
            if given != expected:
                raise TypeError(f"config.{part} must be a {expected} for a {type(self).__name__}. Received: a {given}")
        if not isinstance(preprocessor, (Preprocessor, type(None))):
            raise TypeError(f"preprocessor must be a Preprocessor or None. Received: {preprocessor!r:.100}")
        self.preprocessor: Any = self.new_preprocessor() if preprocessor is None else preprocessor
        self._built_network = None
        self._compile_arguments = types.SimpleNamespace()  # Keras would track what a dict holds
        self._predictors: dict[Any, _Predictor] = {}
        self._predictors_lock = threading.Lock()

    # What a task defines. One that names its own options in place of `**options` changes the signature for mypy.

    def new_preprocessor(self) -> Preprocessor:
        """Return a preprocessor with the settings of `config`."""
        return self.preprocessor_class()

    def build_network(self) -> keras.Model:
        """Return the functional model from the preprocessor's inputs to a dict of outputs."""
        raise NotImplementedError(f"{type(self).__name__} defines no build_network.")

    def targets(self) -> list[Target]:
        """Return what the outputs learn from; the metrics of the first choose the best weights."""
        raise NotImplementedError(f"{type(self).__name__} defines no targets.")

    def decode(self, outputs: Sequence[Mapping[str, np.ndarray]], encoded: Sequence) -> list:
        """Return the answers of encoded examples; a task's own options of `predict` are further arguments.

        Args:
            outputs: Of each example a dict of the prediction network's outputs.
            encoded: What the preprocessor gave for the examples.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no decode.")

    def score(self, examples: Sequence, answers: Sequence) -> dict[str, float]:
        """Return the metrics of some answers, at least one, in percent; the first says how much is right.

        `dmn_keras.train` and `dmn-keras evaluate` need it.

        Args:
            examples: Examples with their right answers.
            answers: What `predict` gave for them.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no score.")

    def mistake(self, example: Any, answer: Any) -> dict[str, Any] | None:
        """Return what a table of wrong answers shows of an answer, by column; `None` if it is right."""
        raise NotImplementedError(f"{type(self).__name__} defines no mistake.")

    def explain(self, example: Any, answer: Any) -> str:
        """Return an example and its answer as lines of text."""
        return f"{example}\n{answer}"

    def data_report(self, train: Mapping[str, Sequence], valid: Mapping[str, Sequence]) -> Iterator[str]:
        """Yield lines about the training and validation examples, dicts by part; the preprocessor is adapted."""
        counts = [sum(map(len, part.values())) for part in (train, valid)]
        yield f"Data: {counts[0]:,} training and {counts[1]:,} validation examples"

    def encode_training(self, examples: Mapping[str, Sequence]) -> list:
        """Return what the network learns from, encoded examples, of a dict by part of the dataset."""
        return self.preprocessor.encode([example for of_part in examples.values() for example in of_part])

    def prediction_network(self, **options: Any) -> keras.Model:
        """Return the model that `predict` runs, on the weights of the network."""
        return self.network

    def augmentation(self) -> Callable | None:
        """Return what changes the batches of training anew in each epoch, `augment` of `EpochSequence`."""
        return None

    def training_callbacks(self) -> list[keras.callbacks.Callback]:
        """Return the Keras callbacks that training needs beside those of `fit`."""
        return []

    # What all tasks share.

    @property
    def network(self) -> keras.Model:
        """The functional model.

        Raises:
            ValueError: If the preprocessor is not adapted yet.
        """
        if self._built_network is None:
            self.preprocessor.check_adapted()
            policy = keras.config.dtype_policy()
            keras.config.set_dtype_policy(self.config.trainer.dtype)
            try:
                self._built_network = self.build_network()
                self.preprocessor.is_locked = True
            finally:
                keras.config.set_dtype_policy(policy)
            self.built = True
        return self._built_network

    def adapt(self, data: Any) -> None:
        """Adapt the preprocessor to training examples.

        Raises:
            ValueError: If there is no example, or the network was built for those of another `adapt`.
        """
        self.preprocessor.adapt(data)

    def build(self, input_shape=None):
        """Build the network, whose shapes are those of the preprocessor's inputs."""
        self.network  # noqa: B018

    def call(self, inputs, training=None):
        return self.network(inputs, training=training)

    def compile(self, optimizer: Any = None, loss: Any = None, **arguments: Any) -> None:
        """Configure the training; what is not given has the defaults of the configuration.

        Args:
            optimizer: Keras optimizer or its name. Defaults to `optimizer` of the configuration with its
                `learning_rate` and `clip_norm`.
            loss: Keras losses by output. Defaults to those of `targets`.
            **arguments: Further arguments of `keras.Model.compile`.
        """
        self._compile_arguments = types.SimpleNamespace(optimizer=optimizer, loss=loss, **arguments)
        if self.preprocessor.is_adapted:
            self._compile()

    def _compile(self):
        trainer, targets = self.config.trainer, self.targets()
        self.network  # noqa: B018, the number of passes is settled with it
        arguments = {
            "metrics": {target.name: list(target.metrics) for target in targets if target.metrics},
            "loss_weights": {target.name: target.weight for target in targets},
            "jit_compile": trainer.jit_compile,
            "steps_per_execution": trainer.steps_per_execution,
            **vars(self._compile_arguments),
        }
        if arguments.get("loss") is None:
            arguments["loss"] = {target.name: target.loss for target in targets}
        elif not hasattr(self._compile_arguments, "loss_weights"):
            arguments["loss_weights"] = None
        if arguments.get("optimizer") is None:
            kind, options = _OPTIMIZERS[trainer.optimizer]
            optimizer = kind(trainer.learning_rate, clipnorm=trainer.clip_norm, **options)
            if trainer.dtype == "mixed_float16":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            arguments["optimizer"] = optimizer
        super().compile(**arguments)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        return super().compute_loss(x, y, _with_targets(y, y_pred), sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        return super().compute_metrics(x, y, _with_targets(y, y_pred), sample_weight)

    def batches(self, examples: Sequence, **options: Any) -> Batches:
        """Return examples with their targets as `Batches`.

        Args:
            examples: List of the preprocessor's `example_class`.
            **options: Further arguments of `Batches`; `batch_size` and `num_buckets` are those of the configuration.

        Raises:
            ValueError: If there is no example.
        """
        return self.encoded_batches(self.preprocessor.encode(examples), **options)

    def encoded_batches(self, encoded: Sequence, *, batch_size: int | None = None, **options: Any) -> Batches:
        """Return encoded examples with their targets as `Batches`; the options are those of `batches`."""
        inputs, targets = self.preprocessor.features(encoded), self.targets()
        features = dataclasses.replace(
            inputs,
            targets={target.name: list(map(target.value, encoded)) for target in targets},
            specs={**inputs.specs, **{target.name: target.spec for target in targets}},
        )
        trainer = self.config.trainer
        size = trainer.batch_size if batch_size is None else positive_integer("batch_size", batch_size)
        return Batches(features, batch_size=size, **{"num_buckets": trainer.num_buckets, **options})

    def training_sequence(
        self,
        encoded: Sequence,
        epoch: Callable[[], int],
        *,
        part: int = 0,
        parts: int = 1,
        redraw: Callable[[int], Sequence] | None = None,
        **options: Any,
    ) -> EpochSequence:
        """Return encoded training examples as `EpochSequence`, whose batches are a function of seed and epoch.

        Args:
            encoded: What `encode_training` returned.
            epoch: Function that returns the number of the epoch, from 0, when it begins.
            part: Number of this worker, from 0.
            parts: Number of workers.
            redraw: Function of the number of an epoch that returns other encoded examples for it, where each has its
                own; `None` for the same ones.
            **options: Those of `batches`.
        """
        trainer, batches = self.config.trainer, self.encoded_batches(encoded, **options)
        order: dict[str, Any] = {
            "seed": trainer.seed,
            "epoch": epoch,
            "curriculum": trainer.curriculum,
            "augment": self.augmentation(),
        }
        if redraw is not None:
            order["redraw"] = lambda number: self.encoded_batches(redraw(number), like=batches, **options)
        return EpochSequence(batches, part=part, parts=parts, **order)

    def fit(
        self,
        x: Any = None,
        *,
        validation_data: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        initial_epoch: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] | keras.callbacks.Callback | None = None,
        **arguments: Any,
    ) -> keras.callbacks.History:
        """Train on raw examples; adapts the preprocessor and compiles where that was not done.

        Of the trainer's settings it leaves `schedule`, `constant_epochs`, `epochs`, `patience` and
        `stop_after_perfect_epochs` to `dmn_keras.training.train`: here they are arguments and Keras callbacks.

        Args:
            x: Training examples in one of the forms of `dmn_keras.tasks.examples.read_examples`; or a function that
                draws those of an epoch, whose number it gets; or batches of arrays, a `keras.utils.PyDataset` or a
                `tf.data.Dataset` of tuples.
            validation_data: Examples that are held out, or their batches, in the same forms but for the function.
            batch_size: Examples of a batch. Defaults to that of the configuration.
            epochs: Number of epochs. Defaults to 1, as in Keras.
            initial_epoch: Epoch to begin at, from 0.
            callbacks: Keras callbacks, or one.
            **arguments: Further arguments of `keras.Model.fit`.

        Returns:
            The Keras history.

        Raises:
            ValueError: If there is no example, a record is malformed, or with raw examples `shuffle` is not `True` or
                another argument makes no sense.
        """
        callbacks = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else list(callbacks or ())
        if is_batched(x):
            if not isinstance(validation_data, tuple | None):  # a tuple holds arrays
                validation_data = self._measured(validation_data, "validation_data", batch_size)
            if not self.compiled:
                self._compile()
            return super().fit(
                x,
                validation_data=validation_data,
                epochs=epochs,
                initial_epoch=initial_epoch,
                callbacks=[*self.training_callbacks(), *callbacks],
                **arguments,
            )
        for name in ("y", "sample_weight", "class_weight", "validation_split"):
            if arguments.pop(name, None) is not None:
                raise ValueError(
                    f"{name} does not go with raw examples, which hold their answers: leave it out; validation_data "
                    "takes examples that are held out."
                )
        if arguments.pop("shuffle", True) is not True:
            raise ValueError("shuffle must be True: raw examples have another order in each epoch, drawn by the seed.")
        if batch_size is not None:
            positive_integer("batch_size", batch_size)
        if validation_data is not None and not is_batched(validation_data):
            validation_data = self._read(validation_data, "validation_data")  # a mistake in it changes nothing
        draw = x if callable(x) else None
        examples = self._read(x if draw is None else draw(initial_epoch), "fit")
        following = initial_epoch
        with self.preprocessor.unchanged_by_errors():
            if self.preprocessor.is_adapted:
                self._check_trainable(examples)
            else:
                self.adapt(examples)
            encoded = self.preprocessor.encode(examples)

        def end_epoch(epoch, logs):
            nonlocal encoded, following
            following = epoch + 1
            if draw is not None and following < epochs and not self.stop_training:
                encoded = self.preprocessor.encode(self._read(draw(following), "fit"))

        redraw = None if draw is None else (lambda epoch: encoded)
        sequence = self.training_sequence(encoded, lambda: following, redraw=redraw, batch_size=batch_size)
        if validation_data is not None:
            validation_data = self._measured(validation_data, "validation_data", batch_size)
        if not self.compiled:
            self._compile()
        self.make_variables(sequence.batches)
        return self.fit(
            sequence.for_fit(),
            validation_data=validation_data,
            epochs=epochs,
            initial_epoch=initial_epoch,
            callbacks=[*callbacks, keras.callbacks.LambdaCallback(on_epoch_end=end_epoch)],  # after lessons
            shuffle=False,
            **arguments,
        )

    def make_variables(self, batches: Batches) -> None:
        """Make the variables of optimizer, losses and metrics, which Keras leaves to the first step on TensorFlow.

        TensorFlow traces a step once more if its first trace made variables. Predictions of zeros make them too, and
        change none.

        Args:
            batches: Batches of the training examples.
        """
        if keras.backend.backend() != "tensorflow":
            return
        parts = batches.batch(batches.plan()[0])
        inputs, targets, weights = ({name: array[:1] for name, array in arrays.items()} for arrays in parts)
        predictions = {}
        for name, output in self.network.output.items():
            of_target = (targets[name].shape if name in targets else ()) + (1,) * len(output.shape)
            shape = [other if size is None else size for size, other in zip(output.shape, of_target, strict=False)]
            predictions[name] = keras.ops.zeros(shape, output.dtype)
        with self.distribute_strategy.scope():
            if not self.optimizer.built:
                self.optimizer.build(self.trainable_variables)
            with keras.StatelessScope(state_mapping=[(variable, variable.value) for variable in self.variables]):
                self.compute_loss(inputs, targets, predictions, weights)
                self.compute_metrics(inputs, targets, predictions, weights)

    def evaluate(
        self, x: Any = None, *, batch_size: int | None = None, return_dict: bool = True, **arguments: Any
    ) -> dict[str, float] | Any:
        """Return the losses and metrics of examples.

        Args:
            x: As `validation_data` of `fit`.
            batch_size: As for `fit`.
            return_dict: Whether to return a dict of names rather than a list.
            **arguments: Further arguments of `keras.Model.evaluate`.

        Returns:
            Dict of numbers by name; with `return_dict=False` a list, or the number itself where there is one alone.

        Raises:
            ValueError: If there is no example, or a record is malformed.
        """
        x = self._measured(x, "evaluate", batch_size)
        if not self.compiled:
            self._compile()
        return super().evaluate(x, return_dict=return_dict, **arguments)

    def predict(self, x: Any, *, batch_size: int = 64, verbose: int = 0, **options: Any) -> list:
        """Return the answers to raw examples, in their order.

        An answer depends neither on the batch size nor on the other examples.

        Args:
            x: Examples in one of the forms of `dmn_keras.tasks.examples.read_examples`.
            batch_size: Examples answered at a time.
            verbose: 1 for a progress bar, 2 for one line at the end, 0 for neither.
            **options: Those of the task.

        Raises:
            ValueError: If the preprocessor is not adapted, or a record is malformed.
        """
        self.preprocessor.check_adapted()
        encoded = self.preprocessor.encode(self.preprocessor.read(x))
        return self.predict_encoded(encoded, batch_size, verbose, **options)

    def predict_encoded(self, encoded: Sequence, batch_size: int = 64, verbose: int = 0, **options: Any) -> list:
        """Return the answers to encoded examples; the arguments are those of `predict`."""
        positive_integer("batch_size", batch_size)
        if not encoded:
            return []
        batches = Batches(self.preprocessor.features(encoded), batch_size=batch_size, ladder=True)
        predict = self._predictor(options)
        outputs: list = [None] * len(encoded)
        progress = keras.utils.Progbar(len(encoded), verbose=verbose, unit_name="example")
        for planned in batches.plan():
            arrays = predict(batches.batch(planned)[0])
            for row, member in enumerate(planned.members):
                outputs[member] = {name: array[row] for name, array in arrays.items()}
            progress.add(len(planned.members))
        return self.decode(outputs, encoded, **options)

    def _predictor(self, options):
        key = tuple(sorted(options.items()))
        with self._predictors_lock:
            if key not in self._predictors:
                self._predictors[key] = _Predictor(self.prediction_network(**options))
            return self._predictors[key]

    def _read(self, data, argument):
        """Return the examples of an argument that learns or measures: each with what is right."""
        try:
            examples = self.preprocessor.read(data)
        except (TypeError, ValueError) as error:
            if argument != "validation_data":
                raise
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"validation_data: {error}") from error
        if not examples:
            raise ValueError(f"{argument} needs at least one example. Received none.")
        for number, example in enumerate(examples, start=1):
            if not getattr(example, "is_labelled", True):
                field = getattr(example, "ANSWER_FIELD", "answer")
                raise ValueError(
                    f"record {number}: {argument} needs the right answer, the field {field!r}. "
                    f"Received: {example!r:.200}"
                )
        return examples

    def _measured(self, data, argument, batch_size):
        """Return the batches of an argument that measures; warns of words that training never saw."""
        if is_batched(data):
            return data
        examples = self._read(data, argument)
        self.preprocessor.check_adapted()
        part = "validation_data" if argument == "validation_data" else "examples to evaluate"
        self._warn_of_unseen_words(examples, part)
        return EpochSequence(self.batches(examples, batch_size=batch_size)).for_fit()

    def _check_trainable(self, examples):
        """Refuse training examples whose classes the network does not have; warn of words that it does not know."""
        if unseen := self.preprocessor.unseen_classes(examples):
            raise ValueError(
                f"the model has no class for {shown_names(unseen)}: it was made for other data. Make a new task for "
                "new classes."
            )
        self._warn_of_unseen_words(examples, "training data")

    def _warn_of_unseen_words(self, examples, part):
        if unseen := self.preprocessor.unseen_words_warning(examples, part):
            _log.warning("%s", unseen)

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        check_no_hdf5(filepath)
        self._build_if_adapted()
        super().save(filepath, *args, **kwargs)

    def save_to_preset(self, folder: Any, **content: Any) -> None:
        """Write configuration, preprocessor and weights to a folder, which `from_preset` reads.

        Args:
            folder: The folder; it is created. A preset in it is replaced.
            **content: Further fields of its `config.json`.

        Raises:
            FileExistsError: If a file of the preset would overwrite one of something else.
            NotADirectoryError: If it is a file.
        """
        PresetFolder(folder).save(self, **content)

    @classmethod
    def from_preset(cls, name: Any = None) -> Self:
        """Return the task of a folder, or of a pretrained model by its name.

        Args:
            name: A folder that `save_to_preset` or `dmn-keras train` wrote, or a name. Defaults to `"babi-joint"`.

        Raises:
            FileNotFoundError: If there is neither.
            ValueError: If the folder is damaged, was written by a newer version, or holds another task.
        """
        return PresetFolder.find(name).load(cls)

    def export(self, folder: str | os.PathLike, **options: Any) -> pathlib.Path:
        """Write the task as a SavedModel, verified, that TF Serving runs.

        Args:
            folder: The model's folder; each export is a version in it.
            **options: Those of `dmn_keras.serving.export`, which says what the signatures are.

        Returns:
            The path of the version.

        Raises:
            ImportError, OSError, RuntimeError, ValueError: As `dmn_keras.serving.export`.
        """
        from dmn_keras.serving import export  # serving builds on tasks

        return export(self, folder, **options)

    def in_float32(self) -> Self:
        """Return a task with the same weights that computes in float32, itself where it does so already."""
        if self.config.trainer.dtype == "float32":
            return self
        copy = type(self)(self.config.replace(dtype="float32"), preprocessor=self.preprocessor)
        copy.network.set_weights(self.network.get_weights())
        return copy

    def load_extras(self, folder: PresetFolder) -> None:
        """Load what a preset folder holds besides configuration and weights."""

    def save_extras(self, folder: PresetFolder) -> None:
        """Write what `load_extras` loads, and remove what is another task's."""

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "config": self.config.to_dict(),
            "preprocessor": self.preprocessor.get_config(),
        }

    def get_compile_config(self) -> None:
        """Return nothing: a loaded task is compiled by `compile` or `fit`."""

    @classmethod
    def from_config(cls, config, custom_objects=None):
        preprocessor = cls.preprocessor_class.from_config(config["preprocessor"])
        task = cls(cls.default_config.replace(config["config"]), preprocessor=preprocessor, name=config["name"])
        task._build_if_adapted()
        return task

    def _build_if_adapted(self):
        """Build the network before Keras looks for weights: those of one that is built on the way have another path."""
        if self.preprocessor.is_adapted:
            self.network  # noqa: B018


def _with_targets(y, y_pred):
    """Leave out the outputs that have no target."""
    return {name: y_pred[name] for name in y} if isinstance(y, Mapping) and isinstance(y_pred, Mapping) else y_pred


def is_batched(data: Any) -> bool:
    """Return whether data holds batches of arrays already, as `keras.Model.fit` reads them."""
    if isinstance(data, keras.utils.PyDataset):
        return True
    return isinstance(getattr(data, "element_spec", None), tuple)


class _Predictor:
    """A model that one thread traces, once for each shape, while other threads wait."""

    def __init__(self, model):
        self._model = model
        self._lock = threading.Lock()
        self._traced = set()

    def __call__(self, inputs):
        shapes = tuple(array.shape for array in inputs.values())
        if shapes in self._traced:
            return self._model.predict_on_batch(inputs)
        with self._lock:
            outputs = self._model.predict_on_batch(inputs)
            self._traced.add(shapes)
        return outputs
