"""Pictures of the regions of an image that the passes of an answer attended to."""

import os
import typing

import numpy as np

from dmn_keras.tasks.visual_question_answering.answer import VisualAnswer, answer_text
from dmn_keras.utils.files import atomic
from dmn_keras.utils.images import load_image

if typing.TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_image_attention(
    answer: VisualAnswer, image: np.ndarray | bytes | str | os.PathLike, path: str | os.PathLike
) -> None:
    """Write what `draw_image_attention` draws into a file.

    Args:
        answer: The `VisualAnswer`.
        image: The image that was asked about.
        path: File to write, its suffix tells the format; written atomically.

    Raises:
        FileNotFoundError, TypeError, ValueError: As `dmn_keras.utils.images.load_image`; or if matplotlib does not know
            the suffix.
    """
    figure = draw_image_attention(answer, image)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)


def draw_image_attention(answer: VisualAnswer, image: np.ndarray | bytes | str | os.PathLike) -> "Figure":
    """Draw an image once for each pass, with the gates of its regions laid over it.

    The brighter a region, the higher its gate; the highest gate of each pass is written into its region.

    Args:
        answer: The `VisualAnswer`.
        image: The image that was asked about.

    Returns:
        The `matplotlib.figure.Figure`.
    """
    from matplotlib.figure import Figure

    pixels = load_image(image)
    num_passes = len(answer.gates)
    figure = Figure(figsize=(3.2 * (1 + num_passes), 3.9), layout="constrained")
    figure.suptitle(f"{answer.question}  {answer_text(answer)}", fontsize=11, parse_math=False)
    of_image, *of_passes = figure.subplots(1, 1 + num_passes, squeeze=False)[0]
    of_image.imshow(pixels)
    of_image.set_title("image")
    for number, (axes, gates) in enumerate(zip(of_passes, answer.gates, strict=True), start=1):
        axes.imshow(pixels)
        overlay = _draw_gates(axes, gates, pixels.shape)
        axes.set_title(f"pass {number}")
    figure.colorbar(overlay, ax=of_passes, label="gate")
    for axes in (of_image, *of_passes):
        axes.set(xticks=[], yticks=[])
    return figure


def _draw_gates(axes, gates, shape):
    """Lay gates over an image; returns what a colour bar is made of."""
    gates = np.asarray(gates)
    height, width = shape[:2]
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    overlay = axes.imshow(gates, cmap="viridis", vmin=0, vmax=1, alpha=0.6, extent=extent, interpolation="nearest")
    row, column = np.unravel_index(gates.argmax(), gates.shape)
    x, y = (column + 0.5) * width / gates.shape[1] - 0.5, (row + 0.5) * height / gates.shape[0] - 0.5
    axes.text(x, y, f"{gates.max():.2f}", ha="center", va="center", color="white", fontsize=9)
    return overlay
