"""Command line: train, narrow, evaluate, calibrate, reproduce, ask, index, demo, export. Parses, calls, prints."""

import argparse
import dataclasses
import functools
import itertools
import json
import os
import pathlib
import sys

from dmn_keras.errors import unknown_name

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


def main(arguments=None):
    """Run the command line.

    Args:
        arguments: List of arguments, `sys.argv[1:]` by default.

    Returns:
        Exit status: 0, 1 where training diverged, 2 for a mistake in the arguments or files, 130 after Ctrl-C.
    """
    # What TensorFlow logs on its way is no message for people; set the variable to 0 to see it. A few lines it writes
    # before it looks at the variable.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A terminal that cannot show a word of the data is no reason to fail.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        print(f"{COMMAND} {options.command}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{COMMAND} {options.command}: interrupted", file=sys.stderr)
        return 130


def _parser():
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Dynamic Memory Networks: train, narrow, evaluate, calibrate, reproduce, ask, index, demo, export.",
    )
    commands = parser.add_subparsers(dest="command", required=True)

    train = commands.add_parser("train", help="train a model; without arguments on generated stories")
    _add_source(train, dataset="stories")
    train.add_argument("--supervise-gates", action="store_true", help="let the supporting facts teach the gates")
    train.add_argument("--epochs", type=int, help="most epochs")
    train.add_argument("--seed", type=int, help="seed of weights, order, dropout and validation cut")
    train.add_argument(
        "--preset", metavar="NAME", help="settings of a paper's model or of ours, in place of the defaults (see README)"
    )
    train.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any other setting")
    train.add_argument("--output", help="run folder (default: a new one in runs/)")
    train.add_argument("--one-by-one", action="store_true", help="one model a task, in subfolders of the run folder")
    existing = train.add_mutually_exclusive_group()
    existing.add_argument("--resume", action="store_true", help="go on with the run in --output")
    existing.add_argument("--overwrite", action="store_true", help="replace the run in --output")
    _add_devices(train)
    train.add_argument("--verbose", type=int, default=1, choices=(0, 1, 2), help="Keras' verbosity")
    train.set_defaults(run=_train)

    evaluate = commands.add_parser("evaluate", help="measure a trained model on the test questions")
    evaluate.add_argument("folder", metavar="RUN", help="folder that train wrote")
    _add_source(evaluate, dataset=None)
    evaluate.add_argument("--batch-size", type=int, default=100, help="questions answered at a time")
    evaluate.add_argument("--beam-width", type=int, default=1, help="search width for answers of several words")
    evaluate.add_argument("--json", metavar="FILE", help="write the result to a file, - for the standard output")
    evaluate.set_defaults(run=_evaluate)

    calibrate = commands.add_parser("calibrate", help="measure how far a model's probabilities can be trusted")
    calibrate.add_argument("folder", metavar="RUN", help="folder that train wrote")
    _add_source(calibrate, dataset=None)
    calibrate.add_argument("--threshold", type=float, default=0.5, help="confidence below which it does not know")
    calibrate.add_argument("--plot", metavar="FILE", help="draw the reliability on the test questions")
    calibrate.set_defaults(run=_calibrate)

    narrow = commands.add_parser("narrow", help="teach a trained model to find its facts in long texts")
    narrow.add_argument("folder", metavar="RUN", nargs="?", help="folder that train wrote (default: the shipped model)")
    narrow.add_argument("--books", required=True, metavar="FOLDER", help="folder of .txt files that hold no facts")
    narrow.add_argument("--output", required=True, metavar="DIR", help="run folder to write")
    _add_source(narrow, dataset=None)
    narrow.add_argument("--narrow-to", type=int, metavar="N", help="most facts kept (default: max_facts, or 130)")
    narrow.add_argument("--epochs", type=int, default=10, help="times that the books are read (default: 10)")
    narrow.add_argument("--seed", type=int, default=0, help="seed of weights, order, and what is drawn")
    narrow.add_argument("--verbose", type=int, default=1, choices=(0, 1, 2), help="Keras' verbosity")
    narrow.set_defaults(run=_narrow)

    reproduce = commands.add_parser("reproduce", help="train a table of the README again; resumes what was begun")
    reproduce.add_argument("table", metavar="TABLE", help="name of the table, e.g. babi-10k")
    reproduce.add_argument("--data-dir", metavar="DIR", help="archive or folder of the data")
    reproduce.add_argument("--tasks", help="only these tasks of the table: names, numbers and ranges")
    reproduce.add_argument("--word-vectors", metavar="FILE", help="GloVe vectors, for the tables that start from them")
    reproduce.add_argument("--output", help="the table's folder (default: runs/TABLE)")
    _add_devices(reproduce)
    reproduce.add_argument("--verbose", type=int, default=1, choices=(0, 1, 2), help="Keras' verbosity")
    reproduce.set_defaults(run=_reproduce)

    ask = commands.add_parser("ask", help="ask a trained model a question about a story")
    _add_run_or_server(ask)
    asked_about = ask.add_mutually_exclusive_group(required=True)
    asked_about.add_argument("--story", metavar="FILE", help="text file, - for the standard input")
    asked_about.add_argument("--index", metavar="DIR", help="folder that index wrote, asked with the run it names")
    _add_wrapped(ask)
    ask.add_argument("--question", required=True, metavar="TEXT")
    ask.add_argument("--json", action="store_true", help="print answer, confidence, evidence, facts and gates as JSON")
    ask.add_argument("--plot", metavar="FILE", help="draw the attention as a heat map")
    ask.add_argument("--beam-width", type=int, default=1, help="search width for answers of several words")
    ask.add_argument("--min-confidence", type=float, metavar="P", help='below it the answer is "I do not know"')
    ask.set_defaults(run=_ask)

    index = commands.add_parser("index", help="read a long story once, to ask many questions about it")
    index.add_argument("folder", metavar="RUN", nargs="?", help="folder of a run with narrow_to (default: babi-long)")
    index.add_argument("--story", required=True, metavar="FILE", help="text file; one that has grown is gone on with")
    index.add_argument("--output", required=True, metavar="DIR", help="the index' folder")
    _add_wrapped(index)
    dtypes = ("float32", "float16")
    index.add_argument(
        "--dtype", default=dtypes[0], choices=dtypes, help="what vectors are kept as (default: %(default)s)"
    )
    overwriting = "replace the index in --output: the old one is gone once the first sentences of --story were read"
    index.add_argument("--overwrite", action="store_true", help=overwriting)
    index.set_defaults(run=_index)

    demo = commands.add_parser("demo", help="ask a trained model on a web page, served to this machine alone")
    _add_run_or_server(demo)
    demo.add_argument("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0 lets other machines ask")
    demo.add_argument("--port", type=int, default=7860, help="port to listen at, 0 for any that is free")
    demo.set_defaults(run=_demo)

    export = commands.add_parser("export", help="write a model as a SavedModel that TF Serving runs")
    export.add_argument("folder", metavar="RUN", nargs="?", help="folder that train wrote (default: the shipped model)")
    export.add_argument("--output", required=True, metavar="DIR", help="the model's folder, e.g. saved_models/NAME")
    export.add_argument("--version", type=int, metavar="N", help="number of the version (default: the next free one)")
    export.add_argument("--top", type=int, metavar="K", help="how many of the likeliest answers it gives (default: 3)")
    export.add_argument("--data-dir", metavar="DIR", help="compare answers on test questions from there")
    export.add_argument("--dtype", help="what weights are kept as: float32 (default), float16 or bfloat16")
    export.add_argument("--no-warmup", action="store_true", help="write no warm-up requests")
    export.add_argument("--litert", action="store_true", help="write a small LiteRT file, which takes ids, instead")
    export.add_argument(
        "--num-facts", type=int, metavar="N", help="with --litert: facts a story is padded to (default: 32)"
    )
    export.add_argument(
        "--num-words", type=int, metavar="N", help="with --litert: words a sentence is padded to (default: 16)"
    )
    export.add_argument("--no-quantize", action="store_true", help="with --litert: keep the weights as they are")
    export.set_defaults(run=_export)
    return parser


def _add_wrapped(parser):
    parser.add_argument(
        "--wrapped", action="store_true", help="lines of a paragraph are broken to fit a page, as in books"
    )


def _add_run_or_server(parser):
    parser.add_argument(
        "folder", metavar="RUN", nargs="?", help="folder that train wrote (default: the model of all 20 bAbI tasks)"
    )
    parser.add_argument("--server", metavar="URL", help="ask a server in place of a run: http, https, grpc or grpcs")
    parser.add_argument("--model", help="name of the model on the server (default: babi-joint)")
    parser.add_argument("--label", help="label of the model's version on the server, e.g. canary")
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds to wait for the server (default: 10)")
    for name, what in (("authority", "certificates to trust"), ("certificate", "own certificate"), ("key", "its key")):
        parser.add_argument(f"--{name}", metavar="FILE", help=f"{what} for https and grpcs, PEM")


def _add_devices(parser):
    parser.add_argument(
        "--strategy", default="auto", help="auto, one, mirrored, multi_worker or tpu: which devices and hosts train"
    )
    parser.add_argument("--devices", metavar="LIST", help="only these devices, by number or name: 0,1 or gpu:0,gpu:1")


def _add_source(parser, dataset):
    known = "babi, babi_long, stories (generated, the default), jsonl or records"
    parser.add_argument("--dataset", default=dataset, help=known)
    parser.add_argument("--data-dir", metavar="DIR", help="archive, folder or file of the data")
    parser.add_argument("--config", help="configuration of the dataset, e.g. en-10k or en-10k,tokens=1000,books=FOLDER")
    parser.add_argument("--tasks", help="names, numbers and ranges: 1, 1-20, counting,lists")


def _train(options):
    from dmn_keras.training.fit import TrainingDivergedError, train
    from dmn_keras.training.memory import keep_freed_memory
    from dmn_keras.training.run_folder import RunFolder
    from dmn_keras.training.strategy import choose

    keep_freed_memory()
    if (options.resume or options.overwrite) and not options.output:
        raise ValueError("--resume and --overwrite need --output, the run folder they are about.")
    main_job = options.dataset == "stories" and options.tasks is None
    if main_job:
        options.tasks = MAIN_TASKS
    config, source = _config(options, MAIN_SETTINGS if main_job else {}), _source(options)
    _check_shared(options)
    output = pathlib.Path(options.output or _new_folder(options.dataset))
    parts = _parts(source, output, options.one_by_one)
    for _, folder in parts:
        _refuse_file(folder)
    if not (options.resume or options.overwrite):
        for _, folder in parts:
            RunFolder(folder).refuse_existing()
    if options.one_by_one and RunFolder(output).exists():
        raise FileExistsError(f"{output} holds one run for all its tasks: choose another --output for --one-by-one.")
    choose(options.strategy, options.devices)  # raises for devices that are not there, before anything is said
    print(f"Training on {source.dataset}, task {', '.join(source.tasks)}, into {output}")
    status = 0
    for part, folder in parts:
        try:
            metrics = train(
                part,
                config,
                folder,
                resume=options.resume,
                overwrite=options.overwrite,
                strategy=options.strategy,
                devices=options.devices,
                verbose=options.verbose,
            )
        except TrainingDivergedError as error:
            print(f"{COMMAND} train: error: {error}", file=sys.stderr)
            status = 1
            continue
        if not _is_helper(options):
            _say_result(metrics, folder)
            _show_example(part, folder, config.seed)
        if metrics["status"] == "interrupted":
            return 130
    return status


def _check_shared(options):
    """Raise if several workers are to train together and would each choose a folder of its own."""
    from dmn_keras.training.strategy import cluster_of

    if not options.output and cluster_of(options.strategy) is not None:
        raise ValueError("Several workers (TF_CONFIG) need --output: a run folder on a disk that all of them share.")


def _is_helper(options):
    """Return whether this is one of several workers and not the first, which speaks for all."""
    from dmn_keras.training.strategy import cluster_of

    cluster = cluster_of(options.strategy)
    return cluster is not None and cluster.index > 0


def _config(options, defaults):
    """Return the `Config` that the arguments name: `--set` before the preset, `defaults` where there is none."""
    from dmn_keras.training.config import Config, parse_settings
    from dmn_keras.training.presets import preset

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
    return Config.from_dict(settings)


def _source(options, recipe=None):
    """Return the `Source` that the arguments name; what they leave open is taken from `recipe`."""
    from dmn_keras import datasets
    from dmn_keras.training.data import Source

    dataset, config = options.dataset, options.config
    if recipe is not None:
        dataset = dataset or recipe.dataset
        config = config or (recipe.dataset_config if dataset == recipe.dataset else None)
    names = datasets.task_names(dataset, options.data_dir)
    if options.tasks is not None:
        tasks = datasets.parse_tasks(options.tasks, names)
    else:
        tasks = names if recipe is None else recipe.tasks
    return Source(dataset, tasks, options.data_dir, config)


def _new_folder(dataset):
    """Return the first of `runs/DATASET-1`, `runs/DATASET-2`, ... that is not there yet."""
    folders = (pathlib.Path("runs", f"{dataset}-{number}") for number in itertools.count(1))
    return next(folder for folder in folders if not folder.exists())


def _parts(source, output, one_by_one):
    """Return the pairs of `Source` and folder to train: one, or one a task."""
    if not one_by_one:
        return [(source, output)]
    return [(dataclasses.replace(source, tasks=(task,)), output / task) for task in source.tasks]


def _refuse_file(folder):
    """Raise if a folder, or one that it is to lie in, is a file."""
    for path in (folder, *folder.parents):
        if path.is_file():
            raise NotADirectoryError(f"--output {path} is a file; expected a folder.")


def _say_result(metrics, folder):
    from dmn_keras.training.evaluation import table

    tested = all("questions" in row for row in metrics["tasks"].values())
    print(
        f"\n{metrics['epochs']} epochs in {metrics['seconds']:.0f} s, stopped by {metrics['status']}; "
        f"best epoch {metrics['best_epoch']}. {'Test' if tested else 'Validation (not every task has test)'} questions:"
    )
    print(table(metrics))
    print(f"Model and metrics are in {folder}.\n")


def _show_example(source, folder, seed):
    """Answer one question of the first task's test part and show the attention, if any of the first can be asked."""
    from dmn_keras.asking import Answerer, attention_table

    examples = source.load("test", seed=seed)[source.tasks[0]] or source.load("train", seed=seed)[source.tasks[0]]
    asked = _asked(examples[:20])
    if not asked:
        return
    example = min(asked, key=lambda e: abs(len(e.story) - 6))
    answer = Answerer(folder).ask(example.story, example.question)
    print(f"Question: {example.question}")
    print(f"Answer:   {answer.answer} (probability {answer.probability:.3f}; right: {' '.join(example.answer)})\n")
    print(attention_table(answer))


def _evaluate(options):
    from dmn_keras.training.evaluation import evaluate_run, summary, table
    from dmn_keras.training.run_folder import RunFolder, write_json

    runs = RunFolder(options.folder).runs()
    recipes = [run.recipe() for run in runs]
    sources = [_source(options, recipe) for recipe in recipes]
    if len(runs) > 1:  # one model a task: each answers for its own
        sources = _own_tasks(sources, [recipe.tasks for recipe in recipes])
    tasks = {}
    for run, source in zip(runs, sources, strict=True):
        tasks.update(evaluate_run(run, source, batch_size=options.batch_size, beam_width=options.beam_width))
    content = summary({task: {name: row[name] for name in ("error", "questions")} for task, row in tasks.items()})
    if options.json == "-":
        print(json.dumps(content, indent=1))
        return 0
    print(table(summary(tasks)))
    if options.json:
        write_json(pathlib.Path(options.json), content)
    return 0


def _calibrate(options):
    from dmn_keras.training.calibration import calibrate, plot_reliability
    from dmn_keras.training.run_folder import RunFolder

    run = RunFolder(options.folder)
    content = calibrate(run, _source(options, run.recipe()), threshold=options.threshold)
    print(f"{'questions of the test part':28}    count  right %  answered %  right of these %  calibration error")
    for kind, row in content["test"].items():
        cells = [f"{'-' if row[n] is None else format(row[n], '.2f'):>{w}}" for n, w in _CALIBRATION_COLUMNS]
        print(f"{kind:28}  {row['questions']:>7}{''.join(cells)}")
    print(f"The calibration is in {run.calibration}; below a confidence of {options.threshold} the model says nothing.")
    if options.plot:
        plot_reliability(content, options.plot)
    return 0


_CALIBRATION_COLUMNS = (("right", 9), ("answered", 12), ("right_of_answered", 18), ("calibration_error", 19))


def _narrow(options):
    from dmn_keras.datasets.babi_long import Books
    from dmn_keras.shipped import run_folder
    from dmn_keras.training.evaluation import table
    from dmn_keras.training.narrowing import narrow, refuse_run
    from dmn_keras.training.run_folder import RunFolder

    run, output = RunFolder(run_folder(options.folder)), pathlib.Path(options.output)
    _refuse_file(output)
    refuse_run(RunFolder(output))
    metrics = narrow(
        run,
        _source(options, run.recipe()),
        Books(options.books),
        RunFolder(output),
        narrow_to=options.narrow_to,
        epochs=options.epochs,
        seed=options.seed,
        verbose=options.verbose,
    )
    found = metrics["narrowing"]
    print(
        f"\nOf sentences held out, the first pass keeps {found['facts_kept']} % of the facts and "
        f"{found['background_kept']} % of the others. Test questions of the stories as they are:"
    )
    print(table(metrics))
    print(f"Model and metrics are in {output}.")
    if run.calibration.exists():
        print(f"How far its probabilities can be trusted is to be measured again: dmn-keras calibrate {output}")
    return 0


def _reproduce(options):
    from dmn_keras.training.evaluation import table
    from dmn_keras.training.memory import keep_freed_memory
    from dmn_keras.training.reproduce import reproduce

    keep_freed_memory()
    output = pathlib.Path(options.output or pathlib.Path("runs", options.table))
    _refuse_file(output)
    content = reproduce(
        options.table,
        output,
        data_dir=options.data_dir,
        tasks=options.tasks,
        word_vectors=options.word_vectors,
        strategy=options.strategy,
        devices=options.devices,
        verbose=options.verbose,
    )
    print(f"\n{content['about']}:")
    print(table(content))
    print(f"The table is in {output / 'results.json'}.")
    statuses = [run["status"] for row in content["tasks"].values() for run in row["runs"]]
    return int("diverged" in statuses)


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


_MOST_SHOWN = 20
"""So many unknown words are named."""


def _ask(options):
    from dmn_keras.asking import Answerer, answer_text, attention_table, evidence_text, plot_attention

    if options.server is not None:
        answer = _ask_server(options)
    else:
        _refuse(options, _OF_SERVER, "they are for --server")
        named = {"beam_width": options.beam_width, "min_confidence": options.min_confidence}
        if options.index is not None:
            answer = _ask_index(options, named)
        else:
            answer = Answerer(options.folder).ask(_sentences(options), options.question, **named)
    if answer.unknown_words:
        shown = ", ".join(answer.unknown_words[:_MOST_SHOWN])
        more = len(answer.unknown_words) - _MOST_SHOWN
        and_more = f" and {more:,} more" if more > 0 else ""
        print(f"warning: the model does not know the words {shown}{and_more}", file=sys.stderr)
    if options.json:
        print(json.dumps(answer.to_dict()))
    else:
        print(answer_text(answer))
        if answer.positions is not None:
            more = 0 if answer.num_open is None else answer.num_open - len(answer.facts)
            limit = f": the limit, {more:,} more seemed to matter" if more else ""
            print(f"{len(answer.facts):,} of {answer.num_facts:,} sentences were kept{limit}")
        print(evidence_text(answer) + "\n")
        print(attention_table(answer))
    if options.plot:
        plot_attention(answer, options.question, options.plot)
    return 0


def _ask_index(options, named):
    from dmn_keras.asking import Answerer
    from dmn_keras.shipped import run_folder
    from dmn_keras.story_index import StoryIndex

    _refuse(options, ("wrapped",), "the index knows how its story was read")
    index = StoryIndex(options.index)
    folder = options.folder
    if folder is None and index.contents.run is not None:
        folder = index.contents.run
        if not run_folder(folder).exists():
            raise FileNotFoundError(
                f"{options.index} was made with the run {folder}, which is not there. If it was moved, name it: "
                "dmn-keras ask RUN --index ..."
            )
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
        raise ValueError(f"--server and a run exclude each other. Received: {options.server}, {options.folder}")
    files = {name: getattr(options, name) for name in ("authority", "certificate", "key")}
    tls = Tls(**files) if any(files.values()) else None
    return Client(options.server, **_given(options, ("model", "label", "timeout")), tls=tls)


_OF_SERVER = ("model", "label", "timeout", "authority", "certificate", "key")


def _given(options, names):
    """Return the arguments of these names that were given, by name."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def _refuse(options, names, reason):
    """Raise if one of the arguments was given, which would have no effect."""
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(options, name) not in (None, False)]
    if given:
        raise ValueError(f"Leave out {', '.join(given)}: {reason}.")


def _index(options):
    from dmn_keras.asking import Answerer
    from dmn_keras.shipped import BABI_LONG
    from dmn_keras.story_index import write_index

    run = options.folder or BABI_LONG
    narrowing = Answerer(run).narrowing
    if narrowing is None:
        raise ValueError(
            f"{run} reads every story whole: an index needs a run with a first pass (narrow_to), which "
            f"`dmn-keras narrow {run} --books FOLDER --output DIR` makes of it."
        )
    contents = write_index(
        narrowing,
        options.story,
        options.output,
        run=run,
        wrapped=options.wrapped,
        dtype=options.dtype,
        overwrite=options.overwrite,
    )
    print(f"{contents.facts:,} facts of {contents.words:,} words are in {options.output}.")
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
        **_given(options, ("top", "dtype", "num_facts", "num_words")),
    }
    if options.litert:
        path, same = export_litert(answerer, options.output, quantize=not options.no_quantize, **named)
        print(f"The LiteRT file is in {path}; it gave the model's answer to {same:.1%} of the questions.")
        return 0
    path = export(answerer, options.output, warmup=not options.no_warmup, **named)
    print(f"The SavedModel is in {path}; a process of its own gave the model's answers with it.")
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
