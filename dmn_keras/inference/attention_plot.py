"""Pictures of what the passes of an answer attended to."""

import os

from dmn_keras.tasks.question_answering.answer import LONGEST_NAME, Answer, answer_text, named_facts
from dmn_keras.utils.files import atomic


def plot_attention(answer: Answer, question: str, path: str | os.PathLike) -> None:
    """Draw an answer's attention as a heat map: a row a fact, a column a pass.

    Args:
        answer: The `Answer`.
        question: The question, for the title.
        path: File to write, its suffix tells the format; written atomically.

    Raises:
        ValueError: If matplotlib does not know the suffix, or the answer has no fact.
    """
    from matplotlib.figure import Figure

    facts = named_facts(answer, LONGEST_NAME)
    if not facts:
        raise ValueError("answer must have facts for a heat map. Received one for which the model selected none.")
    num_facts, num_passes = len(facts), len(answer.gates)
    longest = max(map(len, facts))
    figure = Figure(figsize=(1.2 + 0.085 * longest + 0.9 * num_passes, 1.5 + 0.32 * num_facts), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(list(zip(*answer.gates, strict=True)), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(num_passes), [f"pass {i + 1}" for i in range(num_passes)])
    axes.set_yticks(range(num_facts), facts, parse_math=False)
    axes.set_title(f"{question}  {answer_text(answer)}", loc="right", fontsize=11, parse_math=False)
    for column, gates in enumerate(answer.gates if num_facts <= 40 else ()):
        for row, gate in enumerate(gates):
            color = "white" if gate > 0.5 else "black"
            axes.text(column, row, f"{gate:.2f}", ha="center", va="center", color=color)
    figure.colorbar(image, label="gate")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)
