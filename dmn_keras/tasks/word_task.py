"""What the tasks share whose facts are words."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from dmn_keras.tasks.task import Task
from dmn_keras.tasks.word_preprocessor import WordPreprocessor


class WordTask(Task):
    """A task on a `text_dmn`, with one output: logits of classes, or of tags.

    A subclass defines `preprocessor_class`, a `WordPreprocessor`, `answer`, and the rest of what `Task` needs.
    """

    families = ("text_dmn",)

    def preprocessor_options(self) -> dict[str, Any]:
        """Return the preprocessor's arguments beside those of all tasks on words."""
        return {}

    def network_options(self) -> dict[str, Any]:
        """Return the network's arguments beside those of all tasks on words."""
        return {}

    @abc.abstractmethod
    def answer(self, row: Mapping[str, np.ndarray], example: Any) -> Any:
        """Return the answer of an encoded example; `row` holds its `"probabilities"` and `"gates"`."""

    def new_preprocessor(self) -> WordPreprocessor:
        data, model = self.config.data, self.config.model
        return self.preprocessor_class(
            word_vectors=data.word_vectors,
            num_pretrained_words=data.num_pretrained_words,
            min_count=data.min_count,
            reads_characters=model.input.character_units is not None,
            **self.preprocessor_options(),
        )

    def build_network(self) -> keras.Model:
        preprocessor = self.preprocessor
        network = self.config.model.build(
            len(preprocessor.labels),
            preprocessor.num_learned,
            num_characters=preprocessor.num_characters,
            vectors_shape=preprocessor.vectors_shape,
            **self.network_options(),
        )
        if preprocessor.vectors is not None:
            network.get_layer("pretrained_vectors").set_weights([preprocessor.vectors])
        return network

    def prediction_network(self) -> keras.Model:  # type: ignore[override]
        [target] = self.targets()
        outputs = self.network.output
        probabilities = keras.layers.Softmax(dtype="float32", name="probabilities")(outputs[target.name])
        return keras.Model(self.network.input, {"probabilities": probabilities, "gates": outputs["gates"]})

    def decode(self, outputs: Sequence[Mapping[str, np.ndarray]], encoded: Sequence) -> list:
        return [self.answer(row, example) for row, example in zip(outputs, encoded, strict=True)]
