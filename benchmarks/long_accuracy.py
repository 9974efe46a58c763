"""BABILong: answers to bAbI's questions when the story stands in books, up to ten million tokens.

Of a run with a retriever (`dmn-keras train-retriever`), for each task and length in tokens: the errors of the run, of
the run on what BM25 retrieves in place of its own retriever, and, where one is given, of a GRU over all words. Length 0
is the bare story, the ceiling. The story of each question stands at positions and in a part of the books of its own.
The same command resumes a measurement that was interrupted.
"""

import dataclasses
import functools
import itertools
import pathlib
import statistics
import time

from benchmarks import base

LENGTHS = (0, 1_000, 4_000, 32_000, 128_000, 1_000_000, 10_000_000)
MANY, FEW, MANY_UP_TO = 1000, 100, 32_000
"""Questions a cell up to that length, and beyond it; the baselines answer so few everywhere."""
RETRIEVED = (5, 10, 30)
"""Sentences that BM25 may retrieve: chosen for each task on training questions in 4,000 tokens of training books."""


def main(arguments=None):
    """Measure a run, print the table, and write a JSON file if asked to."""
    from dmn_keras import QuestionAnswerer
    from dmn_keras.datasets import parse_tasks
    from dmn_keras.datasets.babi_long import Books

    parser = base.parser("long_accuracy", __doc__, books=True)
    parser.add_argument("--tasks", default="1-5")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS), help="tokens of a story")
    parser.add_argument("--bm25-up-to", type=int, default=-1, metavar="N", help="with BM25, up to that length")
    parser.add_argument("--gru", metavar="FOLDER", help="with the GRU that `benchmarks.word_gru` trained")
    parser.add_argument("--gru-up-to", type=int, default=128_000, metavar="N", help="up to that length")
    options = parser.parse_args(arguments)
    qa, source = QuestionAnswerer.from_preset(options.run), base.read_source(options.run, options.data_dir)
    train, test = (Books(pathlib.Path(options.books, part)) for part in ("train", "test"))
    remember_sentences(qa, test)
    tasks = parse_tasks(options.tasks, source.tasks)
    gru = None
    if options.gru:
        from benchmarks.word_gru import WordGRU

        gru = WordGRU.load(options.gru)
    result = {
        **base.record("long_accuracy", arguments),
        "run": {
            "tasks": list(source.tasks),
            "supervise_gates": qa.config.task.supervise_gates,
            "max_retrieved_facts": qa.config.model.max_retrieved_facts,
            "parameters": qa.network.count_params(),
        },
        "books": {"sentences": len(test), "tokens": test.num_tokens},
        "retrieved": {},
        "cells": [],
    }
    if options.json and pathlib.Path(options.json).exists():
        before = base.read(options.json)
        result = before if before["command"] == result["command"] else result
    measured = {(cell["task"], cell["length"]) for cell in result["cells"]}
    for length, task in itertools.product(options.lengths, tasks):
        if (task, length) in measured:
            continue
        start, count = time.perf_counter(), MANY if length <= MANY_UP_TO else FEW
        examples = load_in_books(source, test, task, length, "test", count, options.seed)
        few = examples[:: max(len(examples) // FEW, 1)][:FEW]
        cell = {"task": task, "length": length, **measure(qa, examples)}
        if length <= options.bm25_up_to:
            if task not in result["retrieved"]:
                questions = load_in_books(source, train, task, 4_000, "train", FEW, 1)
                errors = {n: error(qa, [retrieve(e, n) for e in questions]) for n in RETRIEVED}
                result["retrieved"][task] = min(errors, key=errors.get)
            cell["bm25"] = error(qa, [retrieve(e, result["retrieved"][task]) for e in few])
        if gru is not None and length <= options.gru_up_to:
            cell["gru"] = 100 * gru.wrong(few) / len(few)
        result["cells"].append({**cell, "seconds": round(time.perf_counter() - start, 1)})
        print(result["cells"][-1], flush=True)
        base.write(options.json, result)
    print(table(result))


def load_in_books(source, books, task, length, split, count, seed):
    """Return questions of a task of a `Source`, each with its story in so many tokens of books."""
    import numpy as np

    from dmn_keras import datasets
    from dmn_keras.datasets.babi_long import insert_into_background
    from dmn_keras.datasets.babi_long.background import count_tokens

    config = source.config and source.config.split(",")[0]  # `babi_long` has more parts
    examples = datasets.load("babi", task=task, split=split, data_dir=source.data_dir, config=config)
    # From all over the file: its first questions are those of few stories.
    chosen = np.random.default_rng([seed, int(task)]).permutation(len(examples))[:count]
    return [
        insert_into_background(
            example, books, max(length, count_tokens(example.story)) if length else 0, [seed, int(task), i]
        )
        for i, example in enumerate(examples[i] for i in sorted(chosen))
    ]


def remember_sentences(qa, books):
    """Let a task read each sentence once, however many stories of the same books it stands in."""
    import numpy as np

    from dmn_keras.tasks.question_answering.retrieval import Vectors

    read, rows = qa.retriever.read, {}
    vectors = np.empty((0, qa.retriever.layer.units), "float32")

    def remembered(texts):
        nonlocal vectors
        new = [text for text in dict.fromkeys(texts) if text not in rows]
        if new:
            found = read(new)
            rows.update(dict.fromkeys(new))
            rows.update({new[fact]: len(vectors) + i for i, fact in enumerate(found.facts)})
            vectors = np.concatenate([vectors, found.vectors])
        facts = [i for i, text in enumerate(texts) if rows[text] is not None]
        return Vectors(facts, vectors[[rows[texts[i]] for i in facts]], [])

    qa.retriever.read = remembered
    books.at = functools.cache(books.at)


def measure(qa, examples):
    """Ask some questions whose stories stand in books.

    Returns:
        A dict: number of questions, their sentences on average; error in percent; how many sentences were retrieved and
        how many of the story's own were not, on average.
    """
    answers = [qa.ask(example.story, example.question) for example in examples]
    lost = [set(e.story_positions) - set(answer.positions) for e, answer in zip(examples, answers, strict=True)]
    return {
        "questions": len(examples),
        "sentences": round(statistics.fmean(len(example.story) for example in examples), 1),
        "error": 100
        * statistics.fmean(base.is_wrong(answer.answer, e) for answer, e in zip(answers, examples, strict=True)),
        "selected": round(statistics.fmean(len(answer.positions) for answer in answers), 2),
        "lost": round(statistics.fmean(map(len, lost)), 3),
    }


def error(qa, examples):
    """Return the error in percent of a `QuestionAnswerer` on some questions."""
    return 100 * statistics.fmean(base.is_wrong(qa.ask(e.story, e.question).answer, e) for e in examples)


def retrieve(example, count):
    """Return the question about the sentences that BM25 finds for it, in the story's order."""
    import bm25s

    words = [base.words(sentence) for sentence in example.story]
    index = bm25s.BM25()
    index.index(words, show_progress=False)
    count = min(count, len(words))
    found, _ = index.retrieve([base.words(example.question)], k=count, show_progress=False, backend_selection="numpy")
    story = tuple(example.story[i] for i in sorted(found[0].tolist()))
    return dataclasses.replace(example, story=story, supporting_facts=(), story_positions=None)


def table(result):
    """Return the table of the errors, with a row for each task and a column for each length."""
    lengths, tasks = (list(dict.fromkeys(cell[name] for cell in result["cells"])) for name in ("length", "task"))
    errors = {(cell["task"], cell["length"]): cell["error"] for cell in result["cells"]}
    rows = [[task, *base.decimals(errors.get((task, length)) for length in lengths)] for task in tasks]
    means = [statistics.fmean(errors[task, length] for task in tasks if (task, length) in errors) for length in lengths]
    rows.append(["**mean**", *(f"**{mean}**" for mean in base.decimals(means, 2))])
    return base.markdown(["task", *(f"{length:,}" for length in lengths)], rows)


if __name__ == "__main__":
    main()
