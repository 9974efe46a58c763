"""Search for settings: trials of a space until the time is used, then a table, a picture and the best model.

The same command resumes a search that was stopped or killed; `tuning/README.md` has the details.
"""

import argparse
import hashlib
import importlib.metadata
import os
import pathlib
import re
import shlex
import sys
import time
import warnings

if __package__ in (None, ""):  # python tuning/search.py
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from tuning import workers
from tuning.command import run_command

COMMAND = "tuning/search.py"
BASE = {"patience": 8, "stop_after_perfect_epochs": 2, "num_buckets": 3}
"""Settings of a trial, beside its epochs, that are not those of `RunConfig`: a search stops early."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: List of arguments, `sys.argv[1:]` by default.

    Returns:
        Exit status: 0; 1 where no trial is done, more than half failed or all workers did; 2 for a mistake in the
        arguments or files; 130 after Ctrl-C.
    """
    started = time.monotonic()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = build_parser().parse_args(arguments)
    return run_command(COMMAND, lambda: _search(options, arguments, started))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0], allow_abbrev=False)
    add = parser.add_argument
    add("--dataset", default="stories", help="any of `dmn-keras train --dataset help`; stories (generated) by default")
    add("--data-dir", metavar="DIR", help="archive, folder or file of the data")
    add("--config", help="configuration of the dataset, e.g. en or en-10k")
    add("--tasks", help="names, numbers and ranges, learned by one model: 1, 1-20, counting,lists")
    add("--space", default="small", help="small (the default) or full")
    add("--tuner", default="hyperband", help="random, hyperband (the default) or bayesian")
    add("--budget", type=_time, metavar="TIME", help="time for the whole search: 90s, 60m, 2h")
    add("--max-trials", type=_whole(1), metavar="N", help="most trials; without it the budget alone ends the search")
    add("--epochs", type=_whole(1), default=20, metavar="N", help="most epochs of a trial (default: 20)")
    add("--executions", type=_whole(1), default=1, metavar="K", help="seeds a trial is trained with (default: 1)")
    add("--seed", type=_whole(0), default=0, metavar="N", help="first seed of the trials, and that of the search")
    add("--preset", metavar="NAME", help="settings to begin with, in place of a choice of presets")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="fix a setting")
    add("--choices", action="append", default=[], metavar="NAME=V,V", help="values of a setting, not the space's own")
    add("--supervise-gates", action="store_true", help="let the supporting facts teach the gates")
    add("--workers", type=_whole(0), default=0, metavar="N", help="worker processes on this machine")
    add("--output", required=True, metavar="DIR", help="the search's folder")
    add("--overwrite", action="store_true", help="replace the search in --output")
    add("--save", metavar="FILE", help="write the best configuration there too: tuning/best/NAME.json")
    return parser


def _time(text):
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)([smh])", text.strip())
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"expected a time above 0 such as 90s, 60m or 2h. Received: {text!r}")
    return seconds


def _whole(least):
    def whole(text):
        if not text.strip().isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}. Received: {text!r}")
        return int(text)

    return whole


def _search(options, arguments, started):
    from dmn_keras.inference.evaluation import versions
    from tuning.folder import SearchFolder

    if options.budget is None and options.max_trials is None:
        raise ValueError("--budget or --max-trials is needed: a search has no end of its own.")
    role = workers.role()
    if role == "chief" and options.workers:
        raise ValueError(f"--workers and {workers.VARIABLES[0]}=chief exclude each other: leave one of them out.")
    try:
        import keras_tuner  # noqa: F401
    except ImportError as error:
        raise ImportError(f'A search needs keras-tuner: pip install ".[tuning]" ({error})') from error
    warnings.filterwarnings("ignore", module="sklearn")  # of the few points at the start of a Bayesian search
    hypermodel, oracle, settings = _prepared(options)
    own = {**versions(), "keras-tuner": importlib.metadata.version("keras-tuner")}
    folder = SearchFolder(options.output)
    if role == "worker":
        folder.check_same({**settings, "versions": own})
        return _work(options, folder, hypermodel, oracle)
    if not folder.exists():
        folder.refuse_foreign()
    with folder.lock():
        if folder.exists() and not options.overwrite:
            folder.check_same(settings)
        else:
            folder.remove()
            folder.write_record(**settings, versions=own)
        return _lead(options, arguments, started, role, folder, hypermodel, oracle)


def _prepared(options):
    """Return the hypermodel, the oracle and what defines the search; finds every mistake in the arguments."""
    from dmn_keras.cli.common import source_of
    from dmn_keras.datasets import train_and_validation
    from dmn_keras.tasks.registry import task_class_for
    from dmn_keras.utils.settings import parse_settings
    from tuning.hypermodel import DMNHyperModel
    from tuning.space import make_space, parse_choices
    from tuning.tuner import make_oracle

    source = source_of(options)
    fixed = parse_settings(options.set) | ({"supervise_gates": True} if options.supervise_gates else {})
    for name in ("epochs", "seed"):
        if name in fixed:
            raise ValueError(f"--set {name}: a search has an argument for it, --{name}.")
    task = task_class_for(source.dataset)
    fraction = task.default_config.replace(fixed).data.validation_fraction
    examples = train_and_validation(source, validation_fraction=fraction, seed=options.seed)
    space = make_space(
        options.space,
        task=task.__name__,
        preset=options.preset,
        settings=fixed,
        choices=parse_choices(options.choices),
        base={**BASE, "epochs": options.epochs},
        facts_named=any(getattr(e, "supporting_facts", ()) for of_part in examples[0].values() for e in of_part),
    )
    searched = {name: getattr(options, name) for name in ("tuner", "seed", "executions", "epochs")}
    oracle = make_oracle(options.tuner, space, seed=options.seed, epochs=options.epochs, max_trials=options.max_trials)
    hypermodel = DMNHyperModel(source, space, seed=options.seed)
    hypermodel.task(hypermodel.config(oracle.get_space()))
    digest = hashlib.sha256(repr(examples).encode()).hexdigest()[:16]
    data = {"dataset": source.dataset, "config": source.config, "tasks": list(source.tasks), "questions": digest}
    return hypermodel, oracle, {**data, **searched, "space": space.describe()}


def _tuner(options, folder, hypermodel, oracle, budget):
    from tuning.tuner import SearchTuner

    return SearchTuner(oracle, hypermodel, folder, seeds=_seeds(options), epochs=options.epochs, budget=budget)


def _seeds(options):
    return list(range(options.seed, options.seed + options.executions))


def _lead(options, arguments, started, role, folder, hypermodel, oracle):
    """Run trials until the end, alone or as the chief of workers, and report."""
    from dmn_keras.errors import printable
    from dmn_keras.utils.files import read_json, write_json
    from tuning.report import report
    from tuning.tuner import BudgetUsedError, TimeBudget, restore_state

    status, budget = 0, TimeBudget(folder.time, options.budget, started=started)
    if options.workers:
        workers.become_chief()
    alone = not (options.workers or role)
    restore_state(folder, oracle, "tuner0" if alone else os.environ[workers.VARIABLES[0]])
    statuses = [trial["status"] for trial in folder.trials().values()]
    if budget.left() <= 0 or (len(statuses) >= (options.max_trials or float("inf")) and "RUNNING" not in statuses):
        print(f"The search in {folder.path} has ended: a larger --budget or --max-trials resumes it.")
    else:
        left = "" if options.budget is None else f", {budget.left():.0f} s left of {options.budget:.0f} s"
        logs = f"; logs of {options.workers} workers in {folder.workers}" if options.workers else ""
        print(f"Searching {options.dataset} into {folder.path}{left}{logs}", flush=True)
        try:
            tuner = _tuner(options, folder, hypermodel, oracle, budget)
            if alone:
                tuner.search(verbose=0)
            else:
                processes = workers.start(options.workers, arguments, folder.workers)
                failed = workers.lead(tuner, budget, processes)
                status = int(bool(processes) and len(failed) == len(processes))
        except BudgetUsedError as error:
            print(error)
        except RuntimeError as error:
            print(f"{COMMAND}: error: {printable(error)}", file=sys.stderr)
            status = 1
        finally:
            budget.save()
    record = folder.read_record("versions")
    versions = record.pop("versions")
    about = {"versions": versions, "command": _shown(arguments), "seconds": round(budget.used(), 1), "search": record}
    reported = report(folder, hypermodel.source, hypermodel.space, _seeds(options), options.epochs, about)
    if options.save and folder.best.exists():
        write_json(options.save, read_json(folder.best))
    return reported or status


def _work(options, folder, hypermodel, oracle):
    """Run the trials that the chief hands out."""
    import grpc

    from tuning.tuner import BudgetUsedError, TimeBudget

    tuner_id, ip, port = (os.environ[name] for name in workers.VARIABLES)
    (folder.tuner / f"{tuner_id}.json").unlink(missing_ok=True)  # the chief alone reads keras-tuner's files
    budget = TimeBudget(folder.time, options.budget, started=time.monotonic(), writes=False)
    try:
        _tuner(options, folder, hypermodel, oracle, budget).search(verbose=0)
    except BudgetUsedError as error:
        print(error)
    except grpc.RpcError as error:
        raise ConnectionError(f"The chief at {ip}:{port} does not answer. Start it again, then this worker.") from error
    return 0


def _shown(arguments):
    """Return the command as `best.json` holds it, without the places of this machine."""
    shown = ["python", "tuning/search.py", *(word for word in arguments if word != "--overwrite")]
    for place, word in enumerate(shown[:-1]):
        if word in ("--data-dir", "--output", "--save"):
            shown[place + 1] = "DIR" if word == "--data-dir" else pathlib.Path(shown[place + 1]).name
    return shlex.join(shown)


if __name__ == "__main__":
    sys.exit(main())
