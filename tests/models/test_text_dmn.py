import keras
import numpy as np
import pytest

from dmn_keras.models import TextDMNConfig, text_dmn
from tests.layers.helpers import numpy

WORDS = np.array([[3, 4, 5, 0], [6, 7, 8, 9]], "int32")


@pytest.mark.slow
@pytest.mark.parametrize("context_size", [None, 2])
@pytest.mark.parametrize("num_passes", [1, 3])
def test_shapes(context_size, num_passes):
    config = TextDMNConfig(units=8).replace(num_passes=num_passes, num_layers=2, character_units=5)
    options = {"num_characters": 7, "vectors_shape": (12, 3), "context_size": context_size}
    model = text_dmn(4, 10, config=config, **options)
    outputs = numpy(model({"words": WORDS, "characters": np.ones((2, 4, 6), "int32")}))
    shapes = {name: x.shape for name, x in outputs.items()}
    if context_size is None:
        assert shapes == {"label": (2, 4), "gates": (2, num_passes, 4)}
        assert outputs["gates"][0, :, 3].max() == 0
    else:
        assert shapes == {"tags": (2, 4, 4), "gates": (2, 4, num_passes, 5)}
        np.testing.assert_array_equal(outputs["gates"][0, 0, :, :2], 0)


def test_pretrained_vectors_are_kept_in_half_the_size_and_not_trained():
    table = text_dmn(2, 5, vectors_shape=(9, 4)).get_layer("pretrained_vectors")
    assert table.embeddings.dtype == "float16"
    assert table.trainable_variables == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"l2": 0.1}, {"dropout": 0.9}, {"word_dropout": 0.9}, {"embedding_dim": 3}, {"num_layers": 0}]
)
def test_each_setting_changes_the_result(settings):
    losses = []
    for changes in ({}, settings):
        keras.utils.set_random_seed(0)
        model = text_dmn(3, 10, config=TextDMNConfig(units=8, dropout=0.0, word_dropout=0.0).replace(changes))
        logits = model({"words": WORDS}, training=True)["label"]
        losses.append(keras.ops.convert_to_numpy(keras.ops.sum(logits) + sum(model.losses, 0.0)))
    assert abs(losses[0] - losses[1]) > 1e-4


def test_the_window_of_characters_matters():
    sizes = []
    for window in (3, 5):
        config = TextDMNConfig(units=8).replace(character_units=4, character_window=window)
        sizes.append(text_dmn(3, 10, config=config, num_characters=6).count_params())
    assert sizes[1] - sizes[0] == 2 * 6 * 4
