"""The Dynamic Memory Network for questions about images as a functional model."""

from typing import Any

import keras

from dmn_keras.layers import AnswerDecoder, FactEncoder, ImageRegions, InputFusion, PositionEncoding, SharedFactsMemory
from dmn_keras.layers.checks import positive_integer
from dmn_keras.models.dynamic_memory_network import DynamicMemoryNetwork, memory_arguments
from dmn_keras.models.image_backbone import image_backbone
from dmn_keras.models.visual_dmn_config import VisualDMNConfig


def visual_dmn(
    vocabulary_size: int,
    num_answers: int,
    *,
    config: VisualDMNConfig | None = None,
    name: str = "visual_dmn",
    **settings: Any,
) -> keras.Model:
    """Build a Dynamic Memory Network for visual question answering as a functional model.

    Image -> feature map -> regions in snake-like order, fused or not -> facts; word ids -> question; then gates,
    episodes and memory in several passes -> answer, one of a list. All questions about an image share its facts.

    Args:
        vocabulary_size: Positive integer, number of token ids, padding included.
        num_answers: Positive integer, number of answers to choose from.
        config: The `VisualDMNConfig`; by default the best known settings.
        name: Name of the model. Defaults to `"visual_dmn"`.
        **settings: Settings of `config` to change, by name, e.g. `num_passes=3`.

    Returns:
        A `keras.Model` with named inputs and outputs.

        Inputs: `"image"`, uint8 `(batch, image_size, image_size, 3)`; `"question"`, int32 `(batch, questions, words)`.

        Outputs: `"answer"`, logits `(batch, questions, num_answers)`; `"gates"`, float32
        `(batch, questions, passes, rows, columns)`, of each region of the image.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> model = dmn_keras.models.visual_dmn(vocabulary_size=20, num_answers=5, image_size=32, num_passes=2)
    >>> image, question = np.zeros((4, 32, 32, 3), "uint8"), np.ones((4, 3, 6), "int32")
    >>> outputs = model.predict({"image": image, "question": question}, verbose=0)
    >>> outputs["answer"].shape, outputs["gates"].shape
    ((4, 3, 5), (4, 3, 2, 2, 2))

    Reference:
        Xiong et al. 2016, arXiv:1603.01417, section 3.2. Deviations: those of the layers; a convolutional network that
        is trained with the rest, in place of VGG-19; dropout on facts and memory.
    """
    positive_integer("vocabulary_size", vocabulary_size)
    positive_integer("num_answers", num_answers)
    config = (VisualDMNConfig() if config is None else config).replace(settings)
    penalty = keras.regularizers.L2(config.l2) if config.l2 else None
    recurrent: dict[str, Any] = {"kernel_regularizer": penalty, "recurrent_regularizer": penalty}
    backbone = image_backbone(config.input)
    image = keras.Input(backbone.input.shape[1:], dtype="uint8", name="image")
    question = keras.Input((None, None), dtype="int32", name="question")

    activation = config.input.region_activation
    regions = ImageRegions(config.units, activation=activation, kernel_regularizer=penalty, name="image_regions")
    facts = keras.layers.Dropout(config.dropout, name="region_dropout")(regions(backbone(image)))
    if config.input.input_fusion:
        facts = InputFusion(config.units, **recurrent, name="input_fusion")(facts)

    words = keras.layers.Embedding(
        vocabulary_size,
        config.embedding_dim,
        mask_zero=True,
        # Keras' own 0.05 gives questions that are nearly one: they learn to differ first.
        embeddings_initializer=keras.initializers.RandomUniform(-0.3, 0.3),
        name="semantic_memory",
    )
    if config.input.question_encoder == "position":
        sums = PositionEncoding(name="question_encoder")(words(question))
        questions = keras.layers.Dense(config.units, kernel_regularizer=penalty, name="question_projection")(sums)
    else:
        questions = FactEncoder(config.units, scope="sentence", **recurrent, name="question_encoder")(words(question))

    arguments = {**memory_arguments(config.memory), **recurrent}
    episodes = SharedFactsMemory(config.units, **arguments, name="episodic_memory")(facts, questions)
    last = keras.layers.Dropout(config.dropout, name="memory_dropout")(episodes["memory"])
    logits = AnswerDecoder(num_answers, kernel_regularizer=penalty, name="answer_decoder")(last, questions)
    gates = _as_grid(episodes["gates"], backbone.output.shape[1])
    inputs = {"image": image, "question": question}
    return DynamicMemoryNetwork(inputs, {"answer": logits, "gates": gates}, name=name)


def _as_grid(gates, rows):
    """Return gates `(..., rows * columns)` in snake-like order as `(..., rows, columns)`."""
    of_rows = keras.ops.split(gates, rows, axis=-1)
    of_rows = [keras.ops.flip(of_row, axis=-1) if row % 2 else of_row for row, of_row in enumerate(of_rows)]
    return keras.ops.stack(of_rows, axis=-2)
