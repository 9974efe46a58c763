"""Search for settings: trials of a space until the time is up, then a table, a picture and the best model.

The same command goes on with a search that was stopped or killed; what it does is in `tuning/README.md`.
"""

import argparse
import pathlib
import shlex
import sys
import time

if __package__ in (None, ""):  # python tuning/search.py
    sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from tuning.command import run_command

_BEGUN = time.monotonic()
COMMAND = "tuning/search.py"
DEFAULT_EPOCHS = 20
BASE = {"patience": 8, "solved_epochs": 2, "num_buckets": 3}
"""Settings of a trial, beside its epochs, that are not those of `Config`: a search stops early."""


def main(arguments=None):
    """Run the command.

    Args:
        arguments: List of arguments, `sys.argv[1:]` by default.

    Returns:
        Exit status: 0, 1 where no trial was done or the workers ended early, 2 for a mistake in the arguments or
        files, 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser().parse_args(arguments)
    return run_command(COMMAND, lambda: _search(options, arguments))


def _parser():
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument(
        "--dataset", default="stories", help="babi, babi_long, stories (generated, the default) or jsonl"
    )
    parser.add_argument("--data-dir", metavar="DIR", help="archive, folder or file of the data")
    parser.add_argument("--config", help="configuration of the dataset, e.g. en or en-10k")
    parser.add_argument("--tasks", help="names, numbers and ranges, learned by one model: 1, 1-20, counting,lists")
    parser.add_argument("--space", default="small", help="small (the default) or full")
    parser.add_argument("--tuner", default="hyperband", help="random, hyperband (the default) or bayesian")
    parser.add_argument("--budget", metavar="TIME", help="time for the whole search: 90s, 60m, 2h")
    parser.add_argument("--max-trials", type=int, metavar="N", help="most trials; without it the budget alone ends it")
    parser.add_argument("--epochs", type=int, default=DEFAULT_EPOCHS, help="most epochs of a trial (default: 20)")
    parser.add_argument("--executions", type=int, default=1, metavar="K", help="seeds a trial is trained with")
    parser.add_argument("--seed", type=int, default=0, help="first seed of the trials, and that of the search")
    parser.add_argument("--preset", metavar="NAME", help="settings to begin with, in place of a choice of presets")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="fix a setting")
    parser.add_argument(
        "--choices",
        action="append",
        default=[],
        metavar="NAME=V,V",
        help="values of a setting, in place of the space's",
    )
    parser.add_argument("--supervise-gates", action="store_true", help="let the supporting facts teach the gates")
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="worker processes on this machine")
    parser.add_argument("--wait", default="120s", metavar="TIME", help="how long a worker waits for the chief")
    parser.add_argument("--output", required=True, metavar="DIR", help="the search's folder")
    parser.add_argument("--overwrite", action="store_true", help="replace the search in --output")
    parser.add_argument("--save", metavar="FILE", help="write the best configuration there too: tuning/best/NAME.json")
    return parser


def _search(options, arguments):
    from tuning import workers
    from tuning.clock import Clock, parse_time
    from tuning.folder import SearchFolder

    budget = None if options.budget is None else parse_time("--budget", options.budget)
    _check_numbers(options)
    _check_installed()
    role = workers.role()
    if role is not None and options.workers:
        raise ValueError(f"--workers and {workers.VARIABLES[0]} exclude each other: leave one of them out.")
    folder = SearchFolder(options.output)
    search = _Search(options, folder, arguments)
    if role == "worker":
        return search.work(parse_time("--wait", options.wait))
    if folder.exists():
        Clock(folder.clock, None).refuse_second()
        workers.wait_for_old_workers(folder)
    if folder.exists() and not options.overwrite:
        search.go_on()
    else:
        search.begin()
    return search.run(Clock(folder.clock, budget, already=time.monotonic() - _BEGUN), role)


def _check_numbers(options):
    if options.budget is None and options.max_trials is None:
        raise ValueError("--budget or --max-trials is needed: a search has no end of its own.")
    for name in ("max_trials", "epochs", "executions"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be a positive integer. Received: {value}")
    for name in ("workers", "seed"):
        if getattr(options, name) < 0:
            raise ValueError(f"--{name} must not be negative. Received: {getattr(options, name)}")
    path = pathlib.Path(options.output)
    for part in (path, *path.parents):
        if part.is_file():
            raise NotADirectoryError(f"--output {part} is a file; expected a folder.")
    if options.save is not None:
        _make_folder_of(pathlib.Path(options.save))


def _make_folder_of(path):
    """Make the folder of a file that is written at the end of the search, while there is time to say otherwise."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"--save {path}: its folder cannot be made: {error}") from error
    if path.is_dir():
        raise IsADirectoryError(f"--save {path} is a folder; expected a file.")


def _check_installed():
    try:
        import keras_tuner  # noqa: F401
    except ImportError as error:
        raise ImportError(f'A search needs keras-tuner: pip install ".[tuning]" ({error})') from error


class _Search:
    """One search: its arguments, its folder, and what is made of them.

    Args:
        options: The parsed arguments.
        folder: The `SearchFolder`.
        arguments: The arguments as they were given.
    """

    def __init__(self, options, folder, arguments):
        from dmn_keras.training.data import train_and_validation
        from tuning.folder import search_settings
        from tuning.oracles import TUNERS, make_oracle
        from tuning.space import make_space, parse_choices

        self.options = options
        self.folder = folder
        self.arguments = arguments
        self.source = _source(options)
        self.seeds = list(range(options.seed, options.seed + options.executions))
        settings = _fixed(options)
        fraction = settings.get("validation_fraction", 0.1)
        questions = train_and_validation(self.source, validation_fraction=fraction, seed=self.seeds[0])
        named = any(e.supporting_facts for examples in questions[0].values() for e in examples)
        self.space = make_space(
            options.space,
            preset=options.preset,
            settings=settings,
            choices=parse_choices(options.choices),
            base={**BASE, "epochs": options.epochs},
            facts_named=named,
        )
        self.settings = search_settings(
            self.source,
            questions,
            self.space,
            tuner=options.tuner,
            seed=options.seed,
            executions=options.executions,
            epochs=options.epochs,
        )
        if options.tuner not in TUNERS:
            make_oracle(options.tuner, self.space, seed=0, epochs=1)

    def begin(self):
        """Write down what the search is; replaces the one in its folder, if there is one."""
        import random

        from tuning.folder import search_versions

        # A mistake in the settings is told before anything is written or removed.
        self._hypermodel().recipe(self.space.config_of(self.space.sample(random.Random(0)), seed=self.seeds[0]))
        if self.folder.exists():
            self.folder.remove()
        self.folder.refuse_foreign()
        self.folder.create(self.settings, search_versions())

    def go_on(self):
        """Check that the folder holds this search, whole."""
        from tuning.folder import first_difference, search_versions

        self.folder.check_same(self.settings)
        self.folder.check_files()
        differs = first_difference(self.folder.versions(), search_versions())
        if differs:
            print(f"The search was begun with another version of {differs}; its trials are compared all the same.")

    def run(self, clock, role):
        """Run trials until the end, then report; the clock stops before the report."""
        from tuning.clock import show_time

        if self._ended(clock):
            print(f"The search in {self.folder.path} has ended: a larger --budget or --max-trials goes on with it.")
            return self._report(clock)
        left = "" if clock.budget is None else f", {show_time(clock.left())} left of {show_time(clock.budget)}"
        print(f"Searching {self.source.dataset}, task {', '.join(self.source.tasks)}, into {self.folder.path}{left}")
        clock.start()
        status = 0
        try:
            status = self._lead(clock, role) if role or self.options.workers else self._alone(clock)
        finally:
            clock.stop()
        return self._report(clock) or status

    def _ended(self, clock):
        from tuning.results import read_trials

        trials = read_trials(self.folder)
        most = self.options.max_trials
        return clock.left() <= 0 or (
            most is not None and len(trials) >= most and all(trial["status"] != "cut off" for trial in trials)
        )

    def _alone(self, clock):
        from tuning.clock import OutOfTimeError

        tuner = self._tuner("tuner0", clock.check)
        try:
            tuner.search(verbose=0)
        except OutOfTimeError:
            print("The time is up.")
        return self._stopped_by(tuner.oracle)

    def _lead(self, clock, role):
        from tuning import workers

        if role is None:
            workers.become_chief()
        tuner = self._tuner("chief", clock.check)
        processes = {}
        if role is None:
            processes = workers.start_workers(self.options.workers, _without_workers(self.arguments), self.folder)
            print(f"{len(processes)} workers, their logs in {self.folder.workers}")
        chief = workers.Chief(tuner, self.folder, clock, processes)
        chief.serve()
        if processes and len(chief.failed) == len(processes):
            print(
                "All workers have ended before the time was up. Their trials stay; the same command goes on.",
                file=sys.stderr,
            )
            return 1
        return self._stopped_by(tuner.oracle)

    def work(self, wait):
        """Be a worker until the chief has no more trials or the time is up."""
        import grpc

        from tuning import workers
        from tuning.clock import OutOfTimeError

        worker = workers.Worker(self.folder)
        end = time.monotonic() + worker.wait_for_chief(wait)
        self._check_equal(worker.tuner_id)

        def check(ahead=0.0):
            if time.monotonic() + ahead >= end:
                raise OutOfTimeError

        worker.start()
        try:
            self._tuner(worker.tuner_id, check, pause=0.3).search(verbose=0)
        except OutOfTimeError:
            print("The time is up.")
        except KeyboardInterrupt:
            if worker.lost is None:
                raise
            raise workers.ChiefLostError(worker.lost) from None
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            raise workers.ChiefLostError(worker.without_chief()) from None
        finally:
            worker.stop()
        return 0

    def _check_equal(self, tuner_id):
        from tuning.folder import first_difference, search_versions

        self.folder.check_same(self.settings, what=f"Unequal workers, {tuner_id}")
        versions, own = self.folder.versions(), search_versions()
        name = first_difference(versions, own)
        if name:
            raise ValueError(
                f"Unequal workers, {tuner_id}: the search runs with {name} {versions.get(name)}. "
                f"Received: {own.get(name)}. Install the same on every machine."
            )

    def _tuner(self, tuner_id, check, pause=0.0):
        from tuning.compiled import keep_compiled
        from tuning.oracles import make_oracle
        from tuning.tuner import SearchTuner, prepare_project

        options = self.options
        keep_compiled(self.folder)
        prepare_project(self.folder, tuner_id)
        oracle = make_oracle(
            options.tuner, self.space, seed=options.seed, epochs=options.epochs, limit=options.max_trials
        )
        return SearchTuner(
            oracle,
            self._hypermodel(),
            folder=self.folder,
            seeds=self.seeds,
            epochs=options.epochs,
            check=check,
            pause=pause,
            say=_say,
        )

    def _hypermodel(self):
        from tuning.hypermodel import DMNHyperModel

        return DMNHyperModel(self.source, self.space, seed=self.seeds[0], executions=self.options.executions)

    def _stopped_by(self, oracle):
        if oracle.stopped_by is None:
            return 0
        print(
            f"{COMMAND}: error: trial after trial ended with an error, the last one was {oracle.stopped_by}: "
            "the table tells why. The same command goes on.",
            file=sys.stderr,
        )
        return 1

    def _report(self, clock):
        from tuning.finish import finish

        command = shlex.join(["python", "tuning/search.py", *_shown(self.arguments)])
        return finish(
            self.folder,
            self.source,
            self.space,
            self.seeds,
            self.options.epochs,
            about={"command": command, "seconds": round(clock.used(), 1), "search": self.settings},
            save=self.options.save,
        )


def _say(line):
    print(line, flush=True)


def _source(options):
    from dmn_keras import datasets
    from dmn_keras.training.data import Source

    names = datasets.task_names(options.dataset, options.data_dir)
    tasks = names if options.tasks is None else datasets.parse_tasks(options.tasks, names)
    return Source(options.dataset, tasks, options.data_dir, options.config)


def _fixed(options):
    """Return the settings that `--set` and `--supervise-gates` fix."""
    from dmn_keras.training.config import parse_settings

    settings = parse_settings(options.set)
    for name in ("epochs", "seed"):
        if name in settings:
            raise ValueError(f"--set {name}: a search has an argument for it, --{name}.")
    if options.supervise_gates:
        settings["supervise_gates"] = True
    return settings


def _without_workers(arguments):
    """Return the arguments for a worker: those of the chief, but for the workers and what it does at the start."""
    left, kept = list(arguments), []
    while left:
        word = left.pop(0)
        if word == "--workers":
            left.pop(0)
        elif word != "--overwrite" and not word.startswith("--workers="):
            kept.append(word)
    return kept


def _shown(arguments):
    """Return the arguments as they stand in `best.json`: `DIR` for where the data lies."""
    shown = list(arguments)
    for place, word in enumerate(shown[:-1]):
        if word in ("--data-dir", "--output", "--save"):
            shown[place + 1] = "DIR" if word == "--data-dir" else pathlib.Path(shown[place + 1]).name
    return [word for word in shown if word != "--overwrite"]


if __name__ == "__main__":
    sys.exit(main())
