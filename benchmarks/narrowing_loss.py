"""What the first pass costs in accuracy, against passes over all sentences and against keeping more of them.

bAbI's questions in books, as in `benchmarks.long_accuracy`. First the run as it was before it learned to narrow, whose
passes read every sentence; then the run that narrows, with fewer and fewer facts kept, and with vectors in half
precision, as `dmn-keras index --dtype float16` keeps them.
"""

import dataclasses
import pathlib

from benchmarks import base
from benchmarks.long_accuracy import error, hidden

KEPT = (130, 60, 30, 10, 5)


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to."""
    from dmn_keras.asking import Answerer
    from dmn_keras.datasets.babi_long import Books

    parser = base.parser("narrowing_loss", __doc__, books=True)
    parser.add_argument("--before", metavar="RUN", help="the run that it was made of (default: babi-joint)")
    parser.add_argument("--tasks", nargs="+", default=["1", "2", "3", "4", "5"])
    parser.add_argument("--lengths", type=int, nargs="+", default=[0, 1_000, 4_000, 128_000])
    parser.add_argument("--all-up-to", type=int, default=4_000, metavar="N", help="passes over all, up to that length")
    parser.add_argument("--questions", type=int, default=200, help="questions a task")
    options = parser.parse_args(arguments)
    answerer, before = Answerer(options.run), Answerer(options.before)
    books = Books(pathlib.Path(options.books, "test"))
    result = {**base.record("narrowing_loss", arguments), "questions": options.questions, "rows": []}
    for length in options.lengths:
        where = answerer.recipe, options.data_dir, books
        examples = [
            e for t in options.tasks for e in hidden(*where, t, length, "test", options.questions, options.seed)
        ]
        narrowed = [narrow(answerer, example) for example in examples]
        errors = {name: round(error(answerer, [n[name] for n in narrowed]), 2) for name in narrowed[0]}
        if length <= options.all_up_to:
            errors = {"all": round(error(before, examples), 2), **errors}
        result["rows"].append({"length": length, "errors": errors})
        print(result["rows"][-1], flush=True)
    print(table(result))
    base.write(options.json, result)


def narrow(answerer, example):
    """Return the question about the facts that the first pass keeps, for each way of keeping them.

    Where it keeps none, the question is about the fact with the highest gate.
    """
    from dmn_keras.narrowing import kept_facts

    first_pass = answerer.narrowing
    sentences = list(example.story)
    read = first_pass.read(sentences)
    question, narrowed = first_pass.question(example.question), {}
    for name, dtype, most in [*((str(most), "float32", most) for most in KEPT), ("float16", "float16", KEPT[0])]:
        gates = first_pass.gates(read.vectors.astype(dtype), question)
        kept = kept_facts(gates, most).tolist() or [int(gates.argmax())]
        story = tuple(sentences[read.facts[i]] for i in kept)
        narrowed[name] = dataclasses.replace(example, story=story, supporting_facts=(), own_facts=None)
    return narrowed


def table(result):
    """Return the table of the errors, with a row for each length and a column for each way of reading."""
    names = {"all": "all read", **{str(n): f"{n} kept" for n in KEPT}, "float16": f"{KEPT[0]} kept, float16"}
    rows = [[f"{row['length']:,}", *base.decimals(map(row["errors"].get, names))] for row in result["rows"]]
    return base.markdown(["tokens", *names.values()], rows)


if __name__ == "__main__":
    main()
