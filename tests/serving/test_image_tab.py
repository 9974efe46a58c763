"""The page shows an image with the regions that were attended to, and quotes what was typed."""

import re

import pytest

from dmn_keras import VisualQuestionAnswerer
from dmn_keras.serving import image_tab
from dmn_keras.serving.demo_tabs import tab_of
from tests.images import NO_IMAGES, encode, questions


@pytest.fixture(scope="module")
def tab():
    task = VisualQuestionAnswerer(image_size=8, convolutions=2, filters=2, units=3)
    task.adapt(questions())
    return tab_of(task)


IMAGE = image_tab.data_uri(encode(questions(1)[0].image))


def test_an_answer_is_shown_with_a_picture_of_its_passes(tab):
    shown = tab.show(IMAGE, "What <color> is it?")
    assert 'role="status"' in shown
    assert "What &lt;color&gt; is it?" in shown
    assert re.search('class="answer">(red|blue|yes|no) \\(probability 0', shown)
    assert re.search('src="data:image/png;base64,[A-Za-z0-9+/=]{1000,}"', shown)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("", "The image is empty"),
        ("/etc/hostname", "image must be a data URI"),
        ("data:image/png;base64,***", "image must be a data URI"),
        (image_tab.data_uri(NO_IMAGES["text"]), "image must be a PNG or JPEG file"),
        (image_tab.data_uri(NO_IMAGES["wide"]), "from 1 to 4096 pixels a side"),
        ("data:image/png;base64," + 30_000 * "A", "The image is too long"),
    ],
)
def test_what_is_no_image_is_named(tab, image, message):
    shown = tab.show(image, "Is it red?")
    assert 'role="alert"' in shown
    assert message in shown


def test_examples_can_be_shown(tab):
    assert 'role="status"' in tab.show(*next(iter(tab.examples.values())))
    assert all(len(image) < 20_000 for image, _ in tab.examples.values())
