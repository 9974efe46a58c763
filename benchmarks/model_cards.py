"""Put a trained, calibrated run into `saved_models/`, with its model card."""

import pathlib

from benchmarks import base

FILES = ("config.json", "model.weights.h5", "metrics.json", "calibration.json")


def main(arguments=None):
    """Copy a run and write its card."""
    parser = base.parser("model_cards", __doc__, measures=False)
    parser.add_argument("run", type=pathlib.Path, help="folder that train wrote, calibrated")
    parser.add_argument("folder", type=pathlib.Path, help="where it goes")
    parser.add_argument("--start-from", metavar="NAME", help="the pretrained model that training started from")
    parser.add_argument(
        "--before", metavar="RUN", type=pathlib.Path, nargs="*", default=[], help="folders of the trainings before"
    )
    for renaming in RENAMED:
        parser.add_argument(f"--{renaming}", metavar="FILE", help=f"what evaluate --json wrote with rename={renaming}")
    options = parser.parse_args(arguments)
    renamed = {name: getattr(options, name) for name in RENAMED if getattr(options, name)}
    save_pretrained(options.run, options.folder, start_from=options.start_from, before=options.before, renamed=renamed)


def save_pretrained(run, folder, *, start_from=None, before=(), renamed=None):
    """Copy what answering needs of a run, and write the card.

    Args:
        run: Path of the run folder.
        folder: Path to write to.
        start_from: Name of the pretrained model that the first training started from, if there was one.
        before: Paths of the run folders of the trainings before this one, each of which started from the one before.
        renamed: Dict of renaming to the file that `dmn-keras evaluate --json` wrote of it.

    Raises:
        FileNotFoundError: If the run lacks a model, metrics or calibration.
    """
    from dmn_keras import QuestionAnswerer

    QuestionAnswerer.from_preset(run)  # raises if something is missing or damaged
    for name in FILES:
        if not (run / name).exists():
            raise FileNotFoundError(f"{run / name} is missing: finish the run (train --resume) and calibrate it.")
    base.copy_run(run, folder, FILES)
    metrics = base.read(run / "metrics.json")
    if start_from:
        metrics["start_from"] = start_from
    metrics["commands"] = commands(run, start_from, before)
    for renaming, path in (renamed or {}).items():
        measured = base.read(path)
        errors = {"tasks": {task: row["error"] for task, row in measured["tasks"].items()}}
        metrics.setdefault("renamed", {})[renaming] = {**{n: measured[n] for n in ("mean_error", "failed")}, **errors}
    base.write(folder / "metrics.json", metrics)
    (folder / "README.md").write_text(card(folder), encoding="utf-8")


def commands(run, start_from=None, before=()):
    """Return the commands of the trainings of a run, the last one its own."""
    from dmn_keras.training.reproduce import command_of
    from dmn_keras.training.run_folder import RunFolder

    found = []
    for number, path in enumerate([*before, run], start=1):
        folder = RunFolder(path)
        options = f" --from {start_from}" if start_from else ""
        start_from = f"runs/{number}"
        found.append(f"{command_of(folder.source(), folder.read_task().config)}{options} --output {start_from}")
    return found


RENAMED = {"swap": "names exchanged between tasks (sys-bAbI)", "new": "names never seen"}
"""Renamings of the test questions, and what they are."""


def renamed_table(metrics):
    """Return the table of errors on renamed test questions, `""` where none were measured."""
    measured = metrics.get("renamed")
    if not measured:
        return ""
    columns = {"as they are": {"mean_error": metrics["mean_error"], "failed": metrics["failed"]}}
    columns |= {RENAMED[renaming]: row for renaming, row in measured.items()}
    rows = [[kind, f"{row['mean_error']:.2f}", row["failed"]] for kind, row in columns.items()]
    worst = []
    for renaming, row in measured.items():
        errors = [f"{task}: {error:.1f}" for task, error in row["tasks"].items() if error >= 1]
        worst.append(f"{RENAMED[renaming]}, task {', '.join(errors) or 'none'}")
    table = base.markdown(["test questions", "mean error, %", "failed tasks"], rows)
    return f"\n{table}\n\nTasks with an error of 1 % or more, in percent: {'; '.join(worst)}.\n"


def reliability(calibration):
    """Return the table of a calibration's test part, from the content of its file."""
    header = ["stories of the test part", "questions", "right, %", "answered, %", "right of these, %"]
    names = ("right", "answered", "right_of_answered", "calibration_error")
    rows = [
        [kind, f"{row['questions']:,}", *base.decimals((row[name] for name in names), 2)]
        for kind, row in calibration["test"].items()
    ]
    return base.markdown([*header, "calibration error"], rows)


def card(folder):
    """Return the model card of a folder that `save_pretrained` wrote, from its files alone, in Markdown."""
    from dmn_keras.tasks.pretrained import BABI_JOINT
    from dmn_keras.training.run_folder import RunFolder

    run = RunFolder(folder)
    source, qa = run.source(), run.read_task()
    metrics, calibration = base.read(run.metrics), base.read(run.calibration)
    columns = {"error": "test error, %", "questions": "questions", "validation_error": "validation error, %"}
    columns = {name: head for name, head in columns.items() if all(name in row for row in metrics["tasks"].values())}
    rows = [
        [task, *(_number(row[name]) for name in columns), f"{row['gate_recall']:.0f}"]
        for task, row in metrics["tasks"].items()
    ]
    rows.append(["**mean**", f"**{metrics['mean_error']:.2f}**", *[""] * len(columns)])
    num_placeholders = qa.config.task.num_placeholders
    others = "all others are one unknown word to it."
    if num_placeholders:
        others = f"it distinguishes up to {num_placeholders} others in a story, and any of them may be the answer."
    start_from = metrics.get("start_from")
    about = {
        "name": folder.name,
        "default": " It is the default model of `dmn-keras ask`." if folder.name == BABI_JOINT else "",
        "ask": "" if folder.name == BABI_JOINT else f"{folder.name} ",
        "start": f"It started from the weights of `{start_from}`. " if start_from else "",
        "renamed": renamed_table(metrics),
        "others": others,
        "config": source.config,
        "count": len(source.tasks),
        "parameters": f"{metrics['parameters']:,}",
        "size": f"{run.model.stat().st_size / 1e6:.1f}",
        "seed": metrics["seed"],
        "gates": "the supporting facts taught the gates" if qa.config.task.supervise_gates else "answers only",
        "taught": "being taught by the supporting facts"
        if qa.config.task.supervise_gates
        else "training on answers only",
        "versions": metrics["versions"],
        "tasks": base.markdown(["task", *columns.values(), "gate recall, %"], rows),
        "failed": metrics["failed"],
        "reliability": reliability(calibration),
        "threshold": calibration["threshold"],
        "words": len(qa.vocabulary.known_words),
    }
    if qa.config.model.max_retrieved_facts is not None:
        template, about = "model_card_long.md", about | metrics["retriever"]
    else:
        template = "model_card.md"
        about["minutes"] = f"{metrics['seconds'] / 60:.0f}"
        about |= {"command": "\n".join(metrics["commands"]), "max_facts": qa.config.data.max_facts}
        about["trained"] = "command below," if len(metrics["commands"]) == 1 else "commands below; the last one,"
        about |= {name: metrics[name] for name in ("epochs", "best_epoch")}
    return base.fill(template, **about)


def _number(value):
    return str(value) if isinstance(value, int) else f"{value:.1f}"


if __name__ == "__main__":
    main()
