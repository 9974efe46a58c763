"""BABILong: answers to bAbI's questions when the story is hidden in books, up to ten million tokens.

Of a run that narrows (`dmn-keras narrow`), for each task and length in tokens: the errors of the run, of the run on
what BM25 retrieves in place of its own first pass, and, where one is given, of a GRU over all words. Length 0 is the
bare story, the ceiling. Each question is hidden anew, at places and in a part of the books of its own.

The gates of the first pass depend on the sentence and the question alone. A sentence of the books is therefore gated
once a question and not again each time it occurs; `--check` has some long stories of each cell read from end to end,
sentence by sentence, and stops if that keeps other sentences or gives another answer.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import time

import numpy as np

from benchmarks import report

LENGTHS = (0, 1_000, 4_000, 32_000, 128_000, 1_000_000, 10_000_000)
MANY, FEW, MANY_UP_TO = 1000, 100, 32_000
"""Questions a cell up to that length, and beyond it; the baselines answer so few everywhere."""
RETRIEVED = (5, 10, 30)
"""Sentences that BM25 may retrieve: chosen for each task on training questions in 4,000 tokens of training books."""


def main(arguments=None):
    """Measure a run, print the table, and write a JSON file if asked to; one of the same command is gone on with.

    Returns:
        Exit status: 0.
    """
    from dmn_keras.asking import Answerer
    from dmn_keras.datasets import parse_tasks
    from dmn_keras.datasets.babi_long import Books
    from dmn_keras.training.evaluation import versions
    from dmn_keras.training.run_folder import RunFolder

    options = _parser().parse_args(arguments)
    reader = Reader(Answerer(options.run), Books(pathlib.Path(options.books, "test")))
    tasks = parse_tasks(options.tasks, reader.recipe.tasks)
    gru = None
    if options.gru:
        from benchmarks.word_gru import WordGru

        gru = WordGru.load(options.gru)
    command, path = report.command("long_accuracy", arguments), options.json and pathlib.Path(options.json)
    result = json.loads(path.read_text()) if path and path.exists() else None
    if result is None or result["command"] != command:
        retrieved = {}
        if options.bm25_up_to:
            training = Reader(reader.answerer, Books(pathlib.Path(options.books, "train")))
            retrieved = {task: choose_retrieved(training, options.data_dir, task) for task in tasks}
        result = {
            "command": command,
            "machine": report.machine(),
            "versions": versions(),
            "run": _about(RunFolder(options.run)),
            "books": {"sentences": len(reader.books), "tokens": reader.books.num_tokens},
            "retrieved": retrieved,
            "cells": [],
        }
    measured = {(cell["task"], cell["length"]) for cell in result["cells"]}
    for length in options.lengths:
        for task in tasks:
            if (task, length) in measured:
                continue
            cell = measure(reader, options, task, length, result["retrieved"].get(task), gru)
            result["cells"].append(cell)
            print(cell, flush=True)
            if path:
                report.write(path, result)
    print(table(result))
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_accuracy", description=__doc__)
    parser.add_argument("run", metavar="RUN", help="folder that `dmn-keras narrow` wrote")
    parser.add_argument("--data-dir", required=True, metavar="DIR", help="where bAbI lies")
    parser.add_argument("--books", required=True, metavar="FOLDER", help="folder with train/ and test/, books in each")
    parser.add_argument("--tasks", default="1-5")
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS), help="tokens of a story")
    parser.add_argument("--bm25-up-to", type=int, default=0, metavar="N", help="with BM25, up to that length")
    parser.add_argument("--gru", metavar="FOLDER", help="with the GRU that `benchmarks.word_gru` trained")
    parser.add_argument("--gru-up-to", type=int, default=128_000, metavar="N", help="up to that length")
    parser.add_argument("--check", type=int, default=2, metavar="N", help="stories a cell read from end to end")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE", help="write the measurement")
    return parser


def _about(run):
    recipe = run.recipe()
    return {
        "tasks": list(recipe.tasks),
        "supervise_gates": recipe.config.supervise_gates,
        "narrow_to": recipe.config.narrow_to,
        "parameters": json.loads(run.metrics.read_text())["parameters"],
    }


class Reader:
    """A run that narrows, and the gates of the sentences of some books.

    Args:
        answerer: `dmn_keras.asking.Answerer` of the run.
        books: `dmn_keras.datasets.babi_long.Books`.

    Attributes:
        vectors: What the first pass makes of each sentence of the books, `(sentences, units)`.
        dtype: What vectors are rounded to, as an index keeps them.
    """

    def __init__(self, answerer, books):
        from dmn_keras.models.dmn import NARROWING
        from dmn_keras.text import Encoder

        self.answerer, self.books = answerer, books
        self.model, self.vocabulary, self.recipe = answerer.model, answerer.vocabulary, answerer.recipe
        self.layer = self.model.get_layer(NARROWING)
        self.encoder = Encoder(self.vocabulary)
        self.dtype = "float32"
        self._read = {}
        self.vectors = self._vectors_of([books[i] for i in range(len(books))])

    def gates(self, example):
        """Return the gate of each sentence of a story, hidden in the books or not, for its question."""
        story = example.story
        [question] = self._vectors_of([example.question])
        facts = getattr(story, "facts", story)
        positions = list(getattr(story, "positions", range(len(story))))
        gates = np.empty(len(story), dtype="float32")
        gates[positions] = self._gates(self._vectors_of(facts), question)
        if len(story) > len(facts):
            others = np.delete(np.arange(len(story)), positions)
            told = (story.start + np.arange(len(others))) % len(self.books)
            gates[others] = self._gates(self.vectors, question)[told]
        return gates

    def narrow(self, example, top_facts=None):
        """Return what the run keeps of a story, at most `top_facts` if it is given, and the question about that alone.

        Where no gate opens it keeps nothing, and the question is about the sentence with the highest gate.
        """
        gates = self.gates(example)
        opened = np.flatnonzero(gates > 0.5)
        ranked = sorted(opened.tolist(), key=lambda place: (np.round(1000 * gates[place]), place), reverse=True)
        kept = sorted(ranked[: top_facts or self.layer.top_facts])
        return kept, cut(example, kept or [int(gates.argmax())])

    def errors(self, examples):
        """Return how many of some examples, whose stories are short, the model answers wrongly, and the answers."""
        from dmn_keras.training.answers import answer_questions, is_right

        answers = answer_questions(self.model, self.recipe, [self.encoder(e) for e in examples])
        wrong = sum(not is_right(a, e, self.vocabulary) for a, e in zip(answers, examples, strict=True))
        return wrong, [self.vocabulary.answer(answer.ids) for answer in answers]

    def _vectors_of(self, sentences):
        """Return the vectors of sentences, `(sentences, units)`; each is read once."""
        from keras import ops

        from dmn_keras.text import pad_sentences

        ids = [self.encoder.sentence(text) for text in sentences]
        new = sorted({sentence for sentence in ids if sentence not in self._read}, key=len)
        for begin in range(0, len(new), _ROWS):
            rows = new[begin : begin + _ROWS]
            width = 1 << (len(rows[-1]) - 1).bit_length()
            padded = pad_sentences([[sentence] for sentence in rows + [()] * (_ROWS - len(rows))], 1, width)
            vectors = ops.convert_to_numpy(self.layer.vectors(ops.convert_to_tensor(padded)))[:, 0]
            self._read.update(zip(rows, vectors, strict=False))
        return np.stack([self._read[sentence] for sentence in ids])

    def _gates(self, vectors, question):
        """Return the gates of sentences, in a few shapes, each of which is compiled once."""
        from keras import ops

        vectors = vectors.astype(self.dtype).astype("float32")
        padded = np.pad(vectors, ((0, -len(vectors) % _ROWS), (0, 0)))[None]
        gates = self.layer.gates(ops.convert_to_tensor(padded), ops.convert_to_tensor(question[None]))
        return ops.convert_to_numpy(gates)[0, : len(vectors)]


_ROWS = 256


def hidden(reader, data_dir, task, length, split, count, seed):
    """Return questions of a task, each with its story hidden in so many tokens of the reader's books."""
    from dmn_keras import datasets
    from dmn_keras.datasets.babi_long import hide
    from dmn_keras.datasets.babi_long.hiding import count_tokens

    config = reader.recipe.dataset_config.split(",")[0]
    examples = datasets.load("babi", task=task, split=split, data_dir=data_dir, config=config)
    # From all over the file: its first questions are those of few stories.
    chosen = np.random.default_rng([seed, int(task)]).permutation(len(examples))[:count]
    examples = [examples[i] for i in sorted(chosen)]
    tokens = [max(length, count_tokens(e.story)) if length else 0 for e in examples]
    return [
        hide(e, reader.books, n, [seed, int(task), i]) for i, (e, n) in enumerate(zip(examples, tokens, strict=True))
    ]


def measure(reader, options, task, length, retrieved, gru):
    """Measure all ways of answering on one task and length.

    Returns:
        A dict: task, length, number of questions, their sentences on average; errors in percent of the run (`"error"`),
        after BM25 (`"bm25"`), of the GRU (`"gru"`); how many sentences the first pass kept (`"kept"`) and how many of
        the story's own it lost (`"lost"`), on average; seconds of this measurement.
    """
    begun = time.perf_counter()
    examples = hidden(
        reader, options.data_dir, task, length, "test", MANY if length <= MANY_UP_TO else FEW, options.seed
    )
    kept, short = zip(*(reader.narrow(example) for example in examples), strict=True)
    wrong, answers = reader.errors(short)
    for i in range(min(options.check, len(examples))):
        _check(reader, examples[i], kept[i], answers[i])
    cell = {
        "task": task,
        "length": length,
        "questions": len(examples),
        "sentences": round(float(np.mean([len(e.story) for e in examples])), 1),
        "repeats": max(getattr(e.story, "repeats", 0) for e in examples),
        "error": 100 * wrong / len(examples),
        "kept": round(float(np.mean([len(places) for places in kept])), 2),
        "lost": round(float(np.mean([len(set(e.own_facts) - set(p)) for e, p in zip(examples, kept, strict=True)])), 3),
    }
    few = examples[:: max(len(examples) // FEW, 1)][:FEW]
    if retrieved and length <= options.bm25_up_to:
        cell["bm25"] = 100 * reader.errors([retrieve(e, retrieved) for e in few])[0] / len(few)
    if gru is not None and length <= options.gru_up_to:
        cell["gru"] = 100 * gru.wrong(few) / len(few)
    return {**cell, "seconds": round(time.perf_counter() - begun, 1)}


def cut(example, places):
    """Return the question about some sentences of the story alone."""
    return dataclasses.replace(
        example, story=tuple(example.story[place] for place in places), supporting_facts=(), own_facts=None
    )


def _check(reader, example, kept, answer):
    """Raise if reading a story from end to end keeps other sentences or gives another answer."""
    read = reader.answerer.ask(example.story, example.question)
    positions = list(range(len(example.story))) if read.positions is None else list(read.positions)
    if positions != kept or read.answer != " ".join(answer):
        raise AssertionError(f"Read from end to end: {positions}, {read.answer}. Expected: {kept}, {answer}")


def retrieve(example, count):
    """Return the question about the sentences that BM25 finds for it, in the story's order."""
    import bm25s

    from dmn_keras.text import tokenize

    words = [tokenize(sentence, lowercase=True) for sentence in example.story]
    index = bm25s.BM25()
    index.index(words, show_progress=False)
    count = min(count, len(words))
    places, _ = index.retrieve(
        [tokenize(example.question, lowercase=True)], k=count, show_progress=False, backend_selection="numpy"
    )
    return cut(example, sorted(places[0].tolist()))


def choose_retrieved(reader, data_dir, task):
    """Return how many sentences BM25 retrieves best for a task, by training questions in the reader's books."""
    examples = hidden(reader, data_dir, task, 4_000, "train", FEW, 1)
    return min(RETRIEVED, key=lambda count: reader.errors([retrieve(e, count) for e in examples])[0])


def table(result, way="error"):
    """Return the errors as Markdown: a row a task, a column a length."""
    lengths = list(dict.fromkeys(cell["length"] for cell in result["cells"]))
    tasks = list(dict.fromkeys(cell["task"] for cell in result["cells"]))
    found = {(cell["task"], cell["length"]): cell.get(way) for cell in result["cells"]}
    rows = [[task, *(_shown(found.get((task, length))) for length in lengths)] for task in tasks]
    means = []
    for length in lengths:
        values = [found.get((task, length)) for task in tasks]
        means.append(_shown(None if None in values else float(np.mean(values)), bold=True))
    return report.markdown(["task", *(f"{length:,}" for length in lengths)], [*rows, ["**mean**", *means]])


def _shown(value, bold=False):
    if value is None:
        return "-"
    return f"**{value:.2f}**" if bold else f"{value:.1f}"


if __name__ == "__main__":
    sys.exit(main())
