"""Images in all their forms -> arrays."""

import io
import os
import struct
import warnings
import zlib

import numpy as np

from dmn_keras.utils.lines import shorten

MAX_SIDE = 4096
"""The greatest width and height of an image in pixels: 48 MiB as an array."""

_EXPECTED = "an array, or the bytes or the path of a PNG or JPEG file"
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)


def load_image(
    image: np.ndarray | bytes | str | os.PathLike, *, size: tuple[int, int] | None = None, name: str = "image"
) -> np.ndarray:
    """Return an image as an array of RGB values.

    Grayscale becomes RGB with three equal channels. What is transparent is laid over white: a channel `c` with opacity
    `a` becomes `(c * a + 255 * (255 - a) + 127) // 255`. Of 16 bits a channel the upper eight are taken. The size of an
    encoded image is checked before its pixels are decoded. An orientation noted in a JPEG file is not applied.

    Args:
        image: Array uint8 `(height, width)` or `(height, width, channels)` with 1, 3 or 4 channels, the fourth being
            opacity; the bytes of a PNG or JPEG file; or its path.
        size: Height and width to resize to, by linear interpolation over the pixels that each new one covers; the
            proportions are not kept. None for the image's own.
        name: How the image is called in error messages.

    Returns:
        Array uint8 `(height, width, 3)`.

    Raises:
        FileNotFoundError: If a path names no file.
        ImportError: If Pillow, the extra `images`, is missing and the image is a file or of another size.
        TypeError: If `image` has none of these forms.
        ValueError: If it is empty, is damaged, is no PNG or JPEG file, is animated, or has a side above `MAX_SIDE`, or
            an array has another dtype or shape.

    Example:

    >>> load_image(np.zeros((2, 3), np.uint8)).shape
    (2, 3, 3)
    """
    if isinstance(image, np.ndarray):
        pixels = image
    elif isinstance(image, bytes | bytearray | memoryview):
        pixels = _decode(io.BytesIO(image), name)
    elif isinstance(image, str | os.PathLike):
        pixels = _read(image, name)
    else:
        raise TypeError(f"{name} must be {_EXPECTED}. Received: {type(image).__name__}.")
    rgb = _to_rgb(pixels, name)
    return rgb if size is None or rgb.shape[:2] == tuple(size) else _resize(rgb, size)


def _read(path, name):
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{name} must be {_EXPECTED}. Received: {shorten(path)}, which is no file.")
    with open(path, "rb") as file:
        return _decode(file, f"{name} {str(path)!r}")


def _pillow():
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("Images are read and resized by Pillow: pip install 'dmn_keras[images]'.") from error
    return Image


def _decode(file, name):
    """Return the pixels of a PNG or JPEG file: uint8 `(height, width)`, or with 3 or 4 channels."""
    Image = _pillow()
    start = file.read(8)
    if not start:
        raise ValueError(f"{name} must be a PNG or JPEG file. Received: 0 bytes.")
    file.seek(0)
    try:
        with warnings.catch_warnings():  # Pillow's own limit is above ours
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            encoded = Image.open(file, formats=("PNG", "JPEG"))
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} must have at most {MAX_SIDE} pixels a side. Received: {error}") from error
    except _DAMAGE as error:
        if start.startswith(_BEGINNINGS):
            raise ValueError(f"{name} is damaged: what follows its beginning is missing or wrong.") from error
        raise ValueError(f"{name} must be a PNG or JPEG file: its beginning is that of neither.") from error
    _check_size(encoded.height, encoded.width, name)
    if encoded.format == "PNG" and encoded.is_animated:  # the further pictures of a JPEG file are other views
        raise ValueError(f"{name} must be a still image. Received: an animation of {encoded.n_frames} frames.")
    try:
        return _pixels(encoded)
    except _DAMAGE as error:
        raise ValueError(f"{name} is damaged: {error}.") from error


def _pixels(encoded):
    if encoded.mode.startswith("I"):  # one channel of 16 bits
        return (np.asarray(encoded) >> 8).astype(np.uint8)
    return np.asarray(encoded.convert("RGBA" if encoded.has_transparency_data else "RGB"))


def _to_rgb(pixels, name):
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (1,), (3,), (4,)):
        raise ValueError(
            f"{name} must be a uint8 array (height, width) or (height, width, channels), with 1, 3 or 4 channels. "
            f"Received: {pixels.dtype} array {pixels.shape}."
        )
    _check_size(*pixels.shape[:2], name)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3, axis=2)
    if pixels.shape[2] == 3:
        return pixels
    color, opacity = pixels[:, :, :3].astype(np.uint16), pixels[:, :, 3:].astype(np.uint16)
    return ((color * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _check_size(height, width, name):
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ValueError(
            f"{name} must have from 1 to {MAX_SIDE} pixels a side. Received: height={height}, width={width}."
        )


def _resize(rgb, size):
    Image = _pillow()
    height, width = size
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR))
