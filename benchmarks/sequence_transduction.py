"""Networks with a memory on generated sequences: how well they do on lengths and graphs that they never saw."""

import dataclasses
import math
import pathlib
import statistics
import time

from benchmarks import base


@dataclasses.dataclass(frozen=True)
class Experiment:
    """What is trained and measured.

    Attributes:
        about: What it shows.
        dataset: Name of the data set.
        lessons: Configs of the lessons of training; a tenth of an epoch's examples are of earlier ones.
        models: Settings by the name of a model.
        tests: Config of the test examples by length, or by another name.
        trained_to: Longest length of training.
        epochs: Most epochs. The learning rate falls along half a cosine.
        num_tests: Examples of each test.
        epochs_per_lesson: Epochs after which a lesson is passed; `None` to pass it by accuracy.
        num_examples: Examples of an epoch, drawn anew.
        enough: Validation cost, in bits a sequence, at which training ends.
        minutes: Longest CPU time of a training.
        variants: Settings to change for the tests, by name.
        restarts: Whether the seeds are restarts, of which the one counts that is best on the trained lengths.
        counts: What the table counts: `"sequences"` without a mistake, or right `"symbols"`.
    """

    about: str
    dataset: str
    lessons: tuple[str, ...]
    models: dict[str, dict]
    tests: dict[int | str, str]
    trained_to: int
    epochs: int
    num_tests: int = 100
    epochs_per_lesson: int | None = None
    num_examples: int = 1600
    enough: float = 0.001
    minutes: float = 12
    variants: dict[str, dict] = dataclasses.field(default_factory=lambda: {"": {}})
    restarts: bool = False
    counts: str = "sequences"


_ONE_BY_ONE = {"batch_size": 1, "num_buckets": 5, "optimizer": "rmsprop", "learning_rate": 0.0001, "clip_norm": 10.0}
_NTM = {**_ONE_BY_ONE, "cell": "ntm"}
_SUM = {**_NTM, "loss_over_steps": "sum"}
_RANDOM = {"memory_init": "random", "learning_rate": 0.0003}
_REUSE = {**_ONE_BY_ONE, "learning_rate": 0.0003, "cell": "dnc", "units": 64, "memory_slots": 10, "memory_width": 12}
_REUSE |= {"deallocate": True}
_BATCHES = {"batch_size": 16, "learning_rate": 0.001, "clip_norm": 5.0}
_STACK = {"units": 40, "depth": 60, "optimizer": "sgd", "learning_rate": 1.0, "batch_size": 20, "num_buckets": 1}
_ADAM = {"optimizer": "adam", "learning_rate": 0.003}
_GRAPH = {"batch_size": 16, "learning_rate": 0.001, "clip_norm": 2.0, "num_buckets": 1}
_DNC = {"cell": "dnc", "units": 128, "memory_slots": 64, "memory_width": 64, "masked_lookup": True, "deallocate": True}
_ROUNDING = {"soft": {"rounding": False, "depth": 250}, "rounding": {"rounding": True, "depth": 250}}


def _counting(language, num_tests=1):
    """Return the experiment of a counting language: n grows to 19, and n = 2 to 60 are tested."""
    lessons = ((4, 4), (8, 2), (10, 2), (19, 1))
    return Experiment(
        about=f"{language}: percent of n = 2 to 60 whose sequences are predicted, each three times in a row",
        dataset="formal_languages",
        lessons=tuple(f"{language},length=2-{most},sequences={count}" for most, count in lessons),
        models={
            "Stack RNN 40+10": {**_STACK, "cell": "stack_rnn", "num_stacks": 10},
            "List RNN 40+5": {**_STACK, "cell": "list_rnn", "num_stacks": 5},
            "RNN 40": {**_STACK, **_ADAM, "cell": "simple_rnn"},
            "LSTM 40": {**_STACK, **_ADAM, "cell": "lstm"},
        },
        tests={n: f"{language},length={n},sequences=3" for n in range(2, 61)},
        num_tests=num_tests,
        trained_to=19,
        epochs=30,
        epochs_per_lesson=5,
        num_examples=2000,
        enough=0.0,
        variants=_ROUNDING,
        restarts=True,
    )


def _chomsky(task, title):
    """Return the experiment of a task of the Chomsky hierarchy: trained to length 40, tested at 41 to 100."""
    stack = {"num_stacks": 1, "cell_size": 8, "depth": 80, "top_k": 1, "no_op": True, "recurrent": True}
    stack |= {"activation": "relu", "value_activation": "linear", "empty_value": 0.0, "rounding": False}
    trained = {"batch_size": 32, "learning_rate": 0.001, "clip_norm": 1.0, "num_buckets": 2}
    stack |= {**trained, "cell": "stack_rnn", "units": 128}
    return Experiment(
        about=f"{title}, trained on lengths 1 to 40; percent of the symbols that are right",
        dataset="formal_languages",
        lessons=tuple(f"{task},length=1-{most}" for most in (5, 10, 20, 40)),
        models={
            "Stack RNN 128": stack,
            "Stack RNN 128, stack alone": {**stack, "recurrent": False, "value_activation": "tanh"},
            "LSTM 128": {**trained, "cell": "lstm", "units": 128},
        },
        tests={length: f"{task},length={length}" for length in (40, 41, 50, 60, 70, 80, 90, 100, 500)},
        trained_to=40,
        epochs=40,
        epochs_per_lesson=4,
        counts="symbols",
        variants={"soft": {"depth": 1000}, "rounding": {"depth": 1000, "rounding": True}},
    )


EXPERIMENTS = {
    "copy": Experiment(
        about="copy, trained on 1 to 20 vectors of 8 bits; percent of the sequences copied without a wrong bit",
        dataset="algorithmic",
        lessons=("copy",),
        models={
            "NTM, feed-forward": {**_NTM, "controller": "feedforward"},
            "NTM, LSTM": {**_NTM, **_RANDOM, "controller": "lstm"},
            "LSTM 256": {**_BATCHES, "cell": "lstm", "units": 256},
        },
        tests={length: f"copy,length={length}" for length in (10, 20, 30, 40, 60, 80, 100, 120)},
        trained_to=20,
        epochs=30,
        minutes=30,
    ),
    **{name: _counting(name) for name in ("anbn", "anbncn", "anbncndn", "anb2n")},
    "anbmcnm": _counting("anbmcnm", num_tests=8),
    "reverse_string": _chomsky("reverse_string", "string reversal"),
    "stack_manipulation": _chomsky("stack_manipulation", "stack manipulation"),
    "traversal": Experiment(
        about="one step from a node of a random graph; percent of the answers on unseen graphs without a wrong bit",
        dataset="graphs",
        lessons=tuple(
            f"traversal,{lesson},length=1"
            for lesson in (
                "nodes=2,degree=1",
                "nodes=2-4,degree=1",
                "nodes=4-8,degree=1-2",
                "nodes=10,degree=1-3",
                "nodes=10-20,degree=1-3",
            )
        ),
        models={
            "DNC, feed-forward, without links": {**_GRAPH, **_DNC, "controller": "feedforward", "link": False},
            "DNC, LSTM": {**_GRAPH, **_DNC, "sharpen_links": True},
            "LSTM 256": {**_GRAPH, "cell": "lstm", "units": 256},
        },
        tests={
            "5 nodes": "traversal,nodes=5,degree=1-3,length=1",
            "10 nodes": "traversal,nodes=10,degree=1-3,length=1",
            "20 nodes": "traversal,nodes=20,degree=1-3,length=1",
            "40 nodes": "traversal,nodes=40,degree=1-3,length=1",
            "London, 10 stations": "traversal,graph=london,nodes=10,length=1",
        },
        trained_to=20,
        epochs=60,
        num_examples=3200,
        num_tests=500,
        enough=0.1,
    ),
    "reuse": Experiment(
        about="several copies in a row with 10 slots, trained on 1 to 3; percent of the rows without a wrong bit",
        dataset="algorithmic",
        lessons=tuple(f"copy,length=1-5,width=6,sequences={count}" for count in ("1", "1-2", "1-3")),
        models={
            "DNC, feed-forward 64": {**_REUSE, "controller": "feedforward"},
            "DNC, LSTM 64": {**_REUSE, "controller": "lstm"},
        },
        tests={count: f"copy,length=5,width=6,sequences={count}" for count in (1, 3, 5, 10)},
        trained_to=3,
        epochs=40,
        epochs_per_lesson=10,
    ),
    "associative_recall": Experiment(
        about="associative recall, trained on 2 to 6 items of 3 x 6 bits; percent of the answers without a wrong bit",
        dataset="algorithmic",
        lessons=("associative_recall",),
        models={
            "NTM, feed-forward 256, 4 heads": {
                **_SUM,
                "controller": "feedforward",
                "units": 256,
                "read_heads": 4,
                "write_heads": 4,
            },
            "LSTM 256": {**_BATCHES, "cell": "lstm", "units": 256, "num_buckets": 1},
        },
        tests={items: f"associative_recall,items={items}" for items in (2, 6, 10, 15, 20)},
        trained_to=6,
        epochs=60,
        enough=0.0,
        minutes=40,
    ),
    "repeat_copy": Experiment(
        about="1 to 10 vectors of 8 bits repeated 1 to 10 times; percent of the answers without a wrong bit",
        dataset="algorithmic",
        lessons=tuple(f"repeat_copy,length=1-{most},repeats=1-{most}" for most in (3, 5, 10)),
        models={
            "NTM, feed-forward": {**_SUM, "controller": "feedforward"},
            "NTM, LSTM": {**_SUM, **_RANDOM, "controller": "lstm"},
        },
        tests={
            f"{length} x {repeats}": f"repeat_copy,length={length},repeats={repeats}"
            for length, repeats in ((5, 5), (10, 5), (5, 10), (10, 10), (20, 10), (10, 20))
        },
        trained_to=10,
        epochs=40,
        epochs_per_lesson=8,
        minutes=30,
    ),
    "priority_sort": Experiment(
        about="4 vectors of 4 bits by their priority; percent of the answers without a wrong bit",
        dataset="algorithmic",
        lessons=tuple(f"priority_sort,length={length},results={length},width=4" for length in (2, 3, 4)),
        models={"NTM, LSTM": {**_SUM, **_RANDOM, "controller": "lstm", "read_heads": 3, "write_heads": 3}},
        tests={length: f"priority_sort,length={length},results={length},width=4" for length in (2, 3, 4, 5)},
        trained_to=4,
        epochs=140,
        epochs_per_lesson=10,
        minutes=30,
    ),
}
"""The experiments by name."""


def main(arguments=None):
    """Train what is missing, print the table, and write a JSON file if asked to."""
    parser = base.parser("sequence_transduction", __doc__)
    parser.add_argument("experiment", choices=EXPERIMENTS)
    parser.add_argument("--models", nargs="+", help="names of models (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", required=True, metavar="DIR", help="folder of the trained models")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="folder of the London Underground; without it, it is left out"
    )
    options = parser.parse_args(arguments)
    experiment, folder = EXPERIMENTS[options.experiment], pathlib.Path(options.runs) / options.experiment
    rows = {}
    for model in options.models or experiment.models:
        rows[model] = []
        for seed in options.seeds:
            rows[model].append(run(experiment, model, seed, folder_of(folder, model, seed), options.data_dir))
    result = {"about": experiment.about, **base.record("sequence_transduction", arguments), "models": rows}
    print(table(experiment, rows))
    base.write(options.json, result)


def folder_of(folder, model, seed):
    """Return the folder of a trained model below that of its experiment."""
    return folder / model.replace(", ", "-").replace(" ", "-") / str(seed)


def run(experiment, model, seed, folder, data_dir=None):
    """Train one model and measure it; what was measured before is read.

    Returns:
        Dict of `"seed"`, `"parameters"`, `"epochs"`, `"seconds"` of CPU of the training, its `"versions"` and
        `"variants"`. Of each variant `"validation"`, the scores of validation examples of the last lesson, and
        `"tests"`, those by length.
    """
    from dmn_keras.datasets import Source
    from dmn_keras.inference.evaluation import versions
    from dmn_keras.utils.files import read_json, write_json

    if (folder / "result.json").exists():
        return read_json(folder / "result.json")
    start = time.process_time()
    transducer, history = train(experiment, experiment.models[model], seed)
    seconds, variants = round(time.process_time() - start, 1), experiment.variants.items()
    row = {
        "seed": seed,
        "parameters": transducer.network.count_params(),
        "epochs": len(history["loss"]),
        "seconds": seconds,
        "versions": versions(),
        "variants": {name: measure(experiment, transducer, changes, data_dir) for name, changes in variants},
    }
    *_, last = experiment.variants.values()
    source = Source(experiment.dataset, ("all",), None, experiment.lessons[-1])
    with_settings(transducer, last).save_to_preset(folder, source=source.to_dict())
    write_json(folder / "history.json", history)
    write_json(folder / "result.json", row)
    return read_json(folder / "result.json")


def train(experiment, settings, seed):
    """Return the trained task with the best weights by validation cost, and the history.

    Args:
        experiment: The `Experiment`.
        settings: Settings of the model and its training.
        seed: Seed of weights and examples.
    """
    import keras

    from dmn_keras.tasks.sequence_transduction import SequenceTransducer

    keras.utils.set_random_seed(seed)
    transducer = SequenceTransducer(seed=seed, **settings)
    valid = load(experiment, "valid", experiment.lessons[-1], 200)
    transducer.adapt(valid)
    lessons = _lessons(experiment, seed)
    rate = transducer.config.trainer.learning_rate
    history = transducer.fit(
        lessons,
        validation_data=valid,
        epochs=experiment.epochs,
        callbacks=[
            lessons,
            keras.callbacks.LearningRateScheduler(
                lambda epoch: rate * max(0.5 + 0.5 * math.cos(math.pi * epoch / experiment.epochs), 0.01)
            ),
            keras.callbacks.EarlyStopping(
                "val_bits_per_sequence", mode="min", patience=experiment.epochs, restore_best_weights=True
            ),
            keras.callbacks.LambdaCallback(on_epoch_end=_stop_at(transducer, experiment)),
        ],
        verbose=2,
    ).history
    return transducer, history


def _stop_at(transducer, experiment):
    """Return a function that ends training after an epoch with a cost that is low enough, or when its time is up."""
    end = time.process_time() + 60 * experiment.minutes

    def stop(epoch, logs):
        transducer.stop_training |= logs["val_bits_per_sequence"] <= experiment.enough or time.process_time() > end

    return stop


def _lessons(experiment, seed):
    from dmn_keras.datasets import algorithmic, formal_languages, graphs
    from dmn_keras.datasets.curriculum import Curriculum
    from dmn_keras.datasets.sequences import parse_config
    from dmn_keras.tasks.sequence_transduction import Lessons

    tasks = {**algorithmic.TASKS, **formal_languages.TASKS, **graphs.TASKS}
    names, settings = zip(*(parse_config(lesson, tasks) for lesson in experiment.lessons), strict=True)
    options = {"num_examples": experiment.num_examples, "epochs_per_lesson": experiment.epochs_per_lesson}
    return Lessons(tasks[names[0]].build, Curriculum(settings), seed=seed, **options)


def load(experiment, split, config, count, data_dir=None):
    """Return examples of a config."""
    from dmn_keras import datasets

    options = {"config": config, "num_examples": count, "data_dir": data_dir}
    return datasets.load(experiment.dataset, task="all", split=split, **options)


def with_settings(transducer, changes):
    """Return the task with some settings changed that no weight depends on."""
    changed = type(transducer)(transducer.config.replace(changes), preprocessor=transducer.preprocessor)
    changed.network.set_weights(transducer.network.get_weights())
    return changed


def measure(experiment, transducer, changes, data_dir=None):
    """Return the scores of validation and test examples with some settings changed."""
    from dmn_keras.tasks.sequence_transduction import score_by_length

    tested = with_settings(transducer, changes)
    valid = load(experiment, "valid", experiment.lessons[-1], 200)
    configs = {length: c for length, c in experiment.tests.items() if data_dir or "graph=london" not in c}
    tests = {length: load(experiment, "test", c, experiment.num_tests, data_dir) for length, c in configs.items()}
    scores = {"validation": tested.score(valid, tested.predict(valid)), "tests": score_by_length(tested, tests)}
    if experiment.restarts:
        wrong = [length for length, score in scores.pop("tests").items() if score["exact"] < 100]
        scores |= {"percent_of_lengths": round(100 * (1 - len(wrong) / len(tests)), 1), "wrong_lengths": wrong}
    return scores


def table(experiment, rows):
    """Return the percentage of right sequences by length; of seeds the median and the worst, of restarts the chosen."""
    if experiment.restarts:
        measured = ["restarts", "% of n"]
    else:
        scores, *_ = next(iter(rows.values()))[0]["variants"].values()
        measured = ["seeds", *scores["tests"]]
    header = ["model", measured[0], "parameters", "CPU s", *measured[1:]]
    lines = []
    for variant in experiment.variants:
        for model, of_model in rows.items():
            variants = variants_of(experiment, model)
            if variant not in variants:
                continue
            name = f"{model}, {variant}" if len(variants) > 1 else model
            seconds = f"{statistics.median(row['seconds'] for row in of_model):.0f}"
            results = (
                [best_restart(experiment, of_model, variant)]
                if experiment.restarts
                else _medians(experiment, of_model, variant)
            )
            lines.append([name, len(of_model), f"{of_model[0]['parameters']:,}", seconds, *results])
    return base.markdown(header, lines)


def variants_of(experiment, model):
    """Return the names of the variants of a model: rounding is of the actions on stacks and lists alone."""
    first, *others = experiment.variants
    return [first, *others] if experiment.models[model]["cell"] in ("stack_rnn", "list_rnn") else [first]


def best_restart(experiment, of_model, variant):
    """Return the percentage of lengths, as text, of the restart that is chosen.

    It is the one with mistakes at the fewest of the trained lengths, and of several such the one with the lowest
    validation cost; longer sequences play no part.
    """

    def mistakes_and_cost(scores):
        wrong = sum(length <= experiment.trained_to for length in scores["wrong_lengths"])
        return wrong, scores["validation"]["bits_per_sequence"]

    chosen = min((row["variants"][variant] for row in of_model), key=mistakes_and_cost)
    return f"{chosen['percent_of_lengths']:.1f}"


def _medians(experiment, of_model, variant):
    tests = [list(row["variants"][variant]["tests"].values()) for row in of_model]
    by_length = [[_right(experiment, of_seed) for of_seed in of_length] for of_length in zip(*tests, strict=True)]
    worst = [f" ({min(values):.4g})" if len(values) > 1 else "" for values in by_length]
    return [f"{statistics.median(values):.4g}{end}" for values, end in zip(by_length, worst, strict=True)]


def _right(experiment, scores):
    return scores["exact"] if experiment.counts == "sequences" else round(100 - scores["bit_error"], 2)


if __name__ == "__main__":
    main()
