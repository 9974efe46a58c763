import functools
import sys

import keras
import numpy as np
import pytest

from dmn_keras.models import VisualDMNConfig, visual_dmn
from tests.images import randomized
from tests.layers.helpers import numpy

SIZES = {"image_size": 16, "convolutions": 2, "filters": 4, "units": 6, "embedding_dim": 5}
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (3, 16, 16, 3), np.uint8)
QUESTIONS = RNG.integers(1, 9, (3, 2, 4), "int32")


def network(**settings):
    return randomized(visual_dmn(9, 5, **{**SIZES, **settings}))


def outputs(model, image=IMAGES, question=QUESTIONS):
    return numpy(model({"image": image, "question": question}, training=False))


@pytest.mark.parametrize("question_encoder", ["gru", "position"])
def test_padding_changes_nothing(question_encoder):
    model = network(question_encoder=question_encoder)
    expected = outputs(model)
    padded = np.pad(QUESTIONS, [(0, 0), (0, 3), (0, 2)])
    for name, values in outputs(model, question=padded).items():
        np.testing.assert_allclose(values[:, :2], expected[name], atol=1e-5)
        assert np.isfinite(values).all()


def test_gates_lie_where_their_regions_are():
    model = network(num_passes=1)
    gates = outputs(model)["gates"][0, 0, 0]
    assert gates.shape == (4, 4)
    inputs = [model.get_layer(name).output for name in ("input_fusion", "question_encoder")]
    facts, questions = keras.Model(model.input, inputs)({"image": IMAGES, "question": QUESTIONS}, training=False)
    read = numpy(model.get_layer("episodic_memory")(facts, questions))["gates"][0, 0, 0]
    np.testing.assert_allclose(np.concatenate([gates[0], gates[1, ::-1], gates[2], gates[3, ::-1]]), read, atol=1e-6)
    assert len(np.unique(read.round(6))) > 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", 20),
        ("convolutions", 1),
        ("filters", 5),
        ("units", 7),
        ("embedding_dim", 4),
        ("num_passes", 3),
        ("l2", 0.1),
        ("train_backbone", False),
        ("num_heads", 2),
        ("gate_features", "dmn_plus"),
        ("input_fusion", False),
        ("question_encoder", "position"),
    ],
)
def test_each_setting_counts(name, value):
    assert shapes(**{name: value}) != shapes()


@functools.cache
def shapes(**settings):
    model = visual_dmn(9, 5, **{**SIZES, **settings})
    trained = [weight.shape for weight in model.trainable_weights]
    return trained, model.output["gates"].shape, len(model.losses)


def test_a_region_may_be_linear_and_a_fact_of_its_own():
    model = network(input_fusion=False, region_activation="linear")
    inputs = [model.get_layer("image_regions").output, model.get_layer("region_dropout").output]
    regions, facts = keras.Model(model.input, inputs)({"image": IMAGES, "question": QUESTIONS}, training=False)
    assert abs(numpy(regions)).max() > 1
    np.testing.assert_array_equal(numpy(facts), numpy(regions))
    assert model.get_layer("episodic_memory").input[0] is model.get_layer("region_dropout").output


def test_dropout_is_for_training():
    model = network(dropout=0.5)
    first, second = (numpy(model({"image": IMAGES, "question": QUESTIONS}, training=True)) for _ in range(2))
    assert not np.allclose(first["answer"], second["answer"])
    np.testing.assert_array_equal(outputs(model)["answer"], outputs(model)["answer"])


@pytest.mark.slow
def test_a_model_of_keras_applications_is_a_backbone(tmp_path):
    settings = {**SIZES, "image_size": 32, "backbone": "MobileNetV2"}
    application = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    randomized(application)
    path = tmp_path / "mobile.weights.h5"
    application.save_weights(path)
    model = visual_dmn(9, 5, **settings, pretrained=str(path), train_backbone=False)
    backbone = model.get_layer("backbone")
    assert not backbone.trainable_weights
    for weight, expected in zip(backbone.get_weights(), application.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)
    images = RNG.integers(0, 256, (1, 32, 32, 3), np.uint8)
    scaled = keras.applications.mobilenet_v2.preprocess_input(images.astype("float32"))
    expected = numpy(application(scaled, training=False))
    np.testing.assert_allclose(numpy(backbone(images, training=False)), expected, rtol=1e-4, atol=1e-4)
    model.save(tmp_path / "model.keras")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backbone": "MobileNetV9"}, "Did you mean 'MobileNetV"),
        ({"backbone": "MobileNetV2", "pretrained": "imagenet"}, "cannot be made: .* pretrained='imagenet'"),
        ({"backbone": "InceptionV3"}, "cannot be made: .* image_size=32"),
        ({"units": 0}, "units must be between"),
    ],
)
def test_wrong_settings_are_refused(settings, message, monkeypatch):
    def offline(*args, **options):
        raise OSError("URL fetch failure")

    monkeypatch.setattr(sys.modules[keras.utils.get_file.__module__], "get_file", offline)
    with pytest.raises(ValueError, match=message):
        visual_dmn(9, 5, config=VisualDMNConfig(), **{**SIZES, "image_size": 32, **settings})


def test_weights_that_are_no_file_of_weights_are_refused(tmp_path):
    config = VisualDMNConfig()
    settings = {**SIZES, "image_size": 32, "backbone": "MobileNetV2"}
    with pytest.raises(FileNotFoundError, match=r"pretrained .*missing\.weights\.h5 does not exist"):
        visual_dmn(9, 5, config=config, **settings, pretrained=str(tmp_path / "missing.weights.h5"))
    (tmp_path / "text.weights.h5").write_text("no weights")
    with pytest.raises(ValueError, match=r"The backbone cannot be made: .* pretrained='.*text\.weights\.h5'"):
        visual_dmn(9, 5, config=config, **settings, pretrained=str(tmp_path / "text.weights.h5"))
