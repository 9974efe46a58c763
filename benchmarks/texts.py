"""Sum up runs of text classification and token tagging, and put one of them into `saved_models/`.

The runs are those of `dmn-keras train`: each chose its epoch by the validation sentences, and answered the test
sentences once.
"""

import collections
import math
import pathlib
import statistics
import time

from benchmarks import base

FILES = ("config.json", "model.weights.h5", "metrics.json")
ABOUT = {
    "sst": "a sentence of a film review and its sentiment",
    "conllu": "the part of speech of each word of a sentence",
}

RESULTS = {"sst": "SST", "ud-english-ewt": "UD English-EWT"}
"""Files in `results/`, and what the table calls them."""


def main(arguments=None):
    """Write the file of results, or a preset with its card."""
    parser = base.parser("texts", __doc__, measures=False)
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("collect", help="write what some runs reached")
    made.add_argument("runs", nargs="+", type=pathlib.Path)
    made.add_argument("--data-dir", required=True, metavar="DIR")
    made.add_argument("--json", required=True, metavar="FILE")
    made = commands.add_parser("speed", help="measure how many words a second a model reads, on one core")
    made.add_argument("run")
    made.add_argument("--data-dir", required=True, metavar="DIR")
    made.add_argument(
        "--json", required=True, metavar="FILE", help="the file of `collect`, which gains the measurement"
    )
    made = commands.add_parser("save", help="copy a run, and write its card")
    made.add_argument("run", type=pathlib.Path)
    made.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args(arguments)
    if options.command == "save":
        save_pretrained(options.run, options.folder)
    elif options.command == "speed":
        measured = {**speed(options.run, options.data_dir), **base.record("texts", arguments)}
        base.write(options.json, {**base.read(options.json), "speed": measured})
    else:
        base.write(options.json, collect(options.runs, options.data_dir))


def collect(folders, data_dir):
    """Return what some runs on one dataset reached.

    Args:
        folders: Paths of their folders, finished runs all.
        data_dir: Where the data lies, for the baseline.

    Returns:
        Dict of configuration to a dict: `"majority"`, the test accuracy in percent of the commonest training answer,
        and `"runs"` by the number of passes, each a list with a dict for each seed, and their `"median"`.
    """
    content = {}
    for folder in folders:
        source, row = read_run(folder)
        of_config = content.setdefault(source.config, {"majority": majority(source, data_dir), "passes": {}})
        of_passes = of_config["passes"].setdefault(str(row.pop("passes")), {"runs": []})
        of_passes["runs"].append(row)
    for of_config in content.values():
        for of_passes in of_config["passes"].values():
            of_passes["median"] = statistics.median(row["accuracy"] for row in of_passes["runs"])
    about = "whole test set, accuracy in percent; the epoch was chosen by the validation sentences"
    return {"about": about, "configs": content}


def table():
    """Return the table of the measured accuracies, from the files in `results/`, in Markdown."""
    rows = []
    for name, title in RESULTS.items():
        [content] = base.results(f"results/{name}")
        for config, of_config in content["configs"].items():
            for passes, reached in sorted(of_config["passes"].items()):
                runs = reached["runs"]
                accuracies = [row["accuracy"] for row in runs]
                seeds = ", ".join(base.decimals(accuracies, 2))
                [median, majority] = base.decimals([reached["median"], of_config["majority"]], 2)
                minutes = statistics.median(row["cpu_minutes"] for row in runs)
                cost = [f"{runs[0]['parameters']:,}", *base.decimals([minutes])]
                rows.append([f"{title} `{config}`", passes, f"**{median}**", seeds, majority, *cost])
    header = ["task", "passes", "test accuracy, %, median", "of each seed", "majority", "parameters", "CPU minutes"]
    return base.markdown(header, rows)


def speed_sentence():
    """Return a sentence about how many words a second the tagger reads, in Markdown."""
    measured = base.results("results/ud-english-ewt")[0]["speed"]
    return (
        f"`ud-english-ewt` tags {measured['words_per_second']:,} words a second on one core "
        f"({measured['machine']['cpu']}), of {measured['words']:,} test words."
    )


def read_run(folder):
    """Return the `Source` of a run, and a dict of what it reached and cost."""
    from dmn_keras.training.reproduce import command_of
    from dmn_keras.training.run_folder import RunFolder

    run = RunFolder(folder)
    source, config, metrics = run.source(), run.read_config(), run.read_metrics()
    [row] = metrics["tasks"].values()
    return source, {
        "passes": config.model.memory.num_passes,
        "seed": metrics["seed"],
        "accuracy": row["accuracy"],
        "validation_accuracy": round(100 - row["validation_error"], 4),
        "epochs": metrics["epochs"],
        "best_epoch": metrics["best_epoch"],
        "parameters": metrics["parameters"],
        "cpu_minutes": round(metrics["cpu_seconds"] / 60, 1),
        "command": command_of(source, config),
        "versions": metrics["versions"],
    }


def _answers(example):
    return example.tags if hasattr(example, "tags") else [example.label]


def majority(source, data_dir):
    """Return the test accuracy in percent of the commonest answer of the training sentences."""
    from dmn_keras import datasets

    counts = []
    for split in ("train", "test"):
        where = {"task": "all", "config": source.config, "data_dir": data_dir}
        examples = datasets.load(source.dataset, split=split, **where)
        whole = (example for example in examples if not getattr(example, "is_phrase", False))
        counts.append(collections.Counter(answer for example in whole for answer in _answers(example)))
    [(commonest, _)] = counts[0].most_common(1)
    return round(100 * counts[1][commonest] / counts[1].total(), 2)


def speed(run, data_dir):
    """Return how many words a second `predict` reads of the test sentences, after a first time that compiles."""
    from dmn_keras import datasets
    from dmn_keras.tasks.preset import PresetFolder

    task, source = PresetFolder.find(run).load(), base.read_source(run)
    test = datasets.load(source.dataset, task="all", split="test", config=source.config, data_dir=data_dir)
    seconds = []
    for _ in range(4):
        begin = time.perf_counter()
        answers = task.predict(test)
        seconds.append(time.perf_counter() - begin)
    count = sum(len(answer.words) for answer in answers)
    return {"words": count, "words_per_second": round(count / min(seconds[1:]))}


def save_pretrained(run, folder):
    """Copy what answering needs of a run, and write the card; where its data lay is left out."""
    base.copy_run(run, folder, FILES)
    (folder / "README.md").write_text(card(folder), encoding="utf-8")


def card(folder):
    """Return the model card of a folder that `save_pretrained` wrote, from its files alone, in Markdown."""
    from dmn_keras.training.run_folder import RunFolder

    run = RunFolder(folder)
    source, row = read_run(folder)
    task = run.read_task()
    preprocessor = task.preprocessor
    fields = {
        **row,
        "name": folder.name,
        "about": ABOUT[source.dataset],
        "task": type(task).__name__,
        "answers": ", ".join(preprocessor.labels),
        "words": len(preprocessor.vocabulary),
        "learned": preprocessor.num_learned,
        "trained": sum(math.prod(weight.shape) for weight in task.network.trainable_weights),
        "size": f"{run.model.stat().st_size / 1e6:.1f}",
    }
    return base.fill(f"model_card_{source.dataset}.md", **fields)


if __name__ == "__main__":
    main()
