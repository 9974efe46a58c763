"""What the first pass costs in accuracy, against passes over all sentences and against keeping more of them.

bAbI's questions in books, as in `benchmarks.long_accuracy`. First the run as it was before it learned to narrow, whose
passes read every sentence; then the run that narrows, with fewer and fewer facts kept, and with vectors in half
precision, as `dmn-keras index --dtype float16` keeps them.
"""

import argparse
import pathlib
import sys

import numpy as np

from benchmarks import report
from benchmarks.long_accuracy import Reader, hidden

KEPT = (130, 60, 30, 10, 5)


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to.

    Returns:
        Exit status: 0.
    """
    from dmn_keras.asking import Answerer
    from dmn_keras.datasets.babi_long import Books

    options = _parser().parse_args(arguments)
    reader = Reader(Answerer(options.run), Books(pathlib.Path(options.books, "test")))
    result = {
        **report.about("narrowing_loss", arguments),
        "questions": options.questions,
        "rows": [],
    }
    for length in options.lengths:
        asked = [
            example
            for task in options.tasks
            for example in hidden(reader, options.data_dir, task, length, "test", options.questions, 0)
        ]
        found = {}
        if length <= options.all_up_to:
            found["all"] = _error_of_all(Answerer(options.before), asked)
        for count in KEPT:
            found[str(count)] = _error(reader, asked, count)
        reader.dtype = "float16"
        found["float16"] = _error(reader, asked, KEPT[0])
        reader.dtype = "float32"
        result["rows"].append({"length": length, "errors": found})
        print(result["rows"][-1], flush=True)
    print(table(result))
    if options.json:
        report.write(options.json, result)
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.narrowing_loss", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder that `dmn-keras narrow` wrote")
    parser.add_argument("--before", metavar="RUN", help="the run that it was made of (default: the shipped model)")
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="where bAbI lies")
    parser.add_argument("--books", required=True, metavar="FOLDER", help="folder with test/, books in it")
    parser.add_argument("--tasks", nargs="+", default=["1", "2", "3", "4", "5"])
    parser.add_argument("--lengths", type=int, nargs="+", default=[0, 1_000, 4_000, 128_000])
    parser.add_argument("--all-up-to", type=int, default=4_000, metavar="N", help="passes over all, up to that length")
    parser.add_argument("--questions", type=int, default=200, help="questions a task")
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    return parser


def _error(reader, examples, top_facts):
    short = [reader.narrow(example, top_facts)[1] for example in examples]
    return round(100 * reader.errors(short)[0] / len(examples), 2)


def _error_of_all(answerer, examples):
    """Return the error of a run without a first pass that reads every sentence, in batches of like length."""
    from dmn_keras.text import Encoder
    from dmn_keras.training.answers import answer_questions, is_right

    encoder = Encoder(answerer.vocabulary)
    wrong = 0
    for part in np.array_split(np.argsort([len(e.story) for e in examples]), max(len(examples) // 50, 1)):
        asked = [examples[i] for i in part]
        answers = answer_questions(answerer.model, answerer.recipe, [encoder(e) for e in asked], batch_size=10)
        wrong += sum(not is_right(a, e, answerer.vocabulary) for a, e in zip(answers, asked, strict=True))
    return round(100 * wrong / len(examples), 2)


def table(result):
    """Return the errors as Markdown: a row a length, a column a way of reading."""
    names = {
        "all": "all read",
        **{str(count): f"{count} kept" for count in KEPT},
        "float16": f"{KEPT[0]} kept, float16",
    }
    rows = [[f"{row['length']:,}", *(_shown(row["errors"].get(name)) for name in names)] for row in result["rows"]]
    return report.markdown(["tokens", *names.values()], rows)


def _shown(value):
    return "-" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    sys.exit(main())
