"""The benchmarks of long memory, on tiny sizes: what they count against what the public classes say."""

import json
import pathlib
import random

import keras
import numpy as np
import pytest

from benchmarks import (
    long_accuracy,
    long_cost,
    long_neighbours,
    long_picture,
    long_tokens,
    narrowing_loss,
    report,
    same_kind,
    tables,
    word_gru,
)
from dmn_keras import datasets
from dmn_keras.asking import Answerer
from dmn_keras.datasets import Example
from dmn_keras.datasets.babi_long import Books, hide
from dmn_keras.text import Encoder, Vocabulary
from dmn_keras.training.data import Source
from dmn_keras.training.fit import build, make_recipe
from dmn_keras.training.run_folder import RunFolder
from tests.layers.helpers import randomize
from tests.long_stories import narrowing_answerer
from tests.training.runs import eagerly, tensorflow_only, tiny, without_tracing

pytestmark = [tensorflow_only, without_tracing]
ROOT = pathlib.Path(__file__).parents[1]
PLACES = ["park", "office", "home"]
LENGTHS = (0, 40, 150, 1000)
"""The bare story, one with little around it, part of the books, and the books several times over."""


@pytest.fixture(autouse=True)
def _eager():
    with eagerly():
        yield


def write_babi(folder, answer=None):
    """Write questions of tasks 1 and 2 in bAbI's format, with one answer to all of them if it is given."""
    folder = folder / "en-10k"
    folder.mkdir(parents=True)
    for task in (1, 2):
        for split, count in (("train", 8), ("test", 2)):
            rng = random.Random(f"{task}{split}")
            lines = [line for _ in range(count) for line in _story(rng, task, answer)]
            (folder / f"qa{task}_some-name_{split}.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder.parent


def _story(rng, task, answer):
    for number in range(1, 13, 3):
        person, place = rng.choice(["Mary", "John"]), rng.choice(PLACES)
        yield f"{number} {person} went to the {place}."
        yield f"{number + 1} {person} took the milk."
        support = f"{number}" if task == 1 else f"{number} {number + 1}"
        yield f"{number + 2} Where is {person}? \t{answer or place}\t{support}"


def write_books(folder):
    """Write books for training and testing, of words that the questions use too and of others."""
    words = ["Mary", "John", "the", "park", "went", "whale", "ship", "old", "sea", "milk"]
    for part, count in (("train", 50), ("test", 40)):
        rng = random.Random(part)
        said = [" ".join(rng.choices(words, k=rng.choice([1, 2, 5, 9, 20]))) + "." for _ in range(count)]
        (folder / part).mkdir(parents=True)
        (folder / part / "book.txt").write_text("\n\n".join(said))
    return folder


@pytest.fixture(scope="module", name="made")
def everything(tmp_path_factory):
    """Data, books, and the run of a model that narrows, whose weights are random."""
    folder = tmp_path_factory.mktemp("made")
    data, books = write_babi(folder / "babi"), write_books(folder / "books")
    source = Source("babi", ("1", "2"), str(data), "en-10k")
    answerers = {
        most: narrowing_answerer(
            folder / str(most), source=source, narrow_to=most, seed=1, fact_encoder="position", num_passes=1
        )
        for most in (8, 3, None)
    }
    for most in answerers:
        (folder / str(most) / "run" / "metrics.json").write_text('{"parameters": 123}')
    return folder, data, books, answerers


@pytest.fixture(scope="module", name="reader")
def reader_of_test_books(made):
    return long_accuracy.Reader(made[3][8], Books(made[2] / "test"))


@pytest.fixture(scope="module", name="baseline")
def trained_word_gru(made):
    folder, data, books, _ = made
    output = folder / "gru"
    where = ["--data-dir", str(data), "--books", str(books), "--output", str(output)]
    assert word_gru.main([*where, "--tasks", "1,2", "--tokens", "60", "--units", "4", "--epochs", "2"]) == 0
    return output


def asked(reader, data, length, task="2"):
    return long_accuracy.hidden(reader, data, task, length, "test", 4, 0)


# The reader


@pytest.mark.parametrize("length", LENGTHS)
def test_the_reader_keeps_what_reading_from_end_to_end_keeps(length, made, reader):
    _, data, _, answerers = made
    dropped = 0
    for example in asked(reader, data, length):
        for most, answerer in ((None, answerers[8]), (3, answerers[3])):
            answer = answerer.ask(example.story, example.question)
            kept, short = reader.narrow(example, most)
            assert kept == list(answer.positions)
            assert [" ".join(said) for said in reader.errors([short])[1]] == [answer.answer]
            dropped += len(example.story) - len(kept)
    assert dropped, "so that there was something to choose among"
    if length == 1000:
        assert example.story.repeats > 1


def test_gates_are_those_of_the_first_pass(made, reader):
    [example, *_] = asked(reader, made[1], 150)
    gates = reader.gates(example)
    assert gates.shape == (len(example.story),)
    [narrowed] = made[3][8].narrowing.narrow(example.story, [example.question])
    np.testing.assert_allclose(
        [fact.gate for fact in narrowed.facts], gates[[f.position for f in narrowed.facts]], atol=1e-5
    )
    assert narrowed.nearest.gate == pytest.approx(gates.max(), abs=1e-5)


def test_where_nothing_opens_the_nearest_is_asked(made, tmp_path):
    source = Source("babi", ("1", "2"), str(made[1]), "en-10k")
    closed = narrowing_answerer(tmp_path, source=source, gate_bias=-100.0, fact_encoder="position")
    reader = long_accuracy.Reader(closed, Books(made[2] / "test"))
    for example in asked(reader, made[1], 150):
        kept, short = reader.narrow(example)
        answer = closed.ask(example.story, example.question)
        assert kept == list(answer.positions) == []
        [narrowed] = closed.narrowing.narrow(example.story, [example.question])
        assert short.story == (narrowed.nearest.text,)
        long_accuracy._check(reader, example, kept, reader.errors([short])[1][0])


def test_a_difference_to_reading_from_end_to_end_is_an_error(made, reader):
    [example, *_] = asked(reader, made[1], 150)
    kept, short = reader.narrow(example)
    [answer] = reader.errors([short])[1]
    long_accuracy._check(reader, example, kept, answer)
    with pytest.raises(AssertionError, match="Read from end to end"):
        long_accuracy._check(reader, example, [*kept, 99], answer)
    with pytest.raises(AssertionError, match="Read from end to end"):
        long_accuracy._check(reader, example, kept, [*answer, "more"])


def test_questions_are_hidden_anew_each_and_the_same_at_every_length(made, reader):
    short, long = (asked(reader, made[1], length) for length in (0, 150))
    assert [e.question for e in short] == [e.question for e in long]
    assert [tuple(e.story[i] for i in e.own_facts) for e in long] == [tuple(e.story) for e in short]
    assert len({e.story.start for e in long}) > 1
    assert all(130 < e.story.num_tokens <= 150 for e in long)


# BM25


STORY = ("The old whale.", "Mary went to the park.", "A ship at sea.", "John took the milk.", "Mary took the milk.")


def test_what_bm25_finds_keeps_its_order():
    pytest.importorskip("bm25s")
    example = Example(STORY, "Where is Mary milk?", ("park",), (1,), task="1")
    for count in (1, 2, 3, 5, 99):
        found = long_accuracy.retrieve(example, count)
        assert len(found.story) == min(count, len(STORY))
        assert list(found.story) == sorted(found.story, key=STORY.index)
    assert long_accuracy.retrieve(example, 3).story == (STORY[1], STORY[3], STORY[4])
    assert long_accuracy.retrieve(example, 1).story == (STORY[4],)
    assert long_accuracy.retrieve(example, 1).answer == ("park",)


def test_how_many_are_retrieved_is_chosen_by_training_questions(made, reader, monkeypatch):
    asked_of = []
    monkeypatch.setattr(long_accuracy, "retrieve", lambda example, count: (example, count))
    errors = {5: 3, 10: 1, 30: 1, 130: 2}

    class Counting:
        books, recipe = reader.books, reader.recipe

        def errors(self, examples):
            asked_of.append({example.story_id for example, _ in examples})
            return errors[examples[0][1]], []

    assert long_accuracy.choose_retrieved(Counting(), made[1], "1") == 10
    assert all(len(stories) == 8 for stories in asked_of), "the training file has 8 stories"


# The scripts


def test_errors_of_each_task_and_length_are_written_down(made, baseline, tmp_path, capsys):
    folder, data, books, answerers = made
    file = tmp_path / "sub" / "long.json"
    where = [str(folder / "8" / "run"), "--data-dir", str(data), "--books", str(books), "--json", str(file)]
    options = ["--tasks", "1-2", "--lengths", "0", "150", "--gru", str(baseline), "--gru-up-to", "0"]
    assert long_accuracy.main([*where, *options]) == 0
    result = json.loads(file.read_text())
    assert [(cell["task"], cell["length"]) for cell in result["cells"]] == [("1", 0), ("2", 0), ("1", 150), ("2", 150)]
    assert ["gru" in cell for cell in result["cells"]] == [True, True, False, False]
    assert not any("bm25" in cell for cell in result["cells"])
    assert result["run"] == {"tasks": ["1", "2"], "supervise_gates": False, "narrow_to": 8, "parameters": 123}
    assert "--data-dir DIR --books" in result["command"]
    reader = long_accuracy.Reader(answerers[8], Books(books / "test"))
    for cell in result["cells"]:
        examples = long_accuracy.hidden(reader, data, cell["task"], cell["length"], "test", 1000, 0)
        answers = [answerers[8].ask(example.story, example.question) for example in examples]
        wrong = sum(a.answer != " ".join(e.answer) for a, e in zip(answers, examples, strict=True))
        lost = [set(e.own_facts) - set(a.positions) for a, e in zip(answers, examples, strict=True)]
        assert cell["questions"] == len(examples) == 8
        assert cell["error"] == pytest.approx(100 * wrong / 8)
        assert cell["kept"] == pytest.approx(np.mean([len(a.positions) for a in answers]), abs=0.01)
        assert cell["lost"] == pytest.approx(np.mean([len(facts) for facts in lost]), abs=0.001)
    assert long_accuracy.table(result) in capsys.readouterr().out


def test_bm25_takes_the_place_of_the_first_pass(made, tmp_path):
    pytest.importorskip("bm25s")
    folder, data, books, answerers = made
    file = tmp_path / "long.json"
    where = [str(folder / "8" / "run"), "--data-dir", str(data), "--books", str(books), "--json", str(file)]
    assert long_accuracy.main([*where, "--tasks", "2", "--lengths", "150", "200", "--bm25-up-to", "150"]) == 0
    result = json.loads(file.read_text())
    [cell, longer] = result["cells"]
    reader = long_accuracy.Reader(answerers[8], Books(books / "test"))
    examples = long_accuracy.hidden(reader, data, "2", 150, "test", 1000, 0)
    found = [long_accuracy.retrieve(example, result["retrieved"]["2"]) for example in examples]
    said = [answerers[8].ask(example.story, example.question).answer for example in found]
    wrong = sum(answer != " ".join(e.answer) for answer, e in zip(said, examples, strict=True))
    assert cell["bm25"] == pytest.approx(100 * wrong / 8)
    assert "bm25" not in longer


def test_the_first_pass_costs_what_the_table_says(made, tmp_path, capsys, monkeypatch):
    folder, data, books, answerers = made
    file = tmp_path / "loss.json"
    monkeypatch.setattr(narrowing_loss, "KEPT", (8, 3))
    where = ["--data-dir", str(data), "--books", str(books), "--before", str(folder / "None" / "run")]
    options = ["--tasks", "2", "--lengths", "0", "100", "--all-up-to", "0", "--questions", "4"]
    assert narrowing_loss.main([str(folder / "8" / "run"), *where, *options, "--json", str(file)]) == 0
    result = json.loads(file.read_text())
    assert [list(row["errors"]) for row in result["rows"]] == [["all", "8", "3", "float16"], ["8", "3", "float16"]]
    reader = long_accuracy.Reader(answerers[8], Books(books / "test"))
    for row in result["rows"]:
        examples = asked(reader, data, row["length"])
        ways = {"8": answerers[8], "3": answerers[3]} | ({"all": answerers[None]} if row["length"] == 0 else {})
        for name, answerer in ways.items():
            wrong = sum(answerer.ask(e.story, e.question).answer != " ".join(e.answer) for e in examples)
            assert row["errors"][name] == 100 * wrong / 4, (row["length"], name)
    printed = narrowing_loss.table(result)
    assert printed in capsys.readouterr().out
    assert printed.splitlines()[0] == "| tokens | all read | 8 kept | 3 kept | 8 kept, float16 |"
    assert printed.splitlines()[3].startswith("| 100 | - | ")


def test_errors_among_neighbours_are_those_of_answers(made, tmp_path, capsys):
    pytest.importorskip("bm25s")
    folder, data, _, answerers = made
    file = tmp_path / "neighbours.json"
    options = ["--tasks", "2", "--lengths", "0", "100", "--questions", "4", "--json", str(file)]
    assert long_neighbours.main([str(folder / "8" / "run"), "--data-dir", str(data), *options]) == 0
    result = json.loads(file.read_text())
    config = f"{answerers[8].recipe.dataset_config},tokens=100,neighbours"
    given = {"task": "2", "split": "test", "data_dir": str(data), "config": config, "num_examples": 4}
    examples = datasets.load("babi_long", **given)
    for way, stories in (
        ("error", [e.story for e in examples]),
        ("bm25", [long_accuracy.retrieve(e, long_neighbours.RETRIEVED).story for e in examples]),
    ):
        said = [answerers[8].ask(story, e.question).answer for story, e in zip(stories, examples, strict=True)]
        wrong = sum(answer != " ".join(e.answer) for answer, e in zip(said, examples, strict=True))
        assert result["rows"][1][way] == {"2": 100 * wrong / 4}
    assert long_neighbours.table(result) in capsys.readouterr().out


def test_facts_of_the_same_kind_are_counted(tmp_path, capsys, monkeypatch):
    source = Source("stories", ("one-supporting-fact",))
    examples = source.load("test")[source.tasks[0]][:100]
    recipe = make_recipe(source, tiny(max_facts=None), examples)
    run = RunFolder(tmp_path / "run")
    run.create(recipe)
    model = randomize(build(recipe))
    model.optimizer.build(model.trainable_variables)
    run.save_model(model)
    monkeypatch.setattr(same_kind, "QUESTIONS", {30: 4})
    monkeypatch.setattr(same_kind, "MOST_QUESTIONS", 9)
    file = tmp_path / "same.json"
    assert same_kind.main([str(run.path), "--lengths", "12", "30", "--json", str(file)]) == 0
    result = json.loads(file.read_text())
    [(name, found)] = result["runs"].items()
    assert [(row["facts"], row["questions"]) for row in found["rows"]] == [(12, 9), (30, 4)]
    assert found["parameters"] == model.count_params()
    answerer = Answerer(run.path)
    for row in found["rows"]:
        sizes = {"config": f"num_facts={row['facts']}", "num_examples": row["questions"]}
        stories = datasets.load("stories", task=source.tasks[0], split="test", **sizes)
        wrong = sum(answerer.ask(e.story, e.question).answer != " ".join(e.answer) for e in stories)
        assert row["errors"] == {source.tasks[0]: pytest.approx(100 * wrong / len(stories))}
    printed = same_kind.table(result)
    assert printed in capsys.readouterr().out
    assert printed.splitlines()[2].startswith(f"| {name} | 12 | ")


def test_the_commands_are_run_about_one_long_story(made, tmp_path, capsys, monkeypatch):
    folder, _, books, answerers = made
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    # The answer of the file is what this model says, right or not.
    example = datasets.load("babi", task="2", split="test", data_dir=made[1], config="en-10k", num_examples=1)[0]
    story = hide(example, Books(books / "test"), 300, 0).story
    said = answerers[8].ask(story, example.question).answer
    data = write_babi(tmp_path / "babi", answer=said)
    file = tmp_path / "cost.json"
    where = [str(folder / "8" / "run"), "--data-dir", str(data), "--books", str(books), "--json", str(file)]
    assert long_cost.main([*where, "--lengths", "300"]) == 0
    result = json.loads(file.read_text())
    [row] = result["rows"]
    assert (row["length"], row["sentences"], row["right"]) == (300, len(story), True)
    assert all(row[f"{name}_seconds"] > 0 < row[f"{name}_megabytes"] for name in ("ask", "index", "ask_index"))
    assert row["index_on_disk_megabytes"] > 0 < row["further_seconds"]
    assert long_cost.table(result) in capsys.readouterr().out


@pytest.mark.parametrize(("said", "right"), [("park park", True), ("park home", False), ("home park", False)])
def test_costs_say_whether_each_answer_was_right(said, right, tmp_path, monkeypatch):
    said, commands = iter(said.split()), []

    def timed(arguments):
        commands.append(arguments[0])
        return 1.5, 700, "Read." if arguments[0] == "index" else json.dumps({"answer": next(said)})

    monkeypatch.setattr(long_cost, "_timed", timed)
    monkeypatch.setattr(long_cost, "_further", lambda *_: 0.01)
    story = tmp_path / "story.txt"
    story.with_suffix(".index").mkdir()
    row = long_cost.measure("run", story, Example(STORY, "Where is Mary?", ("park",), (1,), task="1"))
    assert commands == ["ask", "index", "ask"]
    assert row["right"] is right
    assert (row["ask_seconds"], row["index_megabytes"]) == (1.5, 700)


def test_a_command_that_fails_stops_the_measurement(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with pytest.raises(RuntimeError, match="no-such-command failed"):
        long_cost._timed(["no-such-command"])


def test_the_picture_is_drawn_even_if_a_supporting_fact_was_dropped(made, reader, tmp_path):
    folder, data, books, _ = made
    where = [str(folder / "8" / "run"), "--data-dir", str(data), "--books", str(books)]
    file = tmp_path / "gates.png"
    assert long_picture.main([*where, "--task", "2", "--tokens", "200", "--output", str(file)]) == 0
    assert file.stat().st_size > 10_000
    lost = [e for e in asked(reader, data, 1000) if set(e.supporting_facts) - set(reader.narrow(e)[0])]
    assert lost
    long_picture.draw(reader, lost[0], tmp_path / "lost.png")
    assert (tmp_path / "lost.png").stat().st_size > 10_000


# The baseline


class Says:
    """A model that gives one answer to every question, and remembers what it was given."""

    def __init__(self, word_id, size):
        self.logits, self.seen = np.eye(size)[word_id], []

    def predict_on_batch(self, inputs):
        self.seen.append(inputs)
        return np.tile(self.logits, (len(inputs), 1))


def test_wrong_answers_of_the_baseline_are_counted():
    examples = [
        Example(STORY[: 1 + i % 5], "Where is Mary?", (PLACES[i % 3],), (0,), task="1", story_id=i) for i in range(130)
    ]
    vocabulary = Vocabulary.from_examples(examples)
    for place, right in zip(PLACES, (44, 43, 43), strict=True):
        model = Says(vocabulary.words.index(place), len(vocabulary))
        assert word_gru.WordGru(model, vocabulary).wrong(examples) == 130 - right
    question = Encoder(vocabulary).sentence("Where is Mary?")
    for inputs in model.seen:
        assert len(inputs) == 100
        said = inputs[inputs.any(axis=1)]
        assert (said[:, -len(question) :] == question).all(), "the question stands last"
        assert all((np.diff((row > 0).astype(int)) >= 0).all() for row in said), "padding stands in front alone"
    assert sum(inputs.any(axis=1).sum() for inputs in model.seen) == 130


def test_padding_in_front_changes_nothing_for_the_baseline():
    model = randomize(word_gru._model(20, 6))
    ids = np.random.default_rng(0).integers(1, 20, (4, 9)).astype("int32")
    padded = np.pad(ids, ((0, 0), (7, 0)))
    np.testing.assert_allclose(model.predict_on_batch(padded), model.predict_on_batch(ids), atol=1e-5)


def test_the_trained_baseline_is_read_back(baseline):
    about = json.loads((baseline / "gru.json").read_text())
    assert len(about["valid_loss"]) == 2
    gru = word_gru.WordGru.load(baseline)
    assert list(gru.vocabulary.words[3:]) == about["words"]
    assert gru.model.output_shape[-1] == len(gru.vocabulary)


# The tables


@pytest.fixture(name="measured")
def measured_files(tmp_path, monkeypatch):
    """Measured files of two lengths, errors that differ by way, task and length."""
    monkeypatch.setattr(tables, "LONG", tmp_path)
    cells = [
        {"task": str(task), "length": length, "error": task + length / 100}
        | ({} if length else {"bm25": 10.0 * task, "gru": 50.0})
        for length in (0, 100)
        for task in range(1, 7)
    ]
    report.write(tmp_path / "long_answers_only.json", {"cells": cells})
    report.write(tmp_path / "long_supervised.json", {"cells": [{**cell, "error": 0.5} for cell in cells]})
    costs = [{"length": n, "ask_seconds": 1.25 + n, "ask_megabytes": 1000 + n} for n in (0, 100)]
    report.write(tmp_path / "long_cost.json", {"rows": costs})
    rows = [{"facts": n, "errors": {"one-fact": n / 10, "two-facts": 7.0}} for n in (20, 1000)]
    report.write(tmp_path / "same_kind.json", {"runs": {"chains": {"rows": rows}, "2 rounds": {"rows": rows[:1]}}})
    return tmp_path


def test_short_tables_are_of_the_measured_files(measured):
    assert tables.long().splitlines() == [
        "| tokens | 0 | 100 |",
        "| --- | ---: | ---: |",
        "| answers only | 3.00 | 4.00 |",
        "| gates supervised | 0.50 | 0.50 |",
        "| BM25 and ours | 30.00 | - |",
        "| word GRU | 50.00 | - |",
        "| `ask --story`, seconds | 1.2 | 101.2 |",
        "| its peak memory, MB | 1,000 | 1,100 |",
    ]
    assert tables.long_ways().splitlines()[2:] == [
        "| ours | 3.00 | 4.00 |",
        "| BM25, then ours | 30.00 | - |",
        "| word GRU | 50.00 | - |",
    ]
    assert tables.same().splitlines() == [
        "| run, task | 20 facts | 1,000 facts |",
        "| --- | ---: | ---: |",
        "| chains, one fact | 2.0 | 100.0 |",
        "| chains, two facts | 7.0 | 7.0 |",
        "| 2 rounds, one fact | 2.0 | - |",
        "| 2 rounds, two facts | 7.0 | - |",
    ]


def test_a_table_without_its_file_is_left_empty_but_not_kept(measured):
    empty, old = (f"a\n<!-- table: long -->\n{table}<!-- end -->\nb" for table in ("", "| old |\n"))
    assert tables.filled(empty) == tables.filled(old) == f"a\n<!-- table: long -->\n{tables.long()}\n<!-- end -->\nb"
    (measured / "long_cost.json").unlink()
    assert tables.filled(empty) == empty
    with pytest.raises(FileNotFoundError, match="long_cost"):
        tables.filled(old)


def test_one_command_fills_both_readmes(measured, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    (tmp_path / "benchmarks").mkdir()
    for name in tables.READMES:
        (tmp_path / name).write_text("<!-- table: same -->\n<!-- end -->\n")
    assert tables.main(["--check"]) == 1
    assert capsys.readouterr().out.count("out of date") == 2
    assert tables.main([]) == 0
    assert all(tables.same() in (tmp_path / name).read_text() for name in tables.READMES)
    assert tables.main(["--check"]) == 0


# Tokens


def test_our_tokens_are_counted_beside_others():
    found = long_tokens.count(["Mary went home.", "Old whale?"], lambda text: list(text.split(" ")))
    # Each has a blank in front, which this encoder makes an empty token of.
    assert found == {"sentences": 2, "tokens": 5, "gpt2_tokens": 7, "factor": 1.4}
    result = {"texts": {"babi": {**found, "factor": 1.2}, "books": found}, "package": "some 1.0"}
    assert "1.40 tokens of GPT-2 in the test books and 1.20 in bAbI" in long_tokens.sentence(result)
    assert "1,000,000 of ours are about 1,400,000 of GPT-2's" in long_tokens.sentence(result)
