"""Sequence transduction: outputs at the steps of a sequence."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.models.recurrent_memory_config import RecurrentMemoryConfig
from dmn_keras.tasks.batching import Batches
from dmn_keras.tasks.config import DataConfig, RunConfig
from dmn_keras.tasks.sequence_transduction.answer import SequenceAnswer, format_values
from dmn_keras.tasks.sequence_transduction.config import SequenceTransductionConfig
from dmn_keras.tasks.sequence_transduction.preprocessor import SequenceTransductionPreprocessor
from dmn_keras.tasks.sequence_transduction.targets import sequence_target
from dmn_keras.tasks.target import Target
from dmn_keras.tasks.task import Task


@keras.saving.register_keras_serializable(package="dmn_keras")
class SequenceTransducer(Task):
    """Predicts bits or classes at the steps of a sequence, by a recurrent network that may have a memory.

    The targets decide which: those that are bits have a sigmoid cross-entropy each, classes a softmax
    cross-entropy. Steps that are not scored do not count, in training and in all metrics. The network runs forward
    alone, so that an answer does not depend on the padding behind a sequence, or on the other sequences of a batch.

    Data that a generator draws can be new in every epoch: `fit` takes a function of the epoch.

    Args:
        config: A `RunConfig`, a `RecurrentMemoryConfig`, or `None` for the defaults: an NTM.
        preprocessor: A `SequenceTransductionPreprocessor`.
        **settings: Settings to change, by name, e.g. `cell="stack_rnn"`.

    Example:

    >>> def draw(epoch):
    ...     return dmn_keras.datasets.load("algorithmic", task="all", split="train", num_examples=16, seed=epoch)
    >>> transducer = SequenceTransducer(cell="ntm", controller="feedforward")
    >>> history = transducer.fit(draw, epochs=1, verbose=0)
    >>> transducer.predict(draw(1)[:1])[0].values.shape
    (9, 8)
    """

    preprocessor_class = SequenceTransductionPreprocessor
    families = ("recurrent_memory",)
    default_config = RunConfig(
        task=SequenceTransductionConfig(), model=RecurrentMemoryConfig(), data=DataConfig(redraw=True)
    )

    def build_network(self) -> keras.Model:
        return self.config.model.build(self.preprocessor.input_size, self.preprocessor.output_size)

    def targets(self) -> list[Target]:
        preprocessor, task = self.preprocessor, self.config.task
        return [sequence_target(preprocessor.output, preprocessor.output_size, task.loss_over_steps)]

    def prediction_network(self) -> keras.Model:  # type: ignore[override]
        activation = "sigmoid" if self.preprocessor.output == "bits" else "softmax"
        logits = self.network.output["logits"]
        probabilities = keras.layers.Activation(activation, dtype="float32", name="probabilities")(logits)
        return keras.Model(self.network.input, {"probabilities": probabilities})

    def encoded_batches(self, encoded: Sequence[SequenceTransductionExample], **options: Any) -> Batches:
        self._check_depth(encoded)
        return super().encoded_batches(encoded, **options)

    def predict_encoded(  # type: ignore[override]
        self, encoded: Sequence[SequenceTransductionExample], batch_size: int = 64, verbose: int = 0
    ) -> list[SequenceAnswer]:
        self._check_depth(encoded)
        with warnings.catch_warnings():  # of the padded length
            warnings.filterwarnings("ignore", "depth=.* is less than the length")
            return super().predict_encoded(encoded, batch_size, verbose)

    def _check_depth(self, encoded):
        """Warn if a sequence can put more into a memory than it holds."""
        steps = max((len(example.inputs) for example in encoded), default=0)
        for layer in self.network.layers:
            check_length = getattr(getattr(layer, "cell", None), "check_length", None)
            if check_length is not None:
                check_length(steps)

    def decode(
        self, outputs: Sequence[Mapping[str, np.ndarray]], encoded: Sequence[SequenceTransductionExample]
    ) -> list[SequenceAnswer]:
        return [self._answer(row["probabilities"], example) for row, example in zip(outputs, encoded, strict=True)]

    def _answer(self, probabilities, example):
        probabilities = probabilities[: len(example.inputs)][example.scored]
        if self.preprocessor.output == "bits":
            values = (probabilities > 0.5).astype("int32")
        else:
            values = probabilities.argmax(axis=-1).astype("int32")
        return SequenceAnswer(values, probabilities, format_values(values, self.preprocessor.symbols))

    def score(
        self, examples: Sequence[SequenceTransductionExample], answers: Sequence[SequenceAnswer]
    ) -> dict[str, float]:
        """Return the metrics of some answers.

        Args:
            examples: Examples with targets.
            answers: What `predict` gave for them.

        Returns:
            Dict of `"exact"`, the percentage of sequences that are right in all scored steps; `"bit_error"`, the
            percentage of all scored bits or classes that are wrong; and `"bits_per_sequence"`, the cross-entropy of the
            right ones, in bits.

        Raises:
            ValueError: If there is no example, or one has no targets.
        """
        if not examples or not all(example.is_labelled for example in examples):
            raise ValueError("examples must be at least one, each with targets.")
        targets = [example.targets[example.scored] for example in examples]
        wrong = [answer.num_wrong(right) for answer, right in zip(answers, targets, strict=True)]
        costs = [answer.cost(right) for answer, right in zip(answers, targets, strict=True)]
        return {
            "exact": 100.0 * float(np.mean(np.equal(wrong, 0))),
            "bit_error": 100.0 * sum(wrong) / max(sum(right.size for right in targets), 1),
            "bits_per_sequence": float(np.mean(costs)),
        }

    def mistake(self, example: SequenceTransductionExample, answer: SequenceAnswer) -> dict[str, Any] | None:
        right = example.targets[example.scored]
        wrong = answer.num_wrong(right)
        if not wrong:
            return None
        expected = format_values(right, self.preprocessor.symbols)
        return {"steps": len(example.inputs), "wrong": wrong, "expected": expected, "answer": answer.text}

    def explain(self, example: SequenceTransductionExample, answer: SequenceAnswer) -> str:
        return f"{len(example.inputs)} steps -> {answer.text}"
