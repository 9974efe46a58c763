"""How well a network does on sequences of lengths that it never saw, as numbers, a table and a picture."""

import os
from collections.abc import Mapping, Sequence

from dmn_keras.datasets.example import SequenceTransductionExample
from dmn_keras.layers.checks import one_of
from dmn_keras.tasks.sequence_transduction.task import SequenceTransducer

Scores = Mapping[int, Mapping[str, float]]


def score_by_length(
    transducer: SequenceTransducer, examples: Mapping[int, Sequence[SequenceTransductionExample]]
) -> dict[int, dict[str, float]]:
    """Score sequences of several lengths.

    Args:
        transducer: The trained task.
        examples: Dict of length to examples with targets, at least one each; a length is what the data set calls it,
            such as n of `a^n b^n`.

    Returns:
        Dict of length to what `SequenceTransducer.score` returns and the number of `"examples"`.
    """
    scores = {}
    for length, of_length in examples.items():
        answers = transducer.predict(of_length)
        scores[length] = {**transducer.score(of_length, answers), "examples": len(of_length)}
    return scores


def length_table(scores: Scores) -> str:
    """Lay scores by length out as lines for the terminal."""
    lines = ["length  examples  exact %  bit error %  bits a sequence"]
    for length, row in scores.items():
        numbers = f"{row['exact']:>7.1f}  {row['bit_error']:>11.2f}  {row['bits_per_sequence']:>15.3f}"
        lines.append(f"{length:>6}  {row['examples']:>8}  {numbers}")
    return "\n".join(lines)


def plot_lengths(
    scores: Mapping[str, Scores], path: str | os.PathLike, *, trained_to: int, metric: str = "exact"
) -> None:
    """Draw a metric by length, a line for each model, and write the picture.

    Args:
        scores: Dict of a model's name to what `score_by_length` returned.
        path: Path of the picture, `.png` or `.svg`.
        trained_to: Longest length of training, marked by a line.
        metric: `"exact"`, `"bit_error"` or `"bits_per_sequence"`.

    Raises:
        ValueError: If `metric` is none of these.
    """
    from matplotlib.figure import Figure

    one_of("metric", metric, ("exact", "bit_error", "bits_per_sequence"))
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, of_model in scores.items():
        axes.plot([*of_model], [row[metric] for row in of_model.values()], marker="o", label=name)
    axes.axvline(trained_to, color="gray", linestyle=":", label=f"trained to {trained_to}")
    units = {"exact": "sequences right, %", "bit_error": "wrong bits or symbols, %"}
    axes.set(xlabel="length", ylabel=units.get(metric, "bits a sequence"))
    axes.legend()
    figure.savefig(path)
