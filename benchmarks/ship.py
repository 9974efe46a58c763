"""Put a trained, calibrated run into `saved_models/`, with its model card.

python -m benchmarks.ship RUN saved_models/NAME
"""

import argparse
import json
import pathlib

from benchmarks import report

TEMPLATE = pathlib.Path(__file__).parent / "model_card.md"
LONG_TEMPLATE = pathlib.Path(__file__).parent / "model_card_long.md"
FILES = ("config.json", "metrics.json", "calibration.json")


def main(arguments=None):
    """Copy a run and write its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=pathlib.Path, help="folder that train wrote, calibrated")
    parser.add_argument("folder", type=pathlib.Path, help="where it goes")
    options = parser.parse_args(arguments)
    ship(options.run, options.folder)


def ship(run, folder):
    """Copy what answering needs of a run, its model without the optimizer's state, and write the card.

    Args:
        run: Path of the run folder.
        folder: Path to write to.

    Raises:
        FileNotFoundError: If the run lacks a model, metrics or calibration.
    """
    import keras

    from dmn_keras.training.run_folder import RunFolder, atomic

    RunFolder(run).load()  # complains about whatever is missing or damaged
    model = keras.models.load_model(run / "model.keras", compile=False)
    for name in FILES:
        if not (run / name).exists():
            raise FileNotFoundError(f"{run / name} is missing: finish the run (train --resume) and calibrate it.")
    contents = {name: (run / name).read_text(encoding="utf-8") for name in FILES}
    # Where the data lay on this machine is of no use on another.
    config = {**json.loads(contents["config.json"]), "data_dir": None}
    contents["config.json"] = json.dumps(config, indent=1) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    with atomic(folder / "model.keras") as path:
        model.save(path)
    (folder / "README.md").write_text(card(folder), encoding="utf-8")


def reliability(calibration):
    """Return the table of a calibration's test part, from the content of its file."""
    return report.markdown(
        ["stories of the test part", "questions", "right, %", "answered, %", "right of these, %", "calibration error"],
        [
            [kind, f"{row['questions']:,}", *(_decimal(row[key]) for key in RELIABILITY)]
            for kind, row in calibration["test"].items()
        ],
    )


RELIABILITY = ("right", "answered", "right_of_answered", "calibration_error")


def _number(value):
    return str(value) if isinstance(value, int) else f"{value:.1f}"


def _decimal(value):
    return "-" if value is None else f"{value:.1f}"


def card(folder):
    """Return the model card of a shipped model, from its files alone.

    Args:
        folder: Path of the shipped model.

    Returns:
        Text in Markdown.
    """
    from dmn_keras.training.reproduce import command_of
    from dmn_keras.training.run_folder import RunFolder

    recipe = RunFolder(folder).recipe()
    metrics, calibration = (json.loads((folder / name).read_text(encoding="utf-8")) for name in FILES[1:])
    size = (folder / "model.keras").stat().st_size / 1e6
    columns = {"error": "test error, %", "questions": "questions", "validation_error": "validation error, %"}
    columns = {name: head for name, head in columns.items() if all(name in row for row in metrics["tasks"].values())}
    rows = [
        [task, *(_number(row[name]) for name in columns), f"{row['gate_recall']:.0f}"]
        for task, row in metrics["tasks"].items()
    ]
    rows.append(["**mean**", f"**{metrics['mean_error']:.2f}**", *[""] * len(columns)])
    tasks = report.markdown(["task", *columns.values(), "gate recall, %"], rows)
    gates = "the supporting facts taught the gates" if recipe.config.supervise_gates else "answers only"
    versions = ", ".join(f"{name} {version}" for name, version in metrics["versions"].items())
    about = {
        "name": folder.name,
        "config": recipe.dataset_config,
        "count": len(recipe.tasks),
        "parameters": f"{metrics['parameters']:,}",
        "size": f"{size:.1f}",
        "seed": metrics["seed"],
        "gates": gates,
        "versions": versions,
        "tasks": tasks,
        "failed": metrics["failed"],
        "reliability": reliability(calibration),
        "threshold": calibration["threshold"],
        "words": len(recipe.vocabulary),
    }
    if recipe.config.narrow_to is not None:
        return LONG_TEMPLATE.read_text(encoding="utf-8").format(**about, **metrics["narrowing"])
    return TEMPLATE.read_text(encoding="utf-8").format(
        **about,
        epochs=metrics["epochs"],
        best_epoch=metrics["best_epoch"],
        minutes=f"{metrics['seconds'] / 60:.0f}",
        command=command_of(recipe),
        max_facts=recipe.config.max_facts,
    )


if __name__ == "__main__":
    main()
