"""Search for settings: trials of a space until the time is used, then a table, a picture and the best model.

The same command resumes a search that was stopped or killed; `tuning/README.md` has the details.
"""

import argparse
import contextlib
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

_STARTED = time.monotonic()
COMMAND = "tuning/search.py"
BASE = {"patience": 8, "solved_epochs": 2, "num_buckets": 3}
"""Settings of a trial, beside its epochs, that are not those of `Config`: a search stops early."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: List of arguments, `sys.argv[1:]` by default.

    Returns:
        Exit status: 0; 1 where no trial is done, more than half failed or all workers did; 2 for a mistake in the
        arguments or files; 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(arguments)
    return run_command(COMMAND, lambda: _search(options, arguments))


def _parser():
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0], allow_abbrev=False)
    add = parser.add_argument
    add("--dataset", default="stories", help="babi, babi_long, stories (generated, the default) or jsonl")
    add("--data-dir", metavar="DIR", help="archive, folder or file of the data")
    add("--config", help="configuration of the dataset, e.g. en or en-10k")
    add("--tasks", help="names, numbers and ranges, learned by one model: 1, 1-20, counting,lists")
    add("--space", default="small", help="small (the default) or full")
    add("--tuner", default="hyperband", help="random, hyperband (the default) or bayesian")
    add("--budget", type=_seconds, metavar="TIME", help="time for the whole search: 90s, 60m, 2h")
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


def _seconds(text):
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


def _search(options, arguments):
    if options.budget is None and options.max_trials is None:
        raise ValueError("--budget or --max-trials is needed: a search has no end of its own.")
    role = workers.role()
    if role and options.workers:
        raise ValueError(f"--workers and {workers.VARIABLES[0]} exclude each other: leave one of them out.")
    try:
        import keras_tuner  # noqa: F401
    except ImportError as error:
        raise ImportError(f'A search needs keras-tuner: pip install ".[tuning]" ({error})') from error
    warnings.filterwarnings("ignore", module="sklearn")  # few points at the start of a Bayesian search
    return _Search(options, arguments, role).run()


class _Search:
    """One search: what its arguments mean, and its folder."""

    def __init__(self, options, arguments, role):
        from dmn_keras import datasets
        from dmn_keras.training.config import parse_settings
        from dmn_keras.training.data import Source
        from dmn_keras.training.evaluation import versions
        from tuning.folder import SearchFolder
        from tuning.hypermodel import DMNHyperModel
        from tuning.space import make_space, parse_choices
        from tuning.tuner import make_oracle

        self.options, self.arguments, self.role = options, arguments, role
        self.folder = SearchFolder(options.output)
        names = datasets.task_names(options.dataset, options.data_dir)
        tasks = names if options.tasks is None else datasets.parse_tasks(options.tasks, names)
        source = Source(options.dataset, tasks, options.data_dir, options.config)
        self.seeds = list(range(options.seed, options.seed + options.executions))
        settings = parse_settings(options.set) | ({"supervise_gates": True} if options.supervise_gates else {})
        for name in ("epochs", "seed"):
            if name in settings:
                raise ValueError(f"--set {name}: a search has an argument for it, --{name}.")
        hypermodel = DMNHyperModel(source, None, seed=self.seeds[0], executions=options.executions)
        from dmn_keras.training.config import Config

        questions = hypermodel.questions(Config.from_dict({**settings, "seed": self.seeds[0]}))
        self.space = hypermodel.space = make_space(
            options.space,
            preset=options.preset,
            settings=settings,
            choices=parse_choices(options.choices),
            base={**BASE, "epochs": options.epochs},
            facts_named=any(e.supporting_facts for examples in questions[0].values() for e in examples),
        )
        self.hypermodel = hypermodel
        self.oracle = make_oracle(
            options.tuner, self.space, seed=options.seed, epochs=options.epochs, max_trials=options.max_trials
        )
        # A mistake in the settings is found before anything is written or removed.
        hypermodel.recipe(hypermodel.config(self.oracle.get_space()))
        self.settings = {
            "dataset": source.dataset,
            "config": source.config,
            "tasks": list(source.tasks),
            "questions": hashlib.sha256(repr(questions).encode()).hexdigest()[:16],
            "space": self.space.describe(),
            **{name: getattr(options, name) for name in ("tuner", "seed", "executions", "epochs")},
        }
        self.versions = {**versions(), "keras-tuner": importlib.metadata.version("keras-tuner")}

    def run(self):
        """Be a worker, or open the folder, run trials until the end, and report."""
        if self.role == "worker":
            return self._work()
        if not self.folder.exists():
            self.folder.refuse_foreign()
        with self.folder.lock():
            if self.folder.exists() and not self.options.overwrite:
                versions = self.folder.check_same(self.settings)
                if versions != self.versions:
                    print(f"The search began with other versions: {versions}. Its trials are compared all the same.")
            else:
                self.folder.remove()
                self.folder.write_record(settings=self.settings, versions=self.versions)
            return self._lead()

    def _lead(self):
        from tuning.report import report
        from tuning.tuner import BudgetUsedError, TimeBudget, restore_state

        options, status = self.options, 0
        budget = TimeBudget(self.folder.time, options.budget, started=_STARTED)
        if options.workers:
            workers.become_chief()
        alone = not (options.workers or self.role)
        restore_state(self.folder, self.oracle, "tuner0" if alone else os.environ[workers.VARIABLES[0]])
        statuses = [trial["status"] for trial in self.folder.trials().values()]
        if budget.left() <= 0 or (len(statuses) >= (options.max_trials or 1e9) and "RUNNING" not in statuses):
            print(f"The search in {self.folder.path} has ended: a larger --budget or --max-trials resumes it.")
        else:
            left = "" if options.budget is None else f", {budget.left():.0f} s left of {options.budget:.0f} s"
            print(f"Searching {self.settings['dataset']} into {self.folder.path}{left}", flush=True)
            try:
                if alone:
                    self._tuner(budget).search(verbose=0)
                else:
                    started = workers.start(options.workers, self._for_workers(), self.folder.workers)
                    failed = workers.lead(self._tuner(budget), budget, started)
                    status = int(bool(started) and len(failed) == len(started))
            except BudgetUsedError as error:
                print(error)
            except RuntimeError as error:
                print(f"{COMMAND}: error: {error}", file=sys.stderr)
                status = 1
            finally:
                budget.save()
        about = {"command": self._shown(), "seconds": round(budget.used(), 1), "search": self.settings}
        about["versions"] = self.folder.read_record()["versions"]
        reported = report(self.folder, self.hypermodel.source, self.space, self.seeds, options.epochs, about)
        if options.save and self.folder.best.exists():
            from dmn_keras.utils.files import read_json, write_json

            write_json(options.save, read_json(self.folder.best))
        return reported or status

    def _work(self):
        import grpc

        from tuning.tuner import BudgetUsedError, TimeBudget

        if not self.folder.exists():
            raise FileNotFoundError(
                f"{self.folder.path} holds no search: start the chief first, with the same --output."
            )
        versions = self.folder.check_same(self.settings)
        if versions != self.versions:
            raise ValueError(
                f"The chief's versions differ: {versions}. Received: {self.versions}. Install the same on every machine."
            )
        tuner_id, ip, port = (os.environ[name] for name in workers.VARIABLES)
        (self.folder.tuner / f"{tuner_id}.json").unlink(missing_ok=True)  # the chief alone reads what is there
        try:
            self._tuner(TimeBudget(self.folder.time, self.options.budget, started=_STARTED, writes=False)).search()
        except BudgetUsedError as error:
            print(error)
        except grpc.RpcError as error:
            raise ConnectionError(
                f"The chief at {ip}:{port} does not answer; start it again, then this worker."
            ) from error
        return 0

    def _tuner(self, budget):
        from tuning.tuner import SearchTuner

        about = {"seeds": self.seeds, "epochs": self.options.epochs, "budget": budget}
        return SearchTuner(self.oracle, self.hypermodel, self.folder, **about)

    def _for_workers(self):
        """Return the arguments of a worker: those of the chief, without what it does at the start."""
        kept, words = [], iter(self.arguments)
        for word in words:
            if word == "--workers":
                next(words)
            elif word != "--overwrite" and not word.startswith("--workers="):
                kept.append(word)
        return kept

    def _shown(self):
        """Return the command as `best.json` holds it, without the places of this machine."""
        shown = ["python", "tuning/search.py", *(word for word in self.arguments if word != "--overwrite")]
        for place, word in enumerate(shown[:-1]):
            if word in ("--data-dir", "--output", "--save"):
                shown[place + 1] = "DIR" if word == "--data-dir" else pathlib.Path(shown[place + 1]).name
        return shlex.join(shown)


if __name__ == "__main__":
    sys.exit(main())
