"""Train visual question answering on a dataset, and measure it, its parameters and its cost.

Each epoch is judged on the validation questions; the best one answers the test questions, once.
"""

import collections
import os
import pathlib
import statistics
import time

from benchmarks import base
from benchmarks.served_answers import served_milliseconds

SETTINGS = {
    "easy_vqa": {"epochs": 30},
    "sort_of_clevr": {
        "image_size": 75,
        "input_fusion": False,
        "question_encoder": "position",
        "region_activation": "linear",
        "layer_norm": False,
        "num_passes": 3,
        "dropout": 0.0,
        "batch_size": 8,
        "learning_rate": 0.001,
        "epochs": 25,
    },
}
"""Settings that differ from the defaults of `VisualQuestionAnswerer`, by dataset."""


def main(arguments=None):
    """Train with one seed, write the preset, and put its row into a file of results."""
    parser = base.parser("visual_questions", __doc__, backend=True)
    parser.add_argument("dataset", choices=SETTINGS)
    parser.add_argument("folder", type=pathlib.Path, help="where the trained preset goes")
    parser.add_argument("--data-dir", metavar="DIR", help="folder or archive of the data")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a further setting")
    options = parser.parse_args(arguments)
    os.environ["KERAS_BACKEND"] = options.backend
    from dmn_keras import datasets
    from dmn_keras.utils.settings import parse_settings

    settings = {**SETTINGS[options.dataset], **parse_settings(options.set), "seed": options.seed}
    where = {"task": "all", "data_dir": options.data_dir, "seed": options.seed}
    parts = {split: datasets.load(options.dataset, split=split, **where) for split in datasets.SPLITS}
    source = datasets.Source(options.dataset, ("all",), None, None)
    vqa, row = train(parts, settings, options.folder, source)
    row |= {f"validation_{name}": value for name, value in scores(vqa, parts["valid"]).items()}
    row |= {**scores(vqa, parts["test"]), **base.record("visual_questions", arguments)}
    if options.backend == "tensorflow":
        row["milliseconds_served"] = served_milliseconds(vqa, parts["test"][:200])
    if options.json:
        before = base.read(options.json)["runs"] if os.path.exists(options.json) else []
        rows = [*(other for other in before if other["seed"] != options.seed), row]
        base.write(options.json, summary(options.dataset, rows, question_only(parts["train"], parts["test"])))


def train(parts, settings, folder, source):
    """Train, and write the best epoch.

    Args:
        parts: Dict of split to examples.
        settings: Settings of `VisualQuestionAnswerer` by name.
        folder: Path of the preset.
        source: The `Source` that the preset names.

    Returns:
        The trained task, and a dict of what it cost.
    """
    import keras

    from dmn_keras import VisualQuestionAnswerer
    from dmn_keras.training.callbacks import learning_rate

    vqa = VisualQuestionAnswerer(**settings)
    trainer = vqa.config.trainer
    keras.utils.set_random_seed(trainer.seed)
    weights = folder / "best.weights.h5"
    folder.mkdir(parents=True, exist_ok=True)
    callbacks = [
        keras.callbacks.LearningRateScheduler(lambda epoch: learning_rate(trainer, [{}] * epoch)),
        keras.callbacks.ModelCheckpoint(
            weights, "val_accuracy", mode="max", save_best_only=True, save_weights_only=True
        ),
        keras.callbacks.CSVLogger(folder / "epochs.csv"),
    ]
    begin, cpu = time.time(), time.process_time()
    history = vqa.fit(
        parts["train"], validation_data=parts["valid"], epochs=trainer.epochs, callbacks=callbacks, verbose=2
    ).history["val_accuracy"]
    cost = {"minutes": (time.time() - begin) / 60, "cpu_minutes": (time.process_time() - cpu) / 60}
    vqa.load_weights(weights)
    vqa.save_to_preset(folder, source=source.to_dict())
    weights.unlink()
    return vqa, {
        "seed": trainer.seed,
        "parameters": vqa.network.count_params(),
        "epochs": len(history),
        "best_epoch": 1 + max(range(len(history)), key=history.__getitem__),
        **{name: round(value, 2) for name, value in cost.items()},
    }


def scores(vqa, examples):
    """Return the metrics of examples in percent, and how many there are."""
    metrics = vqa.score(examples, vqa.predict(examples, batch_size=250))
    return {**{name: round(value, 3) for name, value in metrics.items()}, "questions": len(examples)}


def summary(dataset, rows, baseline):
    """Return the content of a file of results.

    Args:
        dataset: Name of the dataset.
        rows: A dict for each seed.
        baseline: What `question_only` returned.
    """
    return {
        "about": f"{dataset}, whole test set, accuracy in percent; the epoch was chosen on the validation questions",
        "question_only": baseline,
        "median": {name: round(statistics.median(row[name] for row in rows), 3) for name in baseline},
        "runs": sorted(rows, key=lambda row: row["seed"]),
    }


def question_only(train, test):
    """Return the metrics of the commonest training answer to each question, in percent.

    Args:
        train: Training examples.
        test: Examples whose questions all occur among them.

    Returns:
        Dict of `"accuracy"` and, where the examples name several kinds of question, that of each.
    """
    answers = collections.defaultdict(collections.Counter)
    for example in train:
        answers[example.question][example.answer] += 1
    right = collections.defaultdict(list)
    for example in test:
        [(commonest, _)] = answers[example.question].most_common(1)
        for kind in {"accuracy", example.task or "accuracy"}:
            right[kind].append(commonest == example.answer)
    return {kind: round(100 * sum(values) / len(values), 2) for kind, values in right.items()}


if __name__ == "__main__":
    main()
