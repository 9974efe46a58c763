"""Command line: parses arguments, calls the library, prints.

Exit status: 0, 1 where training diverged, 2 for a mistake in arguments or files, 130 after Ctrl-C.
"""

import argparse
import contextlib
import dataclasses
import functools
import importlib
import itertools
import json
import logging
import os
import pathlib
import shutil
import sys
import tempfile
import warnings

from dmn_keras._version import __version__
from dmn_keras.errors import check_file, printable, unknown_name
from dmn_keras.shipped import BABI_JOINT, BABI_LONG, SHIPPED, run_folder
from dmn_keras.training.config import Config, parse_settings
from dmn_keras.training.presets import PRESETS, preset
from dmn_keras.training.tables import TABLES

COMMAND = "dmn-keras"

# What `train` does without arguments: about a minute and a half on two cores.
MAIN_TASKS = "two-supporting-facts"
MAIN_SETTINGS = {
    "supervise_gates": True,
    "fact_encoder": "position",
    "input_fusion": True,
    "memory_update": "relu",
    "learning_rate": 3e-3,
    "l2": 1e-4,
    "solved_epochs": 3,
    "epochs": 12,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: List of arguments, `sys.argv[1:]` by default.

    Returns:
        Exit status, as above.
    """
    # A terminal that cannot show a word of the data is no reason to fail.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        if "help" in getattr(options, "set", ()):
            _print(Config.describe())
            return 0
        _check_files(options)
        _import_keras()
        with _messages(_beside_json(options)):
            return options.run(options)
    except BrokenPipeError:  # the program behind a pipe, such as head, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        _print_error(options, error)
        return 2
    except KeyboardInterrupt:
        _print(f"{COMMAND} {options.command}: interrupted", sys.stderr)
        return 130


def _print(text="", file=None):
    """Print a text; all that a command prints goes through here, so that no text of others controls the terminal."""
    print(printable(text), file=file, flush=True)


def _print_json(content, indent=None):
    try:
        _print(json.dumps(content, indent=indent, allow_nan=False))
    except ValueError as error:
        raise ValueError("The result holds a number that is not finite: the model is damaged.") from error


def _print_error(options, error):
    message = str(error)
    if isinstance(error, OSError) and error.strerror:  # in place of [Errno 13] Permission denied: 'file'
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    _print(f"{COMMAND} {options.command}: error: {message}", sys.stderr)


def _beside_json(options):
    """Return where notes go: to the standard error where the standard output is to hold JSON alone."""
    return sys.stderr if getattr(options, "json", None) else sys.stdout


@contextlib.contextmanager
def _messages(file):
    """Context: prints to `file` what the library logs, and its warnings, a line each, to the standard error."""
    logger, handler = logging.getLogger("dmn_keras"), logging.StreamHandler(file)
    handler.format = lambda record: printable(record.getMessage())
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: _print(f"warning: {message}", sys.stderr)
            yield
    finally:
        logger.removeHandler(handler)


def _import_keras():
    """Import Keras and its backend without the lines that TensorFlow logs before it looks at TF_CPP_MIN_LOG_LEVEL."""
    hidden = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "3" and sys.stderr is not None
    try:
        with _no_standard_error() if hidden else contextlib.nullcontext():
            importlib.import_module("keras")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "tensorflow":
            raise
        raise ImportError(
            "TensorFlow, Keras' default backend, is not installed. Install it (pip install tensorflow) or choose "
            "another backend that is, e.g. KERAS_BACKEND=jax."
        ) from error


@contextlib.contextmanager
def _no_standard_error():
    """Context: what the process, its C++ libraries included, writes to the standard error is lost."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _check_files(options):
    """Check the files that arguments name, before anything is computed."""
    for name in ("story", "word_vectors", "authority", "certificate", "key"):
        path = getattr(options, name, None)
        if path is not None and (name, path) != ("story", "-"):
            check_file(f"--{name.replace('_', '-')}", path)
    for name in ("json", "plot"):
        path = getattr(options, name, None)
        if isinstance(path, str) and os.path.isdir(path):
            raise IsADirectoryError(f"--{name} {path} is a folder: expected the name of a file to write.")
    if getattr(options, "plot", None):
        from matplotlib.figure import Figure

        formats = Figure().canvas.get_supported_filetypes()
        suffix = pathlib.Path(options.plot).suffix
        if suffix[1:].lower() not in formats:
            raise ValueError(unknown_name("--plot: the suffix", suffix, [f".{name}" for name in formats]))


class _ArgumentParser(argparse.ArgumentParser):
    def add_argument(self, *names, **options):
        if options.get("default") and "action" not in options:
            options["help"] += " (default: %(default)s)"
        return super().add_argument(*names, **options)

    def error(self, message):
        super().error(printable(message))


_RUN = f"folder that train wrote, or a model that comes with the package: {', '.join(SHIPPED)}"
_UNKNOWN = 'confidence below which the answer is "I do not know"'
_ASK = (
    " The confidence beside the answer is how often such answers were right when the run was calibrated; without a "
    "calibration it is the model's own probability."
)
_SHARED = {
    "--beam-width": {"type": int, "default": 1, "metavar": "N", "help": "search width for answers of several words"},
    "--config": {"help": "e.g. en-10k (babi), en-10k,tokens=1000,books=FOLDER (babi_long), num_facts=10 (stories)"},
    "--data-dir": {"metavar": "DIR", "help": "archive, folder or file of the data"},
    "--dataset": {"metavar": "NAME", "help": "babi, babi_long, stories (generated) or jsonl"},
    "--devices": {"metavar": "LIST", "help": "only these devices, by number or name: 0,1 or gpu:0,gpu:1"},
    "--strategy": {"metavar": "NAME", "default": "auto", "help": "auto, one, mirrored, multi_worker or tpu"},
    "--tasks": {"help": "names, numbers and ranges: 1, 1-20, counting,lists"},
    "--verbose": {"type": int, "default": 1, "choices": (0, 1, 2), "help": "Keras' verbosity"},
    "--wrapped": {"action": "store_true", "help": "lines of a paragraph are broken to fit a page, as in books"},
}
"""Options of several commands."""


def _add(parser, *names, **changes):
    for name in names:
        parser.add_argument(name, **{**_SHARED[name], **changes})


def _add_source(parser):
    """Add the options that name questions; what they leave open is that of the run's training."""
    for name in ("--dataset", "--data-dir", "--config", "--tasks"):
        _add(parser, name, help=f"{_SHARED[name]['help']} (default: as in the run's training)")


def _add_run_or_server(parser):
    parser.add_argument("folder", metavar="RUN", nargs="?", help=f"{_RUN} (default: {BABI_JOINT})")
    parser.add_argument("--server", metavar="URL", help="ask a server in place of a run: http, https, grpc or grpcs")
    parser.add_argument("--model", help="name of the model on the server (default: babi-joint)")
    parser.add_argument("--label", help="label of the model's version on the server, e.g. canary")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds to wait for the server (default: 10)")
    for name, what in (("authority", "certificates to trust"), ("certificate", "own certificate"), ("key", "its key")):
        parser.add_argument(f"--{name}", metavar="FILE", help=f"{what} for https and grpcs, PEM")


def _parser():
    parser = _ArgumentParser(
        prog=COMMAND,
        description="Dynamic Memory Networks: train a model, measure it, ask it, serve it.",
        epilog=f"Models that come with the package, wherever a RUN is expected: {', '.join(SHIPPED)}. Exit status: 0; "
        "1 where training diverged; 2 for a mistake in arguments or files; 130 after Ctrl-C; 143 after SIGTERM. "
        "TF_CPP_MIN_LOG_LEVEL=0 shows what TensorFlow logs.",
    )
    parser.add_argument("--version", action="version", version=f"dmn_keras {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, run, help, more=""):
        added = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.{more}")
        added.set_defaults(run=run)
        return added.add_argument, added

    option, train = command("train", _train, "train a model; without arguments on generated stories")
    _add(train, "--dataset", default="stories")
    _add(train, "--data-dir")
    _add(train, "--config", "--tasks")
    option("--supervise-gates", action="store_true", help="let the supporting facts teach the gates")
    option("--epochs", type=int, help="most epochs (default: that of the other settings)")
    option("--seed", type=int, help="seed of weights, order, dropout and validation cut (default: 0)")
    option("--preset", metavar="NAME", help=f"settings to start from: {', '.join(PRESETS)}")
    option("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting; `--set help` lists all")
    option("--output", metavar="DIR", help="run folder (default: a new one, runs/DATASET-N)")
    option("--one-by-one", action="store_true", help="one model a task, in subfolders of the run folder")
    existing = train.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="resume the run in --output")
    existing.add_argument("--overwrite", action="store_true", help="replace the run in --output")
    _add(train, "--strategy", "--devices", "--verbose")

    option, evaluate = command("evaluate", _evaluate, "measure a trained model on the test questions")
    option("folder", metavar="RUN", help=_RUN)
    _add_source(evaluate)
    option("--batch-size", type=int, default=100, metavar="N", help="questions answered at a time")
    _add(evaluate, "--beam-width")
    option("--json", metavar="FILE", help="write the result to a file, - for the standard output")

    option, calibrate = command("calibrate", _calibrate, "measure how far a model's probabilities can be trusted")
    option("folder", metavar="RUN", help=_RUN)
    _add_source(calibrate)
    option("--threshold", type=float, default=0.5, metavar="P", help=_UNKNOWN)
    option("--plot", metavar="FILE", help="draw the reliability on the test questions")

    option, narrow = command("narrow", _narrow, "teach a trained model to find its facts in long texts")
    option("folder", metavar="RUN", nargs="?", help=f"{_RUN} (default: {BABI_JOINT})")
    option("--books", required=True, metavar="FOLDER", help="folder of .txt files that hold no facts")
    option("--output", required=True, metavar="DIR", help="run folder to write")
    _add_source(narrow)
    option("--narrow-to", type=int, metavar="N", help="most facts kept (default: max_facts of the run, or 130)")
    option("--epochs", type=int, default=10, help="times that the books are read")
    option("--seed", type=int, help="seed of weights, order, and what is drawn (default: 0)")
    _add(narrow, "--verbose")

    option, reproduce = command("reproduce", _reproduce, "train a table of the README again; resumes what was begun")
    option("table", metavar="TABLE", help=f"one of {', '.join(TABLES)}")
    _add(reproduce, "--data-dir", "--tasks")
    option("--word-vectors", metavar="FILE", help="GloVe vectors, for the tables that start from them")
    option("--output", metavar="DIR", help="the table's folder (default: runs/TABLE)")
    _add(reproduce, "--strategy", "--devices", "--verbose")

    option, ask = command("ask", _ask, "ask a trained model a question about a story", _ASK)
    _add_run_or_server(ask)
    asked_about = ask.add_mutually_exclusive_group(required=True)
    asked_about.add_argument("--story", metavar="FILE", help="text file, - for the standard input")
    asked_about.add_argument("--index", metavar="DIR", help="folder that index wrote, asked with the run it names")
    _add(ask, "--wrapped")
    option("--question", required=True, metavar="TEXT")
    option("--json", action="store_true", help="print all as JSON, with probability, gates and unknown words")
    option("--plot", metavar="FILE", help="draw the attention as a heat map")
    _add(ask, "--beam-width")
    option("--min-confidence", type=float, metavar="P", help=f"{_UNKNOWN} (default: as calibrated)")

    option, index = command("index", _index, "read a long story once, to ask many questions about it")
    option("folder", metavar="RUN", nargs="?", help=f"{_RUN} (default: {BABI_LONG})")
    option("--story", required=True, metavar="FILE", help="text file; of one that has grown, what is new is read")
    option("--output", required=True, metavar="DIR", help="the index' folder")
    _add(index, "--wrapped")
    option("--dtype", default="float32", choices=("float32", "float16"), help="type of the vectors on the disk")
    overwriting = "replace the index in --output: the old one is gone once the first sentences of --story were read"
    option("--overwrite", action="store_true", help=overwriting)

    option, demo = command("demo", _demo, "ask a trained model on a web page, served to this machine alone")
    _add_run_or_server(demo)
    option("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0: all, by address or name")
    option("--port", type=int, default=7860, help="port to listen at, 0 for any that is free")

    option, export = command("export", _export, "write a model as a SavedModel that TF Serving runs")
    option("folder", metavar="RUN", nargs="?", help=f"{_RUN} (default: {BABI_JOINT})")
    option("--output", required=True, metavar="DIR", help="the model's folder, e.g. saved_models/NAME")
    option("--version", type=int, metavar="N", help="number of the version (default: the next free one)")
    option("--top", type=int, metavar="K", help="how many of the likeliest answers it gives (default: 3)")
    _add(export, "--data-dir", help="data whose test questions compare the model with what was written")
    option("--dtype", help="type of the weights: float32 (default), float16 or bfloat16")
    option("--no-warmup", action="store_true", help="write no warm-up requests")
    option("--litert", action="store_true", help="write a small LiteRT file, which takes ids, instead")
    option("--num-facts", type=int, metavar="N", help="with --litert: facts a story is padded to (default: 32)")
    option("--num-words", type=int, metavar="N", help="with --litert: words a sentence is padded to (default: 16)")
    option("--no-quantize", action="store_true", help="with --litert: keep the weights as they are")
    return parser


def _train(options):
    from dmn_keras.training.evaluation import summary, table
    from dmn_keras.training.fit import TrainingDivergedError, train
    from dmn_keras.training.memory import keep_freed_memory
    from dmn_keras.training.run_folder import RunFolder
    from dmn_keras.training.strategy import cluster_of, get_distribution

    keep_freed_memory()
    if (options.resume or options.overwrite) and not options.output:
        raise ValueError("--resume and --overwrite need --output, the run folder they are about.")
    main_job = options.dataset == "stories" and options.tasks is None
    if main_job:
        options.tasks = MAIN_TASKS
    config, source = _config(options, MAIN_SETTINGS if main_job else {}), _source(options)
    cluster = cluster_of(options.strategy)
    if not options.output and cluster is not None:
        raise ValueError("Several workers (TF_CONFIG) need --output: a run folder on a disk that all of them share.")
    output = pathlib.Path(options.output or _new_folder(options.dataset))
    parts = [(source, output)]
    if options.one_by_one:
        parts = [(dataclasses.replace(source, tasks=(task,)), output / task) for task in source.tasks]
    for _, folder in parts:
        _refuse_file(folder)
    if not (options.resume or options.overwrite):
        for _, folder in parts:
            RunFolder(folder).refuse_existing()
    if options.one_by_one and RunFolder(output).exists():
        raise FileExistsError(f"{output} holds one run for all its tasks: choose another --output for --one-by-one.")
    get_distribution(options.strategy, options.devices)  # raises for devices that are not there
    named = _given(options, "resume", "overwrite", "strategy", "devices", "verbose")
    status, trained = 0, {}
    for part, folder in parts:
        try:
            metrics = train(part, config, folder, **named, say=_print)
        except TrainingDivergedError as error:
            _print_error(options, error)
            status = 1
            continue
        if cluster is None or cluster.index == 0:  # the first of several workers prints for all
            _print_result(metrics, folder)
            _show_example(part, folder, config.seed)
        trained |= metrics["tasks"]
        if metrics["status"] == "interrupted":
            status = 130
            break
    if len(parts) > 1 and trained:
        _print(f"\n{len(trained)} of {len(parts)} tasks were trained, each a model of its own in {output}:")
        _print(table(summary(trained)))
    return status


def _config(options, defaults):
    """Return the `Config` that the arguments name: `--set` before the preset, `defaults` where there is none."""
    chosen = defaults if options.preset is None else preset(options.preset)
    settings = {**chosen, **parse_settings(options.set)}
    for name in ("epochs", "seed"):
        if getattr(options, name) is not None:
            settings[name] = getattr(options, name)
    if options.supervise_gates:
        if settings.get("supervise_gates") is False:
            raise ValueError(
                "--supervise-gates and --set supervise_gates=false exclude each other: leave one of them out."
            )
        settings["supervise_gates"] = True
    config = Config.from_dict(settings)
    if config.word_vectors is not None:
        check_file("word_vectors", config.word_vectors)
    return config


def _source(options, recipe=None):
    """Return the `Source` that the arguments name; what they leave open is that of `recipe`, the run's training."""
    from dmn_keras import datasets
    from dmn_keras.training.data import Source

    dataset, data_dir, config = options.dataset, options.data_dir, options.config
    if recipe is not None and dataset in (None, recipe.dataset):
        dataset, config = recipe.dataset, config or recipe.dataset_config
        if data_dir is None and recipe.data_dir is not None:
            data_dir = recipe.data_dir
            if not os.path.exists(data_dir):
                raise FileNotFoundError(f"The run was trained on {data_dir}, which is gone: add --data-dir DIR.")
    names = datasets.task_names(dataset, data_dir)
    if options.tasks is not None:
        tasks = datasets.parse_tasks(options.tasks, names)
    else:
        tasks = names if recipe is None else recipe.tasks
    return Source(dataset, tasks, data_dir, config)


def _new_folder(dataset):
    """Return the first of `runs/DATASET-1`, `runs/DATASET-2`, ... that is not there yet."""
    folders = (pathlib.Path("runs", f"{dataset}-{number}") for number in itertools.count(1))
    return next(folder for folder in folders if not folder.exists())


def _refuse_file(folder):
    """Raise if a folder, or one that it is to lie in, is a file."""
    for path in (folder, *folder.parents):
        if path.is_file():
            raise NotADirectoryError(f"--output {path} is a file; expected a folder.")


def _print_result(metrics, folder):
    from dmn_keras.training.evaluation import table

    tested = all("questions" in row for row in metrics["tasks"].values())
    _print(
        f"\n{metrics['epochs']} epochs in {metrics['seconds']:.0f} s, stopped by {metrics['status']}; "
        f"best epoch {metrics['best_epoch']}. {'Test' if tested else 'Validation (not every task has test)'} questions:"
    )
    _print(table(metrics))
    _print(f"Model and metrics are in {folder}.\n")


def _show_example(source, folder, seed):
    """Answer one question of the first task's test part and show the attention, if any of the first can be asked."""
    from dmn_keras import datasets
    from dmn_keras.asking import Answerer, answer_text, attention_table

    where = {"data_dir": source.data_dir, "config": source.config, "seed": seed, "num_examples": 20}
    parts = (datasets.load(source.dataset, task=source.tasks[0], split=part, **where) for part in ("test", "train"))
    asked = _asked(next(filter(None, parts), []))
    if not asked:
        return
    example = min(asked, key=lambda e: abs(len(e.story) - 6))
    answer = Answerer(folder).ask(example.story, example.question)
    _print(f"Question: {example.question}")
    _print(f"Answer:   {answer_text(answer)}; right: {' '.join(example.answer)}\n")
    _print(attention_table(answer))


def _evaluate(options):
    from dmn_keras.training.evaluation import evaluate_run, summary, table
    from dmn_keras.training.run_folder import RunFolder
    from dmn_keras.utils.files import write_json

    runs = RunFolder(run_folder(options.folder)).runs()
    recipes = [run.recipe() for run in runs]
    sources = [_source(options, recipe) for recipe in recipes]
    if len(runs) > 1:  # one model a task: each answers for its own
        sources = _own_tasks(sources, [recipe.tasks for recipe in recipes])
    tasks = {}
    for run, source in zip(runs, sources, strict=True):
        tasks.update(evaluate_run(run, source, batch_size=options.batch_size, beam_width=options.beam_width))
    content = summary({task: {name: row[name] for name in ("error", "questions")} for task, row in tasks.items()})
    if options.json == "-":
        _print_json(content, indent=1)
        return 0
    _print(table(summary(tasks)))
    if options.json:
        write_json(pathlib.Path(options.json), content)
    return 0


def _own_tasks(sources, trained):
    """Leave each `Source` the tasks its run was trained on; raise if one was asked for that no run has."""
    known = list(dict.fromkeys(task for tasks in trained for task in tasks))
    unknown = dict.fromkeys(task for source in sources for task in source.tasks if task not in known)
    if unknown:
        raise ValueError(unknown_name("--tasks", ",".join(unknown), known))
    return [
        dataclasses.replace(source, tasks=tuple(task for task in source.tasks if task in tasks))
        for source, tasks in zip(sources, trained, strict=True)
    ]


def _calibrate(options):
    from dmn_keras.training.calibration import calibrate, plot_reliability
    from dmn_keras.training.run_folder import RunFolder

    run = RunFolder(run_folder(options.folder))
    shipped = run.path != pathlib.Path(options.folder)
    source = _source(options, run.recipe())
    with tempfile.TemporaryDirectory() as copies:
        if shipped:  # its files stay as they came
            run = RunFolder(shutil.copytree(run.path, pathlib.Path(copies, "run")))
        content = calibrate(run, source, threshold=options.threshold)
    _print(f"{'questions of the test part':28}    count  right %  answered %  right of these %  calibration error")
    columns = (("right", 9), ("answered", 12), ("right_of_answered", 18), ("calibration_error", 19))
    for kind, row in content["test"].items():
        cells = [f"{'-' if row[n] is None else format(row[n], '.2f'):>{w}}" for n, w in columns]
        _print(f"{kind:28}  {row['questions']:>7}{''.join(cells)}")
    if shipped:
        _print(f"{options.folder} keeps the calibration that it came with; calibrate a copy to change it.")
    else:
        _print(f"The calibration is in {run.calibration}; {_UNKNOWN}: {options.threshold}")
    if options.plot:
        plot_reliability(content, options.plot)
        _print(f"The picture is in {options.plot}.")
    return 0


def _narrow(options):
    from dmn_keras.datasets.babi_long import Books
    from dmn_keras.training.evaluation import table
    from dmn_keras.training.narrowing import narrow, refuse_run
    from dmn_keras.training.run_folder import RunFolder

    run, output = RunFolder(run_folder(options.folder)), pathlib.Path(options.output)
    _refuse_file(output)
    refuse_run(RunFolder(output))
    named = _given(options, "narrow_to", "epochs", "seed", "verbose")
    metrics = narrow(run, _source(options, run.recipe()), Books(options.books), RunFolder(output), **named)
    found = metrics["narrowing"]
    _print(
        f"\nOf sentences held out, the first pass keeps {found['facts_kept']} % of the facts and "
        f"{found['background_kept']} % of the others. Test questions of the stories as they are:"
    )
    _print(table(metrics))
    _print(f"Model and metrics are in {output}.")
    if run.calibration.exists():
        _print(f"How far its probabilities can be trusted is to be measured again: {COMMAND} calibrate {output}")
    return 0


def _reproduce(options):
    from dmn_keras.training.evaluation import table
    from dmn_keras.training.memory import keep_freed_memory
    from dmn_keras.training.reproduce import reproduce

    keep_freed_memory()
    output = pathlib.Path(options.output or pathlib.Path("runs", options.table))
    _refuse_file(output)
    named = _given(options, "data_dir", "tasks", "word_vectors", "strategy", "devices", "verbose")
    content = reproduce(options.table, output, **named, say=_print)
    _print(f"\n{content['about']}:")
    _print(table(content))
    _print(f"The table is in {output / 'results.json'}.")
    statuses = [run["status"] for row in content["tasks"].values() for run in row["runs"]]
    return int("diverged" in statuses)


def _ask(options):
    from dmn_keras.asking import Answerer, answer_text, attention_table, evidence_text, plot_attention

    if options.server is not None:
        answer = _ask_server(options)
    else:
        _refuse(options, _OF_SERVER, "they are for --server")
        named = _given(options, "beam_width", "min_confidence")
        if options.index is not None:
            answer = _ask_index(options, named)
        else:
            answer = Answerer(options.folder).ask(_sentences(options), options.question, **named)
    if answer.unknown_words:
        shown, more = ", ".join(answer.unknown_words[:20]), len(answer.unknown_words) - 20
        and_more = f" and {more:,} more" if more > 0 else ""
        _print(f"warning: the model does not know the words {shown}{and_more}", sys.stderr)
    if options.json:
        _print_json(answer.to_dict())
    else:
        _print(answer_text(answer))
        if answer.positions is not None:
            more = 0 if answer.num_open is None else answer.num_open - len(answer.facts)
            limit = f": the limit, {more:,} more seemed to matter" if more else ""
            _print(f"{len(answer.facts):,} of {answer.num_facts:,} sentences were kept{limit}")
        if answer.known:  # what was attended to is no evidence for "I do not know"
            _print(evidence_text(answer) + "\n")
            _print(attention_table(answer))
    if options.plot:
        plot_attention(answer, options.question, options.plot)
        _print(f"The picture is in {options.plot}.", _beside_json(options))
    return 0


def _ask_index(options, named):
    from dmn_keras.asking import Answerer
    from dmn_keras.story_index import StoryIndex

    _refuse(options, ("wrapped",), "the index knows how its story was read")
    index = StoryIndex(options.index)
    folder = options.folder
    if folder is None and index.contents.run is not None:
        try:
            folder = run_folder(index.contents.run)
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{options.index} was made with the run {index.contents.run}, which is not there. If it was moved, "
                f"name it: {COMMAND} ask RUN --index ..."
            ) from error
    return Answerer(folder).ask_index(index, options.question, **named)


def _ask_server(options):
    if options.index is not None:
        raise ValueError("--server and --index exclude each other: an index is asked on this machine.")
    if options.beam_width != 1 or options.min_confidence is not None:
        raise ValueError("--beam-width and --min-confidence are the server's own: leave them out with --server.")
    with _client(options) as client:
        return client.ask(list(_sentences(options)), options.question)


def _client(options):
    from dmn_keras.serving import Client, Tls

    if options.folder is not None:
        raise ValueError(f"--server and a run exclude each other. Received the run {options.folder}.")
    files = {name: getattr(options, name) for name in ("authority", "certificate", "key")}
    tls = Tls(**files) if any(files.values()) else None
    return Client(options.server, **_given(options, "model", "label", "timeout"), tls=tls)


_OF_SERVER = ("model", "label", "timeout", "authority", "certificate", "key")


def _given(options, *names):
    """Return the arguments of these names that were given, by name."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _refuse(options, names, reason):
    """Raise if one of the arguments was given, which would have no effect."""
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) not in (None, False)]
    if given:
        raise ValueError(f"Leave out {', '.join(given)}: {reason}.")


def _index(options):
    from dmn_keras.asking import Answerer
    from dmn_keras.story_index import write_index

    run = options.folder or BABI_LONG
    narrowing = Answerer(run).narrowing
    if narrowing is None:
        raise ValueError(
            f"{run} reads every story whole: an index needs a run with a first pass (narrow_to), which "
            f"`{COMMAND} narrow {run} --books FOLDER --output DIR` makes of it."
        )
    named = _given(options, "wrapped", "dtype", "overwrite")
    contents = write_index(narrowing, options.story, options.output, run=run, **named, report=_print)
    _print(f"{contents.facts:,} facts of {contents.words:,} words are in {options.output}.")
    return 0


def _demo(options):
    from dmn_keras.asking import Answerer
    from dmn_keras.demo import NUM_ANSWERS, serve

    if options.server is None:
        _refuse(options, _OF_SERVER, "they are for --server")
        ask = functools.partial(Answerer(options.folder).ask, beam_width=NUM_ANSWERS)
    else:
        ask = _client(options).ask
    serve(ask, options.host, options.port)
    return 0


def _export(options):
    from dmn_keras.asking import Answerer
    from dmn_keras.serving import export, export_litert

    of_saved_model, of_litert = ("top", "dtype", "no_warmup"), ("num_facts", "num_words", "no_quantize")
    if options.litert:
        _refuse(options, of_saved_model, "they are for a SavedModel, not for --litert")
    else:
        _refuse(options, of_litert, "they are for --litert")
    answerer = Answerer(options.folder)
    named = {
        "version": options.version,
        "questions": _test_questions(answerer.recipe, options.data_dir),
        **_given(options, "top", "dtype", "num_facts", "num_words"),
    }
    if options.litert:
        path, same = export_litert(answerer, options.output, quantize=not options.no_quantize, **named)
        _print(f"The LiteRT file is in {path}; it gave the model's answer to {same:.1%} of the questions.")
        return 0
    path = export(answerer, options.output, warmup=not options.no_warmup, **named)
    _print(f"The SavedModel is in {path}; a process of its own gave the model's answers with it.")
    return 0


def _test_questions(recipe, data_dir, *, most=100):
    """Return some test questions of a run's own data, from all its tasks; `None` where it is not named."""
    from dmn_keras.training.data import Source

    if data_dir is None and recipe.dataset != "stories":
        return None
    tasks = Source(recipe.dataset, recipe.tasks, data_dir, recipe.dataset_config).load("test", seed=recipe.config.seed)
    each = -(-most // len(tasks))
    return [example for examples in tasks.values() for example in _asked(examples)[:each]] or None


def _asked(examples):
    """Return the questions that can be asked: those with a word in the question and one in the story."""
    from dmn_keras.text import tokenize

    return [e for e in examples if tokenize(e.question) and any(tokenize(fact) for fact in e.story)]


def _sentences(options):
    """Return the sentences of the story that the arguments name, one after the other."""
    from dmn_keras.text import read_sentences

    source = sys.stdin.buffer if options.story == "-" else options.story
    return (sentence.text for sentence in read_sentences(source, wrapped=options.wrapped))
