"""A measured table, from seeds to the finished file: trains what is missing, chooses by validation, sums up."""

import itertools
import logging
import pathlib
import shlex
import statistics

from dmn_keras.datasets import Source, parse_tasks, task_names
from dmn_keras.errors import unknown_name
from dmn_keras.inference.evaluation import summary
from dmn_keras.tasks.config import RunConfig
from dmn_keras.tasks.registry import task_class_for
from dmn_keras.text.word_vectors import GLOVE_PACKAGE, check_word_vectors
from dmn_keras.training.callbacks import TrainingDivergedError
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.training.tables import TABLES
from dmn_keras.training.trainer import train
from dmn_keras.utils.files import read_json, write_json

_log = logging.getLogger(__name__)


def reproduce(name, output, *, data_dir=None, tasks=None, word_vectors=None, **options):
    """Train the runs of a table and write what they reach to `OUTPUT/results.json`.

    Each run lies in `OUTPUT/SETTINGS/seedN/TASK`, its own run folder; that of one model for several tasks in
    `OUTPUT/SETTINGS/seedN`. A run that has finished is not trained again and one that was interrupted resumes, so that
    the same command resumes a table. Several processes may work on different tasks of one table.

    Args:
        name: A key of `dmn_keras.training.tables.TABLES`.
        output: The table's folder.
        data_dir: Where the data lies, as for `Source`.
        tasks: Names, numbers and ranges of the tasks to train, as in `--tasks`; all of the table's by default. A
            model for several tasks is trained on all of its own if one of them is named.
        word_vectors: Source of pretrained word vectors (`read_word_vectors`), for the runs that start from them.
        **options: Further arguments of `train`: `strategy`, `devices`, `verbose`.

    Returns:
        The content of `results.json`: that of `collect`, over all the runs that lie in `output`.

    Raises:
        ValueError: If there is no such table, it has none of the tasks, it needs `word_vectors` and got no file, or
            every run diverged before its first model.
        ImportError: If the package that `word_vectors` names is not installed.
        KeyboardInterrupt: If a run was interrupted, once its best model so far is kept.
    """
    if name not in TABLES:
        raise ValueError(unknown_name("table", name, TABLES))
    table, output = TABLES[name], pathlib.Path(output)
    planned = plan(table, data_dir, tasks, word_vectors)
    _check_word_vectors(table, planned, word_vectors)
    train_planned(table, planned, output, data_dir=data_dir, **options)
    every = [folder for folder, _, _ in plan(table, data_dir)]
    folders = [folder for folder in every if _status(output / folder) not in (None, "interrupted")]
    if not folders:
        raise ValueError(f"table {name} has no result: every run diverged before its first model.")
    vectors = " --word-vectors GLOVE" if any(runs.word_vectors for runs in table.runs) else ""
    content = {
        "about": table.about,
        "command": f"dmn-keras reproduce {name} --data-dir DIR{vectors}",
        "finished": f"{len(folders)} of {len(every)} runs",
        **collect([output / folder for folder in folders], folders),
    }
    write_json(output / "results.json", content)
    return content


def train_planned(table, planned, output, *, data_dir=None, **options):
    """Train the runs of a table that have not finished; each resumes where it was interrupted.

    Args:
        table: The `Table`.
        planned: What `plan` returned.
        output: The table's folder.
        data_dir: As for `reproduce`.
        **options: As for `reproduce`.

    Raises:
        KeyboardInterrupt: If a run was interrupted, once its best model so far is kept.
    """
    for number, (folder, of_run, config) in enumerate(planned, start=1):
        _log.info("Run %d of %d: %s", number, len(planned), folder)
        if _status(output / folder) == "diverged":
            _log.info("It diverged, and would again: its best model before that is a candidate like any other.")
            continue
        source = Source(table.dataset, of_run, data_dir, table.config)
        try:
            metrics = train(source, config, output / folder, resume=True, **options)
        except TrainingDivergedError as error:
            _log.info("%s: %s", folder, error)
            continue
        if metrics["status"] == "interrupted":
            raise KeyboardInterrupt


def _status(folder):
    """Return how a run ended, `None` if it has not."""
    metrics = RunFolder(folder).read_metrics()
    return None if metrics is None else metrics["status"]


def _check_word_vectors(table, planned, word_vectors):
    names = {runs.name for runs in table.runs if runs.word_vectors}
    needed = [folder for folder, _, _ in planned if folder.parts[0] in names]
    if not needed:
        return
    if word_vectors != GLOVE_PACKAGE and not (word_vectors and pathlib.Path(word_vectors).is_file()):
        raise ValueError(
            f"word_vectors must name a file in GloVe's text format, or be {GLOVE_PACKAGE!r}: {needed[0]} starts from "
            f"it. Received: {word_vectors!r}"
        )
    check_word_vectors(word_vectors)


def plan(table, data_dir=None, tasks=None, word_vectors=None):
    """List the runs of a table.

    Args:
        table: The `Table`.
        data_dir: Where the data lies.
        tasks: As for `reproduce`.
        word_vectors: As for `reproduce`.

    Returns:
        List of the run's folder below the table's, the tuple of its tasks and the `RunConfig`.

    Raises:
        ValueError: If two runs collide (the same name, seed and task), or none is left.
    """
    names = task_names(table.dataset, data_dir)
    wanted = names if tasks is None else parse_tasks(tasks, names)
    planned = {}
    for runs in table.runs:
        tasks_of_runs = parse_tasks(runs.tasks, names)
        parts = [("", tasks_of_runs)] if runs.joint else [(task, (task,)) for task in tasks_of_runs]
        for seed, (part, of_run) in itertools.product(runs.seeds, parts):
            folder = pathlib.Path(runs.name, f"seed{seed}", part)
            if folder in planned:
                raise ValueError(f"runs must differ in name, seed or task. Received twice: {folder}")
            vectors = {"word_vectors": word_vectors} if runs.word_vectors else {}
            planned[folder] = (folder, of_run, RunConfig().replace(runs.settings).replace({**vectors, "seed": seed}))
    chosen = [run for run in planned.values() if set(run[1]) & set(wanted)]
    if not chosen:
        raise ValueError(f"tasks must name at least one task of the table. Received: {tasks!r}")
    return chosen


def collect(folders, names=None):
    """Choose one run a task, or one for the tasks that one model learned together, by validation error.

    It is the mean over the run's tasks. Of runs with equal validation errors the one with the lowest validation loss of
    its answers is chosen; test errors are not looked at. What was not chosen stays in the result with its errors.

    Args:
        folders: Folders that `train` wrote, each one run or one run a task.
        names: What to call each of them; their paths by default.

    Returns:
        Dict of `"tasks"`, `"mean_error"` and `"failed"`, as `summary` returns it. A task has the metrics of the chosen
        run, its command and seed, and under `"runs"` seed, status, validation and test error of each; with several,
        `"median"`, `"best"` and `"worst"` of their test errors.
    """
    candidates = {}
    for folder, name in zip(folders, names or folders, strict=True):
        for run in RunFolder(folder).runs():
            if run.metrics.exists():
                candidate = _candidate(run, str(name))
                candidates.setdefault(tuple(candidate["tasks"]), []).append(candidate)
    rows = {}
    for tasks, runs in candidates.items():
        best = min(runs, key=_validation_result)
        for task in tasks:
            if task in rows:
                raise ValueError(
                    f"folders must hold a task always alone or always among the same others. Received task {task} in "
                    f"{rows[task]['run']} and {best['of_run']['run']}"
                )
            rows[task] = {**best["tasks"][task], **best["of_run"], **_errors(runs, task)}
    return summary({task: rows[task] for task in sorted(rows, key=lambda name: (len(name), name))})


def _candidate(run, name):
    """Return what `collect` needs of a run: the results of its tasks, and what they share."""
    metrics = run.read_metrics()
    best_epoch = read_json(run.history)[metrics["best_epoch"] - 1]
    keys = ("seed", "epochs", "best_epoch", "seconds", "status", "versions")
    of_run = {
        **{key: metrics[key] for key in keys},
        "validation_loss": best_epoch.get("val_answer_loss", best_epoch["val_loss"]),  # without gates and penalty
        "run": name,
        "command": command_of(run.source(), run.read_config()),
    }
    return {"tasks": metrics["tasks"], "of_run": of_run}


def _validation_result(run):
    error = statistics.fmean(row["validation_error"] for row in run["tasks"].values())
    return error, run["of_run"]["validation_loss"]


def _errors(runs, task):
    """Return the errors of all runs of a task, and where there are several, their median, best and worst."""
    rows = [{**run["of_run"], **run["tasks"][task]} for run in runs]
    each = [{key: row[key] for key in ("run", "seed", "status", "validation_error", "error")} for row in rows]
    errors = [row["error"] for row in rows]
    spread = {"median": statistics.median(errors), "best": min(errors), "worst": max(errors)} if len(errors) > 1 else {}
    return {"runs": each, **spread}


def command_of(source: Source, config: RunConfig) -> str:
    """Return the command that trains such a run again; `DIR` stands for where the data lies.

    Of a file of word vectors only its name is shown.
    """
    usual = task_class_for(source.dataset).default_config
    defaults = usual.replace({"model.family": config.model.family}, seed=config.trainer.seed).flat()
    words = ["dmn-keras", "train", "--dataset", source.dataset, "--data-dir", "DIR", "--tasks", ",".join(source.tasks)]
    if source.config:
        words += ["--config", source.config]
    words += ["--seed", str(config.trainer.seed)]
    if config.model.family != usual.model.family:
        words += ["--set", f"model.family={config.model.family}"]
    for path, value in config.flat().items():
        if value != defaults.get(path):
            name = path.rpartition(".")[2]
            words += ["--set", f"{name}={pathlib.Path(value).name if name == 'word_vectors' else value}"]
    return shlex.join(words)
