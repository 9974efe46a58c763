import sys

import numpy as np
import pytest
from PIL import Image

from dmn_keras.utils.images import MAX_SIDE, load_image
from tests.images import animation, encode, png_header

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)


def test_array_bytes_and_path_are_the_same_image(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(encode(RGB))
    for image in (RGB, encode(RGB), bytearray(encode(RGB)), memoryview(encode(RGB)), path, str(path)):
        loaded = load_image(image)
        assert loaded.dtype == np.uint8
        np.testing.assert_array_equal(loaded, RGB)


def test_jpeg_is_decoded():
    plain = np.full((16, 16, 3), (200, 30, 90), np.uint8)
    loaded = load_image(encode(plain, "JPEG", quality=95)).astype(int)
    assert loaded.shape == plain.shape
    assert abs(loaded - plain).max() <= 3


GRAY = RGB[:, :, 0]
THREE_EQUAL = np.stack([GRAY] * 3, axis=-1)


@pytest.mark.parametrize(
    "image",
    [
        GRAY,
        GRAY[:, :, None],
        encode(GRAY),
        encode((GRAY.astype(np.uint16) << 8) + 255),
        encode(Image.merge("LA", [Image.fromarray(GRAY), Image.new("L", (7, 5), 255)])),
    ],
    ids=["array", "array with one channel", "PNG", "PNG of 16 bits", "PNG with opacity"],
)
def test_grayscale_has_three_equal_channels(image):
    np.testing.assert_array_equal(load_image(image), THREE_EQUAL)


def test_one_bit_a_pixel():
    bits = GRAY > 127
    np.testing.assert_array_equal(load_image(encode(Image.fromarray(bits)))[:, :, 1], 255 * bits)


@pytest.mark.parametrize(
    ("opacity", "expected"), [(0, [255, 255, 255]), (255, [200, 0, 100]), (51, [244, 204, 224]), (10, [253, 245, 249])]
)
def test_what_is_transparent_is_laid_over_white(opacity, expected):
    image = np.full((2, 3, 4), (200, 0, 100, opacity), np.uint8)
    for form in (image, encode(image)):
        np.testing.assert_array_equal(load_image(form), np.full((2, 3, 3), expected, np.uint8))


def test_a_palette_may_be_transparent():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    np.testing.assert_array_equal(load_image(encode(image)), [[[10, 20, 30], [40, 50, 60]]])
    np.testing.assert_array_equal(load_image(encode(image, transparency=1)), [[[10, 20, 30], [255, 255, 255]]])


def test_another_size_is_resized_on_request():
    steps = np.repeat(np.repeat(np.uint8([[0, 100], [100, 200]]), 8, axis=0), 8, axis=1)
    assert load_image(steps, size=(4, 6)).shape == (4, 6, 3)
    np.testing.assert_array_equal(load_image(steps, size=(1, 1)), np.full((1, 1, 3), 100))
    np.testing.assert_array_equal(load_image(RGB, size=(5, 7)), RGB)
    assert load_image(encode(RGB), size=(8, 9)).shape == (8, 9, 3)


def test_a_jpeg_file_of_several_views_is_its_first():
    views = [Image.new("RGB", (8, 8), (value, value, value)) for value in (40, 200)]
    loaded = load_image(encode(views[0], "MPO", save_all=True, append_images=views[1:]))
    assert abs(loaded.astype(int) - 40).max() <= 2


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (b"", r"image must be a PNG or JPEG file. Received: 0 bytes"),
        (b"<svg></svg>", "image must be a PNG or JPEG file"),
        (encode(RGB, "BMP"), "image must be a PNG or JPEG file"),
        (animation("GIF"), "image must be a PNG or JPEG file"),
        (animation("PNG"), r"image must be a still image. Received: an animation of 3 frames"),
        (encode(RGB)[:20], "image is damaged: what follows its beginning"),
        (encode(RGB)[:60], "image is damaged"),
        (encode(RGB, "JPEG")[:-30], "image is damaged"),
        (encode(np.zeros((1, 10_000), np.uint8)), r"from 1 to 4096 pixels a side. Received: height=1, width=10000"),
        (png_header(2, MAX_SIDE + 1), "Received: height=4097, width=2"),
        (png_header(10_000, 9_000), "Received: height=9000, width=10000"),
        (png_header(1_000_000, 1_000_000), "image must have at most 4096 pixels a side"),
        (np.zeros((10_000, 2), np.uint8), "Received: height=10000, width=2"),
        (np.zeros((0, 5, 3), np.uint8), "Received: height=0, width=5"),
        (RGB / 255, r"uint8 array .* Received: float64 array \(5, 7, 3\)"),
        (RGB.astype(int), r"uint8 array .* Received: int64 array"),
        (RGB[:, :, :2], r"with 1, 3 or 4 channels. Received: uint8 array \(5, 7, 2\)"),
        (RGB[None], r"Received: uint8 array \(1, 5, 7, 3\)"),
        (RGB[0, 0], r"Received: uint8 array \(3,\)"),
    ],
)
def test_what_is_refused(image, message):
    with pytest.raises(ValueError, match=message):
        load_image(image)


def test_files_are_named(tmp_path):
    path = tmp_path / "empty.png"
    path.touch()
    with pytest.raises(ValueError, match=r"picture '.*empty\.png' must be a PNG or JPEG file. Received: 0 bytes"):
        load_image(path, name="picture")
    for missing in (tmp_path / "no.png", tmp_path, "x" * 5000, "a\0b"):
        with pytest.raises(FileNotFoundError, match=r"or the bytes or the path of a PNG or JPEG file.* is no file"):
            load_image(missing)
    with pytest.raises(TypeError, match=r"image must be an array, .* Received: NoneType"):
        load_image(None)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_damaged_file_is_an_image_or_a_value_error(form):
    rng, refused = np.random.default_rng(0), 0
    for _ in range(100):
        data = bytearray(encode(RGB, form))
        data[rng.integers(len(data))] = rng.integers(256)
        try:
            assert load_image(bytes(data)).shape[2] == 3
        except ValueError:
            refused += 1
    assert refused > 5


def test_image_files_without_pillow_name_the_extra(monkeypatch):
    data = encode(RGB)
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert load_image(RGB).shape == RGB.shape
    with pytest.raises(ImportError, match=r"Images are read and resized by Pillow: pip install 'dmn_keras\[images\]'"):
        load_image(data)
