"""Tiny questions about images, and files that are no image a model can read."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from dmn_keras.datasets.example import VisualQuestionAnsweringExample
from tests.layers.helpers import randomize

COLORS = {"red": (255, 0, 0), "blue": (0, 0, 255)}


def randomized(network):
    """Give every weight its own values, variances positive ones, and return the network."""
    randomize(network)
    for weight in network.weights:
        if weight.path.endswith("moving_variance"):
            weight.assign(abs(weight) + 0.1)
    return network


def questions(num_images=8, seed=0):
    """Return two questions about each image of a coloured square on white; they share its array."""
    rng, examples = np.random.default_rng(seed), []
    for image_id in range(num_images):
        color = str(rng.choice([*COLORS]))
        image = np.full((12, 10, 3), 255, np.uint8)
        row, column = rng.integers(0, 5, 2)
        image[row : row + 5, column : column + 5] = COLORS[color]
        for kind, question, answer in (
            ("color", "What color is it?", color),
            ("presence", "Is it red?", "yes" if color == "red" else "no"),
        ):
            examples.append(VisualQuestionAnsweringExample(image, question, answer, kind, image_id))
    return examples


def encode(image, form="PNG", **options):
    """Return an image, an array or one of Pillow, as the bytes of a file."""
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def png_header(width, height):
    """Return the beginning of a PNG file, whose pixels are not there."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + end


def animation(form="PNG"):
    """Return an animated file of three frames."""
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "green", "blue")]
    return encode(frames[0], form, save_all=True, append_images=frames[1:])


NO_IMAGES = {
    "text": b"no image",
    "empty": b"",
    "GIF": encode(Image.new("RGB", (4, 4)), "GIF"),
    "animated": animation(),
    "wide": png_header(10_000, 1),
    "cut off": encode(questions(1)[0].image)[:50],
}
"""Bytes that are no image a model can read."""
