"""Images are decoded in a graph as they are in Python."""

import keras
import numpy as np
import pytest
from PIL import Image

if keras.backend.backend() != "tensorflow":
    pytest.skip("exported by TensorFlow alone", allow_module_level=True)

import tensorflow as tf

from dmn_keras.serving.image_ops import decode_images
from dmn_keras.tasks.visual_question_answering import VisualQuestionAnswerer
from dmn_keras.utils.images import load_image
from tests.images import NO_IMAGES, encode, questions, randomized

RNG = np.random.default_rng(0)


def noise(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


def smooth(height, width):
    """Return an image without the sharp edges that decoders of JPEG may differ in."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 255 // height, columns * 255 // width, (rows + columns) % 200], axis=-1).astype(np.uint8)


def palette(**options):
    return encode(Image.fromarray(noise(6, 9, 3)).quantize(7), **options)


FILES = {
    "RGB": encode(noise(7, 5, 3)),
    "gray": encode(noise(9, 4)),
    "16 bits": encode(noise(4, 4).astype(np.uint16) * 257),
    "opacity": encode(noise(8, 6, 4)),
    "gray with opacity": encode(Image.merge("LA", [Image.fromarray(noise(5, 5)) for _ in range(2)])),
    "palette": palette(),
    "black and white": encode(Image.fromarray(noise(7, 7)).convert("1")),
    "palette with opacity": palette(transparency=2),
    "JPEG": encode(smooth(24, 40), "JPEG", quality=90),
    "gray JPEG": encode(smooth(17, 9)[:, :, 0], "JPEG"),
    "the very size": encode(noise(8, 8, 3)),
    "a single pixel": encode(noise(1, 1, 3)),
    "wide": encode(noise(3, 700, 3)),
    "wider than high": encode(noise(3, 13, 3)),
}


def test_a_graph_decodes_as_python_does():
    for size in (8, 11):
        decoded = tf.function(lambda contents, size=size: decode_images(contents, size))(tf.constant([*FILES.values()]))
        for name, pixels in zip(FILES, decoded.numpy(), strict=True):
            np.testing.assert_array_equal(pixels, load_image(FILES[name], size=(size, size)), err_msg=name)


@pytest.mark.parametrize("name", NO_IMAGES)
def test_what_is_no_image_is_refused(name):
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_images(tf.constant([NO_IMAGES[name]]), 8)


def test_encoded_images_and_text_give_the_answers_of_python(tmp_path):
    vqa, asked = VisualQuestionAnswerer(image_size=8, convolutions=2, filters=4, units=6), questions(3)
    vqa.adapt(asked)
    randomized(vqa.network)
    path = tmp_path / "image.png"
    path.write_bytes(encode(noise(20, 14, 4)))
    examples = [*asked, {"image": str(path), "question": "What color is the ZEBRA?"}]
    signatures = tf.saved_model.load(str(vqa.export(tmp_path / "served", questions=examples, warmup=False))).signatures
    assert set(signatures) == {"serving_default", "text"}
    contents = [*(encode(e.image) for e in asked), path.read_bytes()]
    texts = [*(e.question for e in asked), "What color is the ZEBRA?"]
    served = signatures["text"](image=tf.constant(contents), question=tf.constant(texts))
    answers = vqa.predict(examples)
    assert [answer.decode() for answer in served["answer"].numpy()] == [answer.answer for answer in answers]
    np.testing.assert_allclose(served["probability"], [answer.probability for answer in answers], atol=1e-4)
    assert served["unknown_words"].numpy().tolist() == [*([b"", b""] for _ in asked), [b"the", b"zebra"]]
    np.testing.assert_allclose(served["gates"], [answer.gates for answer in answers], atol=1e-4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="image must be a PNG or JPEG file"):
        signatures["text"](image=tf.constant([b"GIF89a"]), question=tf.constant(["Is it red?"]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must have the same batch size"):
        signatures["text"](image=tf.constant(contents), question=tf.constant(["Is it red?"]))
