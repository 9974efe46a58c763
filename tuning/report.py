"""The trials of a search as a table and as a picture."""

from tuning.space import to_label

NOT_CHOSEN = "-"


def markdown(header, rows):
    """Lay rows of cells out as a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def trial_table(rows, names):
    """Return the Markdown table of the configurations, best first.

    Args:
        rows: What `tuning.results.configurations` returns.
        names: Names of what was searched.
    """
    header = ["trial", "validation error, %", "seeds, %", "epochs", "CPU min", *names, "status"]
    return markdown(header, [_row(row, names) for row in rows])


def _row(row, names):
    results = row["executions"].values()
    return [
        row["trial"] if row["trial"] == row["root"] else f"{row['root']}, {row['trial']}",
        NOT_CHOSEN if row["error"] is None else f"{100 * row['error']:.2f}",
        ", ".join(f"{100 * result['error']:.2f}" for result in results) or NOT_CHOSEN,
        max((result["epochs"] for result in results), default=0),
        f"{sum(result['cpu_seconds'] for result in results) / 60:.1f}",
        *(row["labels"].get(name, NOT_CHOSEN) for name in names),
        row["status"] if row["reason"] is None else f"failed: {row['reason']}".replace("|", "/").replace("\n", " "),
    ]


def draw(rows, space, path):
    """Draw the configurations that have a result as lines over parallel axes, one a choice, and the error.

    Args:
        rows: What `tuning.results.configurations` returns.
        space: The `Space`.
        path: The picture's file.

    Returns:
        Whether there was something to draw: at least two of them.
    """
    rows = [row for row in rows if row["error"] is not None]
    if len(rows) < 2:
        return False
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    axes = [(name, _labels(space, name)) for name in space.names()]
    errors = [100 * row["error"] for row in rows]
    low, high = min(errors), max(errors)
    figure, area = pyplot.subplots(figsize=(1.5 * (len(axes) + 1) + 1, 5), layout="constrained")
    colors = matplotlib.colormaps["viridis"]
    # The worst first, so that the best lines lie on top; lines that coincide are set a little apart.
    for place, row in reversed(list(enumerate(rows))):
        apart = 0.04 * (place / len(rows) - 0.5)
        heights = [_height(labels, row["labels"].get(name, NOT_CHOSEN)) + apart for name, labels in axes]
        heights.append((100 * row["error"] - low) / (high - low) if high > low else 0.5)
        width = 2.5 if place == 0 else 1.0
        area.plot(range(len(heights)), heights, color=colors(place / len(rows)), linewidth=width, alpha=0.8)
    for x, (_, labels) in enumerate(axes):
        area.axvline(x, color="0.8", zorder=0)
        for label in labels:
            area.text(x, _height(labels, label), f" {label}", fontsize=8, va="bottom")
    area.axvline(len(axes), color="0.8", zorder=0)
    for share in (0, 0.5, 1):
        area.text(len(axes), share, f" {low + share * (high - low):.2f}", fontsize=8, va="center")
    area.set_xticks(
        range(len(axes) + 1), [*(name for name, _ in axes), "validation\nerror, %"], rotation=30, ha="right"
    )
    area.set_yticks([])
    area.set_xlim(-0.2, len(axes) + 0.6)
    area.set_title(f"{len(rows)} configurations; the darker the better, the best one bold")
    for side in area.spines.values():
        side.set_visible(False)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
    return True


def _labels(space, name):
    """Return the labels of a choice from bottom to top; what was not chosen lies at the bottom."""
    choices = [choice for choice in space.choices if choice.name == name]
    labels = dict.fromkeys(to_label(value) for choice in choices for value in choice.values)
    return [*([NOT_CHOSEN] if all(choice.when for choice in choices) else []), *labels]


def _height(labels, label):
    return labels.index(label) / max(len(labels) - 1, 1) if label in labels else 0.0
