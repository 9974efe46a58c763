"""The benchmarks of long memory, on tiny sizes: what they count against what the public classes answer."""

import contextlib
import io
import itertools
import json
import pathlib
import random

import keras
import numpy as np
import pytest

from benchmarks import long_accuracy, long_cost, long_picture, retriever_accuracy, same_kind, word_gru
from dmn_keras import cli, datasets
from dmn_keras.datasets import Example, Source
from dmn_keras.datasets.babi_long import Books, insert_into_background
from dmn_keras.text import Vocabulary, sentence_ids
from tests.layers.helpers import randomize
from tests.long_stories import task_with_retriever
from tests.training.runs import in_eager_steps, tensorflow_only, tiny_task, without_tracing

pytestmark = [tensorflow_only, without_tracing, in_eager_steps]
ROOT = pathlib.Path(__file__).parents[1]
PLACES = ["park", "office", "home"]
STORY = ("The old whale.", "Mary went to the park.", "A ship at sea.", "John took the milk.", "Mary took the milk.")


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
        sentences = [" ".join(rng.choices(words, k=rng.choice([1, 2, 5, 9, 20]))) + "." for _ in range(count)]
        (folder / part).mkdir(parents=True)
        (folder / part / "book.txt").write_text("\n\n".join(sentences))
    return folder


@pytest.fixture(scope="module", name="made")
def everything(tmp_path_factory):
    """Arguments of the scripts, and by the most facts that they retrieve the tasks of models with random weights."""
    folder = tmp_path_factory.mktemp("made")
    data, books = write_babi(folder / "babi"), write_books(folder / "books")
    source = Source("babi", ("1", "2"), str(data), "en-10k")
    settings = {"seed": 1, "fact_encoder": "position", "num_passes": 1}
    tasks = {
        most: task_with_retriever(folder / str(most), source=source, max_retrieved_facts=most, **settings)
        for most in (8, 3, None)
    }
    arguments = [str(folder / "8" / "run"), "--data-dir", str(data), "--books", str(books)]
    return folder, arguments, tasks


@pytest.fixture(scope="module", name="baseline")
def trained_word_gru(made, tmp_path_factory):
    output = tmp_path_factory.mktemp("gru")
    options = ["--tasks", "1,2", "--tokens", "60", "--units", "4", "--epochs", "2", "--output", str(output)]
    word_gru.main([*made[1][1:], *options])
    return output


def asked(made, length, task="2", count=4):
    """The questions that the scripts ask."""
    folder = made[0]
    source, books = Source("babi", ("1", "2"), str(folder / "babi"), "en-10k"), Books(folder / "books" / "test")
    return long_accuracy.load_in_books(source, books, task, length, "test", count, 0)


def error(qa, examples):
    """The share of wrong answers in percent."""
    answers = [answer.answer for answer in qa.predict(examples)]
    return 100 * np.mean([a != " ".join(e.answer) for a, e in zip(answers, examples, strict=True)])


def test_each_question_has_positions_of_its_own_and_is_the_same_at_every_length(made):
    short, long = (asked(made, length) for length in (0, 150))
    assert [e.question for e in short] == [e.question for e in long]
    assert [tuple(e.story[i] for i in e.story_positions) for e in long] == [tuple(e.story) for e in short]
    assert len({e.story.start for e in long}) > 1
    assert all(130 < e.story.num_tokens <= 150 for e in long)


def test_errors_of_each_task_and_length_are_written_down(made, baseline, tmp_path, capsys):
    _, arguments, tasks = made
    file = tmp_path / "sub" / "long.json"
    options = f"--tasks 1-2 --lengths 0 150 --gru {baseline} --gru-up-to 0 --json {file}".split()
    long_accuracy.main([*arguments, *options])
    result = json.loads(file.read_text())
    assert [(cell["task"], cell["length"]) for cell in result["cells"]] == [("1", 0), ("2", 0), ("1", 150), ("2", 150)]
    assert ["gru" in cell for cell in result["cells"]] == [True, True, False, False]
    assert (result["run"]["tasks"], result["run"]["max_retrieved_facts"]) == (["1", "2"], 8)
    for cell in result["cells"]:
        examples = asked(made, cell["length"], cell["task"], 1000)
        answers = tasks[8].predict(examples)
        lost = [set(e.story_positions) - set(a.positions) for a, e in zip(answers, examples, strict=True)]
        assert cell["questions"] == len(examples) == 8
        assert cell["error"] == pytest.approx(error(tasks[8], examples))
        assert cell["selected"] == pytest.approx(np.mean([len(a.positions) for a in answers]), abs=0.01)
        assert cell["lost"] == pytest.approx(np.mean([len(facts) for facts in lost]), abs=0.001)
    assert long_accuracy.table(result) in capsys.readouterr().out
    # The same command keeps what was measured.
    result["cells"] = [*result["cells"][:2], {**result["cells"][2], "error": 12.5}]
    file.write_text(json.dumps(result))
    long_accuracy.main([*arguments, *options])
    cells = json.loads(file.read_text())["cells"]
    assert (len(cells), cells[2]["error"]) == (4, 12.5)


def test_what_bm25_finds_keeps_its_order():
    pytest.importorskip("bm25s")
    example = Example(STORY, "Where is Mary milk?", ("park",), (1,), task="1")
    for count in (1, 2, 3, 5, 99):
        found = long_accuracy.retrieve(example, count)
        assert len(found.story) == min(count, len(STORY))
        assert list(found.story) == sorted(found.story, key=STORY.index)
    assert long_accuracy.retrieve(example, 3).story == (STORY[1], STORY[3], STORY[4])
    assert long_accuracy.retrieve(example, 1).story == (STORY[4],)


def test_bm25_takes_the_place_of_the_retriever(made, tmp_path):
    pytest.importorskip("bm25s")
    file = tmp_path / "long.json"
    options = ["--tasks", "2", "--lengths", "150", "200", "--bm25-up-to", "150", "--json", str(file)]
    long_accuracy.main([*made[1], *options])
    result = json.loads(file.read_text())
    cell, longer = result["cells"]
    found = [long_accuracy.retrieve(e, result["retrieved"]["2"]) for e in asked(made, 150, count=1000)]
    assert cell["bm25"] == pytest.approx(error(made[2][8], found))
    assert "bm25" not in longer


def test_the_retriever_costs_what_the_table_says(made, tmp_path, capsys, monkeypatch):
    folder, arguments, tasks = made
    file = tmp_path / "limits.json"
    monkeypatch.setattr(retriever_accuracy, "MOST", (8, 3))
    options = ["--before", str(folder / "None" / "run"), "--tasks", "2", "--lengths", "0", "100", "--all-up-to", "0"]
    retriever_accuracy.main([*arguments, *options, "--questions", "4", "--json", str(file)])
    result = json.loads(file.read_text())
    assert [list(row["errors"]) for row in result["rows"]] == [["all", "8", "3", "float16"], ["8", "3", "float16"]]
    for row in result["rows"]:
        examples = asked(made, row["length"])
        ways = {"8": tasks[8], "3": tasks[3]} | ({"all": tasks[None]} if row["length"] == 0 else {})
        for name, qa in ways.items():
            assert row["errors"][name] == error(qa, examples), (row["length"], name)
    printed = retriever_accuracy.table(result)
    assert printed in capsys.readouterr().out
    assert printed.splitlines()[3].startswith("| 100 | - | ")


def test_facts_are_retrieved_as_by_the_task(made, tmp_path, monkeypatch):
    folder, _, tasks = made
    source = Source("babi", ("1", "2"), str(folder / "babi"), "en-10k")
    closed = task_with_retriever(tmp_path, source=source, gate_bias=-100.0, fact_encoder="position")
    monkeypatch.setattr(retriever_accuracy, "MOST", (8,))
    for qa, example in itertools.product((tasks[8], closed), asked(made, 1000)):
        [retrieved] = qa.retriever.retrieve(example.story, [example.question])
        story = tuple(fact.text for fact in retrieved.facts or (retrieved.nearest,))
        assert retriever_accuracy.retrieve(qa, example)["8"].story == story


def test_facts_of_the_same_kind_are_counted(tmp_path, capsys, monkeypatch):
    source = Source("stories", ("one-supporting-fact",))
    qa = tiny_task(source.load("test")[source.tasks[0]][:100], max_facts=None)
    randomize(qa.network)
    qa.save_to_preset(tmp_path / "run", source=source.to_dict())
    monkeypatch.setattr(same_kind, "QUESTIONS", {30: 4})
    monkeypatch.setattr(same_kind, "MOST_QUESTIONS", 9)
    file = tmp_path / "same.json"
    same_kind.main([str(tmp_path / "run"), "--lengths", "12", "30", "--json", str(file)])
    result = json.loads(file.read_text())
    [found] = result["runs"]
    assert (found["model"], found["seed"]) == ("`linked`", qa.config.trainer.seed)
    assert [(row["facts"], row["questions"]) for row in found["rows"]] == [(12, 9), (30, 4)]
    assert found["parameters"] == qa.network.count_params()
    for row in found["rows"]:
        sizes = {"config": f"num_facts={row['facts']}", "num_examples": row["questions"]}
        stories = datasets.load("stories", task=source.tasks[0], split="test", **sizes)
        assert row["errors"] == {source.tasks[0]: pytest.approx(error(qa, stories))}
    assert same_kind.table(result) in capsys.readouterr().out


def test_the_commands_are_run_about_one_long_story(made, tmp_path, capsys, monkeypatch):
    """Here in this process, but for the one that asks an index twice."""
    folder, [run, *_], tasks = made
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    seconds, megabytes, output = long_cost.timed(["ask", "--help"])
    assert seconds > 0 < megabytes
    assert output.startswith("usage: dmn-keras ask")
    with pytest.raises(RuntimeError, match="no-such-command failed"):
        long_cost.timed(["no-such-command"])

    def timed(arguments):
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            assert cli.main([*map(str, arguments)]) == 0
        return 0.5, 7, out.getvalue()

    monkeypatch.setattr(long_cost, "timed", timed)
    # The answer in the file is that of this model, right or not.
    books = folder / "books"
    [example] = datasets.load("babi", task="2", split="test", data_dir=folder / "babi", config="en-10k", num_examples=1)
    story = insert_into_background(example, Books(books / "test"), 300, 0).story
    data = write_babi(tmp_path / "babi", answer=tasks[8].ask(story, example.question).answer)
    file = tmp_path / "cost.json"
    where = [run, "--data-dir", str(data), "--books", str(books), "--json", str(file)]
    assert long_cost.main([*where, "--lengths", "300"]) == 0
    result = json.loads(file.read_text())
    [row] = result["rows"]
    assert (row["length"], row["sentences"], row["right"]) == (300, len(story), True)
    assert all((row[f"{name}_seconds"], row[f"{name}_megabytes"]) == (0.5, 7) for name in ("ask", "index", "ask_index"))
    assert row["further_seconds"] > 0
    assert long_cost.table(result) in capsys.readouterr().out


def test_the_picture_is_drawn_even_if_a_supporting_fact_was_dropped(made, tmp_path):
    _, arguments, tasks = made
    file = tmp_path / "gates.png"
    long_picture.main([*arguments, "--task", "2", "--tokens", "200", "--output", str(file)])
    assert file.stat().st_size > 10_000
    qa = tasks[8]
    lost = [e for e in asked(made, 1000) if set(e.supporting_facts) - set(qa.ask(e.story, e.question).positions)]
    long_picture.draw(qa, lost[0], tmp_path / "lost.png")
    assert (tmp_path / "lost.png").stat().st_size > 10_000


# The baseline


class Constant:
    """A model that gives one answer to every question, and remembers what it was given."""

    def __init__(self, word_id, size):
        self.logits, self.inputs = np.eye(size)[word_id], []

    def predict_on_batch(self, inputs):
        self.inputs.append(inputs)
        return np.tile(self.logits, (len(inputs), 1))


def test_wrong_answers_of_the_baseline_are_counted():
    examples = [
        Example(STORY[: 1 + i % 5], "Where is Mary?", (PLACES[i % 3],), (0,), task="1", story_id=i) for i in range(130)
    ]
    vocabulary = Vocabulary.from_examples(examples)
    for place, right in zip(PLACES, (44, 43, 43), strict=True):
        model = Constant(vocabulary.words.index(place), len(vocabulary))
        assert word_gru.WordGRU(model, vocabulary).wrong(examples) == 130 - right
    question = sentence_ids(vocabulary, "Where is Mary?")
    for inputs in model.inputs:
        rows = inputs[inputs.any(axis=1)]
        assert len(inputs) == 100
        assert (rows[:, -len(question) :] == question).all(), "the question stands last"
        assert all((np.diff((row > 0).astype(int)) >= 0).all() for row in rows), "padding stands in front alone"
    assert sum(inputs.any(axis=1).sum() for inputs in model.inputs) == 130


def test_the_trained_baseline_is_read_back(made, baseline):
    assert len(json.loads((baseline / "gru.json").read_text())["valid_loss"]) == 2
    gru = word_gru.WordGRU.load(baseline)
    assert len(gru.vocabulary) == gru.model.output_shape[-1]
    assert 0 <= gru.wrong(asked(made, 150)) <= 4
