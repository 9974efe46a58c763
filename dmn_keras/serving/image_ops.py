"""PNG and JPEG files -> pixels as TensorFlow operations, inside an exported graph.

`dmn_keras.utils.images.load_image` reads images in Python; this computes the same in tensors, so that a server needs no
Python.
"""

import tensorflow as tf

from dmn_keras.utils.images import MAX_SIDE

_PNG = b"\x89PNG\r\n\x1a\n"
_HEADER = 26
"""Bytes of a PNG file up to the end of width, height, depth and kind of its pixels."""
_WITH_OPACITY = 4
"""Bit of the kind of pixels that have an opacity of their own."""
_PRECISION = 22
"""Bits of a weight behind the point in Pillow's `Resample.c`."""


def decode_images(contents: tf.Tensor, size: int) -> tf.Tensor:
    """Decode images and resize them.

    Args:
        contents: Strings `(batch,)`, the bytes of PNG or JPEG files.
        size: Height and width to resize to.

    Returns:
        uint8 `(batch, size, size, 3)`. An `InvalidArgumentError` is raised for what is no still image in one of the
        formats, or has a side above `MAX_SIDE`.
    """
    spec = tf.TensorSpec((size, size, 3), tf.uint8)
    return tf.map_fn(lambda content: _resize(_decode(content), size), contents, fn_output_signature=spec)


def _decode(content):
    """Return the pixels of one file, uint8 `(height, width, 3)`."""
    is_jpeg = tf.io.is_jpeg(content)
    is_png = tf.strings.substr(content, 0, len(_PNG)) == _PNG
    checks = [tf.debugging.Assert(is_jpeg | is_png, ["image must be a PNG or JPEG file"])]
    with tf.control_dependencies(checks):
        return tf.cond(is_jpeg, lambda: _decode_jpeg(content), lambda: _decode_png(content))


def _decode_jpeg(content):
    with tf.control_dependencies(_check_size(tf.io.extract_jpeg_shape(content)[:2])):
        return tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE")


def _decode_png(content):
    before_pixels = tf.strings.split(content, "IDAT")[0]
    is_still = ~_contains(before_pixels, "acTL")
    message = ["image must be a still image, with a header that is complete"]
    complete = tf.strings.length(content) >= _HEADER
    with tf.control_dependencies([tf.debugging.Assert(is_still & complete, message)]):
        header = tf.strings.substr(content, 16, _HEADER - 16)
    width_and_height = tf.io.decode_raw(tf.strings.substr(header, 0, 8), tf.int32, little_endian=False)
    kind = tf.io.decode_raw(header, tf.uint8)[-1]
    # TensorFlow makes up a wrong opacity where there is none and a pixel has fewer than 8 bits.
    has_opacity = (tf.bitwise.bitwise_and(kind, _WITH_OPACITY) > 0) | _contains(before_pixels, "tRNS")
    with tf.control_dependencies(_check_size(width_and_height)):
        return tf.cond(
            has_opacity,
            lambda: _over_white(tf.cast(tf.io.decode_png(content, channels=4), tf.int32)),
            lambda: tf.io.decode_png(content, channels=3),
        )


def _contains(content, chunk):
    return tf.size(tf.strings.split(content, chunk)) > 1


def _over_white(pixels):
    color, opacity = pixels[:, :, :3], pixels[:, :, 3:]
    return tf.cast((color * opacity + 255 * (255 - opacity) + 127) // 255, tf.uint8)


def _check_size(sides):
    message = [f"image must have from 1 to {MAX_SIDE} pixels a side. Received:", sides]
    return [tf.debugging.Assert(tf.reduce_all((sides >= 1) & (sides <= MAX_SIDE)), message)]


def _resize(pixels, size):
    """Resize as Pillow does: linear interpolation over the pixels that each new one covers, first along the rows."""
    shape = tf.shape(pixels)
    wide = _interpolate("sw,hwc->hsc", shape[1], size, pixels)
    return tf.ensure_shape(_interpolate("sh,hwc->swc", shape[0], size, wide), (size, size, 3))


def _interpolate(equation, count, size, pixels):
    """Return pixels, uint8, of which one axis of `count` became one of `size`."""
    # Whole numbers in float64: the sums are exact.
    weighted = tf.einsum(equation, _weights(count, size), tf.cast(pixels, tf.float64))
    return tf.cast(tf.clip_by_value(tf.floor(weighted / 2**_PRECISION + 0.5), 0, 255), tf.uint8)


def _weights(count, size):
    """Return how much each of `count` pixels adds to each of `size`, float64 `(size, count)`: multiples of `2**-22`."""
    scale = tf.cast(count, tf.float64) / size
    centers = (tf.range(size, dtype=tf.float64) + 0.5) * scale
    distances = tf.abs(tf.range(tf.cast(count, tf.float64), dtype=tf.float64) + 0.5 - centers[:, None])
    weights = tf.maximum(1 - distances / tf.maximum(scale, 1.0), 0.0)
    return tf.floor(weights / tf.reduce_sum(weights, axis=1, keepdims=True) * 2**_PRECISION + 0.5)
