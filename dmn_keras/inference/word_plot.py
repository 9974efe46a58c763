"""Pictures of the words that a memory attended to."""

import os
from typing import Any

from dmn_keras.utils.files import atomic

_WORDS_IN_A_LINE = 12


def plot_word_gates(answer: Any, path: str | os.PathLike, *, word: int | None = None) -> None:
    """Draw the words of an answer, pass by pass, each on a ground that is the darker the higher its gate.

    Args:
        answer: A `Classification` or, with `word`, a `Tagging`.
        path: File to write, its suffix tells the format; written atomically.
        word: Of a `Tagging`, the number of the word whose memory is drawn, from 0; it stands in brackets.

    Raises:
        ValueError: If matplotlib does not know the suffix, or `word` is not given for a `Tagging` or is out of range.

    Example:

    >>> classifier = dmn_keras.TextClassifier.from_preset("sst-fine")
    >>> plot_word_gates(classifier.predict([{"text": "A lovely film."}])[0], "gates.png")
    """
    from matplotlib.figure import Figure

    title, words, passes = _gated_words(answer, word)
    rows = -(-len(words) // _WORDS_IN_A_LINE)
    figure = Figure(figsize=(11, 0.8 + 0.42 * rows * len(passes)), layout="constrained")
    every_axes = figure.subplots(len(passes), squeeze=False)[:, 0]
    for number, (axes, gates) in enumerate(zip(every_axes, passes, strict=True), start=1):
        axes.set(xlim=(0, _WORDS_IN_A_LINE), ylim=(rows, 0), xticks=[], yticks=[], ylabel=f"pass {number}")
        highest = max(max(gates), 1e-9)
        for place, (text, gate) in enumerate(zip(words, gates, strict=True)):
            row, column = divmod(place, _WORDS_IN_A_LINE)
            axes.axvspan(
                column, column + 1, 1 - (row + 1) / rows, 1 - row / rows, color="C0", alpha=0.8 * gate / highest
            )
            shown = f"{text[:14]}\n{gate:.2f}"
            axes.text(column + 0.5, row + 0.5, shown, ha="center", va="center", fontsize=7, parse_math=False)
    figure.suptitle(title, fontsize=10, parse_math=False)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _gated_words(answer, word):
    """Return the title, the words, and for each pass their gates."""
    if hasattr(answer, "label"):
        return f"{answer.label} ({answer.probability:.2f})", answer.words, answer.gates
    if word is None or not 0 <= word < len(answer.words):
        raise ValueError(f"word must be the number of one of {len(answer.words)} words. Received: word={word!r}")
    # The context has as many words before the word as the model reads, or as there are.
    width = len(answer.gates[word][0])
    size = max(len(gates[0]) for gates in answer.gates) // 2
    first = max(word - size, 0) if width < len(answer.words) else 0
    words = list(answer.words[first : first + width])
    words[word - first] = f"[{words[word - first]}]"
    return f"{answer.words[word]}: {answer.tags[word]}", words, answer.gates[word]
