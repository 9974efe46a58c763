import dataclasses
import json

import numpy as np
import pytest
from keras import ops

from dmn_keras.datasets import Example
from dmn_keras.long_context import train_retriever as module
from dmn_keras.long_context.train_retriever import train_retriever
from dmn_keras.models import RETRIEVER
from dmn_keras.tasks.question_answering import QuestionAnswerer
from dmn_keras.training.run_folder import RunFolder
from dmn_keras.training.trainer import train
from tests.training.runs import eagerly, own_data, snapshot, tensorflow_only, tiny, without_tracing

pytestmark = [tensorflow_only, without_tracing]

RNG = np.random.default_rng(5)
BOOK = [" ".join(RNG.choice(["whale", "ship", "sea", "Mary", "old", "home"], 5)) + "." for _ in range(60)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A trained run and the source of its questions."""
    folder = tmp_path_factory.mktemp("trained")
    source = own_data(folder / "data")
    with eagerly():
        train(source, tiny(max_facts=2), folder / "run", verbose=0)
    return RunFolder(folder / "run"), source


@pytest.fixture(scope="module")
def with_retriever(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("with_retriever") / "run"
    metrics = train_retriever(*trained, BOOK, RunFolder(folder), epochs=30, batch_size=16)
    return RunFolder(folder), metrics


def test_gates_learn_to_tell_facts_from_the_sentences_of_a_book(with_retriever):
    _, metrics = with_retriever
    assert metrics["retriever"]["facts_selected"] == 100.0
    assert metrics["retriever"]["background_selected"] == 0.0
    assert metrics["retriever"]["background"] == metrics["retriever"]["facts"] == 6
    assert json.loads(with_retriever[0].metrics.read_text()) == metrics


def test_facts_about_a_name_never_seen_are_selected_where_the_vocabulary_is_open(tmp_path):
    source = own_data(tmp_path / "data")
    with eagerly():
        train(source, tiny(num_placeholders=4, min_stories=1, epochs=1), tmp_path / "trained", verbose=0)
    run = RunFolder(tmp_path / "run")
    train_retriever(RunFolder(tmp_path / "trained"), source, BOOK, run, epochs=60, batch_size=16)
    story, question = [*BOOK[:20], "Zoe office.", *BOOK[20:40], "Yan park."], "Where is Zoe?"
    assert run.load().ask(story, question).positions == (20, 41)


def test_a_fragment_is_part_of_its_sentence_and_as_long_as_asked():
    fragments = {module._fragment((5, 6, 7, 8, 2), 3, np.random.default_rng(i)) for i in range(20)}
    assert fragments == {(5, 6, 2), (6, 7, 2), (7, 8, 2)}
    assert {module._fragment((5, 6, 2), length, RNG) for length in (3, 4, 9)} == {(5, 6, 2)}
    assert module._fragment((2,), 4, RNG) == (2,)


def test_sentences_may_be_of_any_length(trained, tmp_path):
    """Batches are as wide as their sentences: compiled, for each width is a shape of its own."""
    lengths = (3, 3, 3, 12, 12, 20) * 8
    book = [" ".join(RNG.choice(["whale", "ship", "sea"], length)) for length in sorted(lengths)]
    metrics = train_retriever(*trained, book, RunFolder(tmp_path / "run"), epochs=2, batch_size=4)
    assert metrics["retriever"]["background"] == 5


def test_the_runs_own_layers_stay_as_they_are(trained, with_retriever):
    before, after = trained[0].load().network, with_retriever[0].load().network
    of_run = [layer for layer in before.layers if layer.weights]
    assert of_run
    for layer in of_run:
        for old, new in zip(layer.get_weights(), after.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(new, old)


def test_max_facts_becomes_the_most_facts_that_are_retrieved(with_retriever):
    qa = with_retriever[0].load()
    assert (qa.config.model.max_retrieved_facts, qa.config.data.max_facts) == (2, None)
    assert qa.network.get_layer(RETRIEVER).max_facts == 2


def outputs_of(run, story, question):
    qa = run.load()
    outputs = qa.network(qa.preprocessor([Example(tuple(story), question)]))
    return {name: ops.convert_to_numpy(x)[0] for name, x in outputs.items()}


def test_a_story_is_answered_in_a_book_as_it_is_alone(trained, with_retriever):
    story, question = ["Mary office.", "John park."], "Where is John?"
    alone = outputs_of(trained[0], story, question)
    hidden = outputs_of(with_retriever[0], [*BOOK[:20], story[0], *BOOK[20:50], story[1], *BOOK[50:]], question)
    np.testing.assert_allclose(hidden["answer"], alone["answer"], atol=1e-5)
    np.testing.assert_allclose(hidden["gates"][:, [20, 51]], alone["gates"], atol=1e-5)
    assert np.count_nonzero(np.delete(hidden["gates"], [20, 51], axis=1)) == 0


def test_a_killed_call_can_be_repeated_and_the_same_seed_gives_the_same_run(trained, tmp_path, monkeypatch):
    class Killed(BaseException):
        """As SIGKILL, nothing catches it."""

    def kill(*_):
        raise Killed

    runs = []
    for owner, name in ((module, "save_weights"), (RunFolder, "create")):
        output = RunFolder(tmp_path / name)
        with eagerly():
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, kill)
                with pytest.raises(Killed):
                    train_retriever(*trained, BOOK, output, epochs=1)
            with pytest.raises(FileNotFoundError, match="does not hold a run"):
                output.load()
            train_retriever(*trained, BOOK, output, epochs=1)
        runs.append(output.load())
    for old, new in zip(*(run.network.weights for run in runs), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(new), ops.convert_to_numpy(old))


def test_mistakes_are_named_and_nothing_is_written(trained, with_retriever, tmp_path):
    output = RunFolder(tmp_path / "run")
    with pytest.raises(ValueError, match="must hold a run without a retriever"):
        train_retriever(with_retriever[0], trained[1], BOOK, output)
    other, asked = RunFolder(tmp_path / "other"), [Example(("Mary is here.",), "Who is here?", ("Mary",), (0,))]
    baseline = QuestionAnswerer(family="baseline", units=2)
    baseline.adapt(asked)
    baseline.save_to_preset(other.path)
    with pytest.raises(ValueError, match=r"must hold a run of model.family=dmn\. Received: baseline"):
        train_retriever(other, trained[1], BOOK, output)
    with pytest.raises(ValueError, match=r"at least 20 sentences\. Received: 19"):
        train_retriever(*trained, BOOK[:19], output)
    with pytest.raises(ValueError, match=r"max_retrieved_facts must be a positive integer\. Received: max_"):
        train_retriever(*trained, BOOK, output, max_retrieved_facts=0)
    with pytest.raises(ValueError, match=r"epochs must be a positive integer\. Received: epochs=0"):
        train_retriever(*trained, BOOK, output, epochs=0)
    assert not output.path.exists()
    before = snapshot(with_retriever[0].path)
    with pytest.raises(FileExistsError, match="holds a run already"):
        train_retriever(*trained, BOOK, with_retriever[0])
    assert snapshot(with_retriever[0].path) == before


def test_a_model_may_learn_all_at_once(trained, tmp_path):
    """From stories that name their own facts among others, in one training."""
    _, source = trained
    examples = source.load("train")["all"]
    assert all(e.story_positions is None for e in examples)

    def insert_into_background(example, sentence):
        own = tuple(range(1, 1 + len(example.story)))
        return dataclasses.replace(example, story=(sentence, *example.story), supporting_facts=(), story_positions=own)

    class Hidden(type(source)):
        def load(self, split, *, seed=0):
            return {"all": list(map(insert_into_background, examples, BOOK))}

    given = Hidden(source.dataset, source.tasks, source.data_dir)
    settings = {"max_retrieved_facts": 5, "epochs": 25, "patience": 25, "learning_rate": 0.02}
    metrics = train(given, tiny(**settings), tmp_path / "run", verbose=0)
    assert metrics["epochs"] == 25
    qa = RunFolder(tmp_path / "run").load()
    assert "whale" not in qa.vocabulary.words  # what only the background text says is unknown
    assert qa.config.model.max_retrieved_facts == 5
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert history[-1]["retriever_logits_loss"] < 0.3 * history[0]["retriever_logits_loss"]
