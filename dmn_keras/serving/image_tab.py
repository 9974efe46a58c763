"""The tab of questions about images: an image comes as a data URI and is shown with the regions' gates laid over it."""

import base64
import functools
import html
import io

import numpy as np

from dmn_keras.datasets import sort_of_clevr
from dmn_keras.inference.image_attention_plot import draw_image_attention
from dmn_keras.serving.demo_tabs import Tab, tab_of, unknown_words
from dmn_keras.tasks.visual_question_answering import VisualQuestionAnswerer, answer_text

_SHAPES = (("red", (255, 0, 0), 20), ("blue", (0, 0, 255), 30), ("yellow", (255, 255, 0), 14))
"""Squares to ask about: color, its RGB values, and width."""


@tab_of.register
def _(task: VisualQuestionAnswerer):
    return Tab(
        name="images",
        title="Images",
        introduction=(
            "Ask about an image: a PNG or JPEG file of a few thousand bytes as a data URI, "
            "`data:image/png;base64,...`. The answer shows which regions each pass attended to."
        ),
        fields={"image": ("Image, a data URI", 3), "question": ("Question", 1)},
        examples=_examples(task),
        examples_label="Example",
        button="Ask",
        answer=functools.partial(_image_parts, task),
    )


def _image_parts(task, image, question):
    content = _decoded(image)
    answer = task.ask(content, question)
    picture = io.BytesIO()
    draw_image_attention(answer, content).savefig(picture, format="png", dpi=90)
    return [
        f'<p class="asked">{html.escape(question.strip())}</p>',
        f'<p class="answer">{html.escape(answer_text(answer))}</p>',
        f'<img alt="the image, and the gates of each pass" src="{data_uri(picture.getvalue())}">',
        *(f"<p>{html.escape(line)}</p>" for line in unknown_words(answer)),
    ]


def data_uri(png: bytes) -> str:
    """Return a PNG file as a data URI."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _decoded(uri):
    _, comma, encoded = uri.strip().partition(";base64,")
    try:
        if not comma:
            raise ValueError("it has no part ;base64,")
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise ValueError(f"image must be a data URI such as data:image/png;base64,...: {error}.") from error


def _examples(task):
    """Return examples whose words the task knows: squares, and the objects of Sort-of-CLEVR."""
    examples = {}
    for number, (name, color, width) in enumerate(_SHAPES, start=1):
        pixels = np.full((64, 64, 3), 245, np.uint8)
        pixels[12 : 12 + width, 20 : 20 + width] = color
        for question in ("What color is the shape?", f"Is there a {name} circle?", "What shape is in the image?"):
            examples[f"square {number}: {question}"] = (_encoded(pixels), question)
    for example in sort_of_clevr.load("test", num_examples=20):
        examples[f"six objects: {example.question}"] = (_encoded(example.image), example.question)
    unknown = task.preprocessor.vocabulary.unknown_words
    known = {name: fields for name, fields in examples.items() if not unknown([fields[1]])}
    return known or examples


def _encoded(pixels):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return data_uri(file.getvalue())
