"""bAbI's stories hidden among facts of the same kind about other people, places and objects: errors by length.

Of a run that narrows, beside the same run on the sentences that BM25 finds for the question (`long_accuracy.retrieve`).
Length 0 is the bare story. The whole story is given to the model at once.
"""

import argparse
import sys

import numpy as np

from benchmarks import report
from benchmarks.long_accuracy import retrieve

LENGTHS = (0, 1_000, 4_000, 32_000)
RETRIEVED = 30


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to.

    Returns:
        Exit status: 0.
    """
    from dmn_keras.training.run_folder import RunFolder

    options = _parser().parse_args(arguments)
    model, vocabulary, recipe = RunFolder(options.run).load()
    result = {
        **report.about("long_neighbours", arguments),
        "questions": options.questions,
        "rows": [],
    }
    for length in options.lengths:
        result["rows"].append(measure(model, vocabulary, recipe, options, length))
        print(result["rows"][-1], flush=True)
        if options.json:
            report.write(options.json, result)
    print(table(result))
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_neighbours", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder that `dmn-keras narrow` wrote")
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="where bAbI lies")
    parser.add_argument("--tasks", nargs="+", default=["1", "2", "3", "4", "5"])
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS), help="tokens of a story")
    parser.add_argument("--questions", type=int, default=100, help="questions a task, the first of its test part")
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    return parser


def measure(model, vocabulary, recipe, options, length):
    """Return the errors in percent of each task at one length, the run's own and after BM25."""
    from dmn_keras import datasets
    from dmn_keras.training.evaluation import evaluate_tasks

    config = f"{recipe.dataset_config},tokens={length},neighbours"
    given = {"split": "test", "data_dir": options.data_dir, "num_examples": options.questions, "config": config}
    asked = {task: datasets.load("babi_long", task=task, **given) for task in options.tasks}
    found = {task: [retrieve(example, RETRIEVED) for example in examples] for task, examples in asked.items()}
    ours, bm25 = (
        {task: row["error"] for task, row in evaluate_tasks(model, vocabulary, recipe, tasks, batch_size=10).items()}
        for tasks in (asked, found)
    )
    facts = float(np.mean([len(example.story) for examples in asked.values() for example in examples]))
    return {"length": length, "facts": round(facts, 1), "error": ours, "bm25": bm25}


def table(result):
    """Return the mean errors as Markdown: a row a length."""
    rows = [
        [
            f"{row['length']:,}",
            f"{row['facts']:,.0f}",
            *(f"{float(np.mean(list(row[way].values()))):.1f}" for way in ("error", "bm25")),
        ]
        for row in result["rows"]
    ]
    return report.markdown(["tokens", "facts", "ours", "BM25, then ours"], rows)


if __name__ == "__main__":
    sys.exit(main())
