"""How few questions a sentence encoder that learns needs: both encoders of the defaults, by the number of questions.

Each bAbI task is learned alone from the first of its training questions, supporting facts given. The errors are those
of the last 1,000 training questions, which no training reads: a choice between the encoders leaves the test questions
unread.
"""

import collections
import itertools
import json
import pathlib
import statistics
import tempfile

from benchmarks import base

ENCODERS = {
    "position encoding, input fusion": {"fact_encoder": "position", "input_fusion": True},
    "word GRU": {"fact_encoder": "sentence", "input_fusion": False},
}
HELD_OUT = 1000


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to: what it holds already is not measured again."""
    parser = base.parser("few_questions", __doc__)
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="archive or folder of bAbI")
    parser.add_argument("--tasks", type=int, nargs="+", default=[1, 2, 5, 6, 8, 14], metavar="N")
    parser.add_argument("--questions", type=int, nargs="+", default=[125, 250, 500, 1000], metavar="N")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="N")
    options = parser.parse_args(arguments)
    runs = base.read(options.json)["runs"] if options.json and pathlib.Path(options.json).exists() else []
    result = {**base.record("few_questions", arguments), "runs": runs}
    for task, count, encoder, seed in itertools.product(options.tasks, options.questions, ENCODERS, options.seeds):
        run = {"task": task, "questions": count, "encoder": encoder, "seed": seed}
        if not any(run.items() <= measured.items() for measured in runs):
            runs.append({**run, "error": measure(task, count, encoder, seed, options.data_dir)})
        base.write(options.json, result)
    print(table(result))


def measure(task, count, encoder, seed, data_dir):
    """Return the error in percent on held-out questions after training on the first `count` of a task."""
    from dmn_keras import RunConfig, datasets
    from dmn_keras.datasets.source import Source
    from dmn_keras.training.trainer import train

    questions = datasets.load("babi", task=task, split="train", config="en-10k", data_dir=data_dir)
    with tempfile.TemporaryDirectory() as folder:
        for name, part in (("train", questions[:count]), ("test", questions[-HELD_OUT:])):
            lines = "".join(json.dumps(as_record(example)) + "\n" for example in part)
            pathlib.Path(folder, f"{name}.jsonl").write_text(lines, encoding="utf-8")
        source = Source(dataset="jsonl", tasks=("all",), data_dir=folder)
        config = RunConfig().replace({**ENCODERS[encoder], "seed": seed})
        return train(source, config, pathlib.Path(folder, "run"), verbose=0)["tasks"]["all"]["error"]


def as_record(example):
    """Return a line of a JSON lines file."""
    answer = {"answer": " ".join(example.answer), "supporting_facts": example.supporting_facts}
    return {"story": example.story, "question": example.question, **answer}


def table(*results):
    """Return the errors by task and their mean, with a row for each number of questions and encoder."""
    runs = [run for result in results for run in result["runs"]]
    tasks = list(dict.fromkeys(run["task"] for run in runs))
    of_seeds = collections.defaultdict(list)
    for run in runs:
        of_seeds[run["questions"], run["encoder"], run["task"]].append(run["error"])
    rows = []
    for count, encoder in dict.fromkeys((run["questions"], run["encoder"]) for run in runs):
        errors = [statistics.fmean(of_seeds[count, encoder, task]) for task in tasks]
        rows.append([encoder, count, *base.decimals([*errors, statistics.fmean(errors)])])
    header = ["facts are read by", "training questions", *(f"task {task}" for task in tasks), "mean"]
    return base.markdown(header, rows)


if __name__ == "__main__":
    main()
