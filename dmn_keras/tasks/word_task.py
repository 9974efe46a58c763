"""What the tasks share whose facts are words."""

from typing import Any

import keras

from dmn_keras.models.text_dynamic_memory_network import text_dmn
from dmn_keras.tasks.task import Task


class WordTask(Task):
    """A task on a `text_dmn`, with one output: logits of classes, or of tags.

    A subclass defines `preprocessor_class`, a `WordPreprocessor`, and what else `Task` asks for.
    """

    families = ("text_dmn",)

    def preprocessor_options(self) -> dict[str, Any]:
        """Return the preprocessor's arguments beside those of all tasks on words."""
        return {}

    def network_options(self) -> dict[str, Any]:
        """Return the network's arguments beside those of all tasks on words."""
        return {}

    def new_preprocessor(self):
        data, model = self.config.data, self.config.model
        return self.preprocessor_class(
            word_vectors=data.word_vectors,
            num_pretrained_words=data.num_pretrained_words,
            min_count=data.min_count,
            reads_characters=model.input.character_units is not None,
            **self.preprocessor_options(),
        )

    def build_network(self):
        preprocessor = self.preprocessor
        network = text_dmn(
            len(preprocessor.labels),
            preprocessor.num_learned,
            config=self.config.model,
            num_characters=preprocessor.num_characters,
            vectors_shape=preprocessor.vectors_shape,
            **self.network_options(),
        )
        if preprocessor.vectors is not None:
            network.get_layer("pretrained_vectors").set_weights([preprocessor.vectors])
        return network

    def prediction_network(self):
        [target] = self.targets()
        outputs = self.network.output
        probabilities = keras.layers.Softmax(dtype="float32", name="probabilities")(outputs[target.name])
        return keras.Model(self.network.input, {"probabilities": probabilities, "gates": outputs["gates"]})

    def decode(self, outputs, encoded):
        return [self._answer(row, example) for row, example in zip(outputs, encoded, strict=True)]
