import io

import numpy as np
import pytest
from PIL import Image

from dmn_keras.inference.image_attention_plot import plot_image_attention
from dmn_keras.tasks.visual_question_answering import VisualAnswer

IMAGE = np.full((20, 30, 3), 255, np.uint8)


def answer(*passes):
    return VisualAnswer("red", 0.9, gates=passes, question="Is it $red$?")


def drawn(path, *passes):
    """Draw passes into a file and return the picture, an array."""
    plot_image_attention(answer(*passes), IMAGE, path)
    return np.asarray(Image.open(io.BytesIO(path.read_bytes())).convert("RGB")).astype(int)


def test_each_pass_is_drawn(tmp_path):
    gates = ((0.1, 0.2, 0.0), (0.3, 0.4, 0.0))
    one, two = (drawn(tmp_path / "gates.png", *passes).shape[1] for passes in ((gates,), (gates, gates)))
    assert one < two


def test_gates_change_the_picture_where_they_are(tmp_path):
    low, high = (drawn(tmp_path / "gates.png", ((left, 0.4),)) for left in (0.0, 1.0))
    rows, columns = np.nonzero(abs(high - low).sum(axis=2))
    width = low.shape[1]
    assert 0.4 * width < columns.min()  # not in the first picture, the image itself
    assert len(rows) > 1000


def test_what_is_no_image_and_an_unknown_format_are_refused(tmp_path):
    with pytest.raises(ValueError, match="its beginning is that of neither"):
        plot_image_attention(answer(((0.5,),)), b"no image", tmp_path / "gates.png")
    with pytest.raises(ValueError, match="xyz"):
        plot_image_attention(answer(((0.5,),)), IMAGE, tmp_path / "gates.xyz")
    assert not list(tmp_path.iterdir())
