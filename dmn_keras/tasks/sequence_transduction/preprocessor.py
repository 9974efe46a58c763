"""Sequences -> arrays; bits and classes -> answers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.datasets.formal_languages import TASKS
from dmn_keras.datasets.sequence_record import check_sequence
from dmn_keras.layers.checks import one_of
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.preprocessor import Preprocessor
from dmn_keras.tasks.sequence_transduction.targets import OUTPUTS


class SequenceTransductionPreprocessor(Preprocessor):
    """Checks sequences, and knows the sizes of their steps.

    Args:
        input_size: Size of a step's input; `None` before `adapt`.
        output_size: Number of bits of a step, or of classes.
        output: `"bits"` or `"classes"`.
        symbols: The symbols of the classes, one each; empty where they have none.

    Example:

    >>> preprocessor = SequenceTransductionPreprocessor()
    >>> preprocessor.adapt(dmn_keras.datasets.load("algorithmic", task="all", split="train", num_examples=5))
    >>> preprocessor.input_size, preprocessor.output_size, preprocessor.output
    (9, 8, 'bits')
    """

    example_class = SequenceTransductionExample

    def __init__(
        self, input_size: int | None = None, output_size: int | None = None, output: str = "bits", symbols: str = ""
    ):
        self.input_size: Any = input_size
        self.output_size = output_size
        self.output = one_of("output", output, OUTPUTS)
        self.symbols = symbols

    @property
    def is_adapted(self) -> bool:
        return self.input_size is not None

    def adapt(self, data: Any) -> None:
        """Learn the sizes of inputs and targets, and the symbols of the classes.

        Args:
            data: The training examples. A task of `formal_languages` has the classes of that task, another
                one more than the greatest class.

        Raises:
            ValueError: If there is no example, one has no targets, or they differ in what their targets are.
        """
        examples = self.read(data)
        if not examples:
            raise ValueError("adapt needs at least one example. Received none.")
        for number, example in enumerate(examples, start=1):
            check_sequence(example, f"record {number}")
            if not example.is_labelled:
                raise ValueError(f"record {number}: targets are missing, which training needs.")
            if np.ndim(example.targets) != np.ndim(examples[0].targets):
                expected = "bits" if np.ndim(examples[0].targets) == 2 else "classes"
                raise ValueError(f"record {number}: targets must be {expected}, as those of record 1.")
        self.input_size = np.asarray(examples[0].inputs).shape[1]
        tasks = {example.task for example in examples}
        self.symbols = TASKS[tasks.pop()].outputs if len(tasks) == 1 and tasks <= TASKS.keys() else ""
        self.output = "bits" if np.ndim(examples[0].targets) == 2 else "classes"
        if self.output == "bits":
            self.output_size = examples[0].targets.shape[1]
        else:
            largest = (np.max(example.targets, where=example.scored, initial=0) for example in examples)
            self.output_size = len(self.symbols) or int(max(largest)) + 1
        self.encode(examples)

    @property
    def specs(self) -> dict[str, FeatureSpec]:
        return {"inputs": FeatureSpec("float32", ("steps", self.input_size))}

    def encode(self, examples: Sequence[SequenceTransductionExample]) -> list[SequenceTransductionExample]:
        """Return the examples as arrays of the right types.

        Raises:
            ValueError: If a sequence has no steps, a number is NaN or infinite, or a size is not that of the training
                data; the message names the record.
        """
        self.check_adapted()
        return [self._encode(example, f"record {number}") for number, example in enumerate(examples, start=1)]

    def _encode(self, example, place):
        check_sequence(example, place)
        self._check_task(example, place)
        inputs, targets = np.asarray(example.inputs, "float32"), np.asarray(example.targets)
        scored = np.asarray(example.scored, bool)
        if inputs.shape[1] != self.input_size:
            expected = f"(steps, {self.input_size}), as in the training data"
            raise ValueError(f"{place}: inputs must be {expected}. Received: shape {inputs.shape}")
        if targets.size:
            self._check_targets(targets, scored, place)
        return dataclasses.replace(example, inputs=inputs, targets=targets, scored=scored)

    def _check_task(self, example, place):
        """Raise if an example is of a language with other symbols than that of the training data."""
        symbols = TASKS[example.task].outputs if example.task in TASKS else ""
        if self.symbols and symbols not in ("", self.symbols):
            raise ValueError(
                f"{place}: task {example.task} has the symbols {symbols!r}, those of the training data are "
                f"{self.symbols!r}."
            )

    def _check_targets(self, targets, scored, place):
        if self.output == "bits":
            expected, fits = f"(steps, {self.output_size}) bits", targets.shape[1:] == (self.output_size,)
        else:
            expected = f"(steps,) classes below {self.output_size}"
            fits = targets.ndim == 1 and np.max(targets, where=scored, initial=0) < self.output_size
        if not fits:
            greatest = f", greatest {targets[scored].max()}" if targets.ndim == 1 and scored.any() else ""
            raise ValueError(
                f"{place}: targets must be {expected}, as in the training data. Received: shape {targets.shape}"
                f"{greatest}"
            )

    def get_config(self) -> dict[str, Any]:
        names = ("input_size", "output_size", "output", "symbols")
        return {name: getattr(self, name) for name in names}
