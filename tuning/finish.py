"""The end of a search: the table, the picture, the best configuration and its model with its test errors."""

import shutil

from dmn_keras.training.run_folder import RunFolder
from dmn_keras.utils.files import read_json, write_json
from tuning.clock import show_time
from tuning.report import draw, trial_table
from tuning.results import configurations, counts, cpu_minutes, execution_result


def finish(folder, source, space, seeds, epochs, *, about, save=None, say=print):
    """Report what a search has found so far.

    Args:
        folder: The `SearchFolder`.
        source: The `Source` of its questions.
        space: The `Space`.
        seeds: The seeds of a trial.
        epochs: Most epochs of a trial.
        about: Dict of what else to keep in `best.json`.
        save: A further file to write the best configuration to, or `None`.
        say: Function that takes a line to tell the user.

    Returns:
        Exit status: 1 if no trial is done, else 0.
    """
    rows = configurations(folder, seeds, epochs)
    number = counts(folder)
    table = trial_table(rows, space.names())
    if rows:
        folder.table.write_text(table + "\n", encoding="utf-8")
        say(f"\n{table}\n")
    say(
        f"Trials: {number['done']} done, {number['failed']} failed, {number['cut off']} cut off; "
        f"{show_time(about['seconds'])}, of CPU {cpu_minutes(folder):.1f} min."
    )
    if draw(rows, space, folder.picture):
        say(f"The table is in {folder.table}, the picture in {folder.picture}.")
    if not rows or rows[0]["error"] is None:
        say("No trial is done: the same command goes on, with a larger --budget if the time is up.")
        return 1
    content = _best(folder, source, space, rows[0], about | {"trials": number, "cpu_minutes": cpu_minutes(folder)}, say)
    write_json(folder.best, content)
    if save is not None:
        write_json(save, content)
    say(
        f"Best: trial {rows[0]['trial']}, validation error {100 * rows[0]['error']:.2f} %; in {folder.best}.\n"
        f"Its model is in {folder.model}: test error {content['test_error']:.2f} %, measured after the choice."
    )
    return 0


def _best(folder, source, space, row, about, say):
    """Return the content of `best.json`; makes the model first."""
    seed = min(row["executions"], key=lambda seed: _key(row["executions"][seed]))
    run = RunFolder(folder.run(row["root"], seed))
    metrics = _model(folder, source, run, say)
    settings = run.recipe().config.to_dict()
    return {
        "settings": {name: value for name, value in settings.items() if name != "seed"},
        "chosen": row["labels"],
        "validation_error": round(100 * row["error"], 4),
        "validation_errors": {str(seed): round(100 * r["error"], 4) for seed, r in row["executions"].items()},
        "test_error": metrics["mean_error"],
        "trial": row["trial"],
        "run": run.path.relative_to(folder.path).as_posix(),
        "model_seed": seed,
        "cpu_minutes_of_trial": round(sum(r["cpu_seconds"] for r in row["executions"].values()) / 60, 2),
        "parameters": metrics["parameters"],
        "versions": folder.versions(),
        **{name: round(value, 2) if isinstance(value, float) else value for name, value in about.items()},
    }


def _key(result):
    return result["error"], result["loss"]


def _model(folder, source, run, say):
    """Make the run folder of the best model, if it is not there; returns its metrics, test errors included.

    It holds the best weights of its training so far, also of epochs of a trial that was cut off.
    """
    from dmn_keras.training import fit
    from dmn_keras.training.data import train_and_validation

    made, origin = RunFolder(folder.model), folder.model / "origin.json"
    wanted = {"run": run.path.relative_to(folder.path).as_posix(), **execution_result(run.path)}
    if origin.exists() and read_json(origin) == wanted:
        return read_json(made.metrics)
    shutil.rmtree(folder.model, ignore_errors=True)
    recipe = run.recipe()
    config = recipe.config
    say("Measuring the best model on the test questions")
    _, valid = train_and_validation(source, validation_fraction=config.validation_fraction, seed=config.seed)
    made.create(recipe)
    for path in (run.history, run.best_weights):
        shutil.copy(path, made.path / path.name)
    model = fit.build(recipe, say=say)
    model.optimizer.build(model.trainable_variables)  # its state lies beside the weights
    metrics = fit.measure_run(model, recipe, made, source, valid)
    made.remove_backup()
    write_json(origin, wanted)
    return metrics
