"""What the retriever costs in accuracy, against passes over all sentences and against more retrieved facts.

bAbI's questions in books, as in `benchmarks.long_accuracy`. First the run without a retriever, whose passes read every
sentence; then the run with one, with fewer and fewer retrieved facts, and with vectors in half precision, as those of
`dmn-keras index --dtype float16`.
"""

import dataclasses
import pathlib

from benchmarks import base
from benchmarks.long_accuracy import error, load_in_books

MOST = (130, 60, 30, 10, 5)
"""Most facts retrieved."""


def main(arguments=None):
    """Measure, print the table, and write a JSON file if asked to."""
    from dmn_keras import QuestionAnswerer
    from dmn_keras.datasets.babi_long import Books

    parser = base.parser("retriever_accuracy", __doc__, books=True)
    parser.add_argument("--before", metavar="RUN", default="babi-closed", help="that run (default: babi-closed)")
    parser.add_argument("--tasks", nargs="+", default=["1", "2", "3", "4", "5"])
    parser.add_argument("--lengths", type=int, nargs="+", default=[0, 1_000, 4_000, 128_000])
    parser.add_argument("--all-up-to", type=int, default=4_000, metavar="N", help="passes over all, up to that length")
    parser.add_argument("--questions", type=int, default=200, help="questions a task")
    options = parser.parse_args(arguments)
    qa, before = map(QuestionAnswerer.from_preset, (options.run, options.before))
    source = base.read_source(options.run, options.data_dir)
    books = Books(pathlib.Path(options.books, "test"))
    rows = []
    for length in options.lengths:
        some = {"split": "test", "count": options.questions, "seed": options.seed}
        examples = [e for task in options.tasks for e in load_in_books(source, books, task, length, **some)]
        shortened = [retrieve(qa, example) for example in examples]
        errors = {name: round(error(qa, [by_name[name] for by_name in shortened]), 2) for name in shortened[0]}
        if length <= options.all_up_to:
            errors = {"all": round(error(before, examples), 2), **errors}
        rows.append({"length": length, "errors": errors})
        print(rows[-1], flush=True)
    base.report("retriever_accuracy", arguments, options.json, table, {"questions": options.questions, "rows": rows})


def retrieve(qa, example):
    """Return the question about the facts that the retriever selects, for each limit and precision.

    Where it selects none, the question is about the fact with the highest gate.
    """
    from dmn_keras.tasks.question_answering.retrieval import selected_facts

    sentences = list(example.story)
    read = qa.retriever.read(sentences)
    question, shortened = qa.retriever.question(example.question), {}
    for name, dtype, most in [*((str(most), "float32", most) for most in MOST), ("float16", "float16", MOST[0])]:
        gates = qa.retriever.gates(read.vectors.astype(dtype), question)
        selected = selected_facts(gates, most).tolist() or [int(gates.argmax())]
        story = tuple(sentences[read.facts[i]] for i in selected)
        shortened[name] = dataclasses.replace(example, story=story, supporting_facts=(), story_positions=None)
    return shortened


def table(result):
    """Return the table of the errors, with a row for each length and a column for each limit."""
    names = {"all": "all read", **{str(most): f"at most {most}" for most in MOST}}
    names["float16"] = f"at most {MOST[0]}, float16"
    rows = [[f"{row['length']:,}", *base.decimals(map(row["errors"].get, names))] for row in result["rows"]]
    return base.markdown(["tokens", *names.values()], rows)


if __name__ == "__main__":
    main()
