import dataclasses
import json

import numpy as np
import pytest
from keras import ops

from dmn_keras.models.dmn import NARROWING
from dmn_keras.text import Encoder, pad_ids, pad_sentences
from dmn_keras.training.trainer import train
from dmn_keras.training.narrowing import narrow
from dmn_keras.training.run_folder import RunFolder
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
def narrowed(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("narrowed") / "run"
    with eagerly():
        metrics = narrow(*trained, BOOK, RunFolder(folder), epochs=30, batch_size=16)
    return RunFolder(folder), metrics


def test_gates_learn_to_tell_facts_from_the_sentences_of_a_book(narrowed):
    _, metrics = narrowed
    assert metrics["narrowing"]["facts_kept"] == 100.0
    assert metrics["narrowing"]["background_kept"] == 0.0
    assert metrics["narrowing"]["background"] == metrics["narrowing"]["facts"] == 6
    assert json.loads(narrowed[0].metrics.read_text()) == metrics


def test_sentences_may_be_of_any_length(trained, tmp_path):
    """Batches are as wide as their sentences, and more than a few: compiled, for each width is a shape of its own."""
    book = [
        " ".join(RNG.choice(["whale", "ship", "sea"], length)) for length in (3, 3, 3, 12, 12, 20) for _ in range(20)
    ]
    metrics = narrow(*trained, book, RunFolder(tmp_path / "run"), epochs=2, batch_size=4)
    assert metrics["narrowing"]["background"] == 12


def test_the_runs_own_layers_stay_as_they_are(trained, narrowed):
    before, after = trained[0].load()[0], narrowed[0].load()[0]
    of_run = [layer for layer in before.layers if layer.weights]
    assert of_run
    for layer in of_run:
        for old, new in zip(layer.get_weights(), after.get_layer(layer.name).get_weights(), strict=True):
            np.testing.assert_array_equal(new, old)


def test_max_facts_becomes_the_most_facts_that_are_kept(narrowed):
    recipe = narrowed[0].recipe()
    assert (recipe.config.narrow_to, recipe.config.max_facts) == (2, None)
    assert narrowed[0].load()[0].get_layer(NARROWING).top_facts == 2


def outputs_of(run, story, question):
    model, vocabulary, _ = run.load()
    encoder = Encoder(vocabulary)
    ids, asked = [encoder.sentence(text) for text in story], encoder.sentence(question)
    inputs = {"story": pad_sentences([ids], len(ids), 8), "question": pad_ids([asked], len(asked))}
    outputs = model({name: ops.convert_to_tensor(x) for name, x in inputs.items()})
    return {name: ops.convert_to_numpy(x)[0] for name, x in outputs.items()}


def test_a_story_is_answered_in_a_book_as_it_is_alone(trained, narrowed):
    story, question = ["Mary office.", "John park."], "Where is John?"
    alone = outputs_of(trained[0], story, question)
    hidden = outputs_of(narrowed[0], [*BOOK[:20], story[0], *BOOK[20:50], story[1], *BOOK[50:]], question)
    np.testing.assert_allclose(hidden["answer"], alone["answer"], atol=1e-5)
    np.testing.assert_allclose(hidden["gates"][:, [20, 51]], alone["gates"], atol=1e-5)
    assert np.count_nonzero(np.delete(hidden["gates"], [20, 51], axis=1)) == 0


def test_the_same_seed_gives_the_same_run(trained, tmp_path):
    runs = [RunFolder(tmp_path / name) for name in ("one", "again")]
    with eagerly():
        for run in runs:
            narrow(*trained, BOOK, run, epochs=2)
    for old, new in zip(*(run.load()[0].weights for run in runs), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(new), ops.convert_to_numpy(old))


@pytest.mark.parametrize("stop", ["save_model", "create"])
def test_a_killed_call_can_be_repeated(stop, trained, tmp_path, monkeypatch):
    class Killed(BaseException):
        """As SIGKILL, nothing catches it."""

    def kill(self, *_):
        raise Killed

    output = RunFolder(tmp_path / "run")
    with eagerly():
        with monkeypatch.context() as patch:
            patch.setattr(RunFolder, stop, kill)
            with pytest.raises(Killed):
                narrow(*trained, BOOK, output, epochs=1)
        with pytest.raises(FileNotFoundError, match="does not hold a run"):
            output.load()
        narrow(*trained, BOOK, output, epochs=1)
    output.load()


def test_mistakes_are_named_and_nothing_is_written(trained, narrowed, tmp_path):
    output = RunFolder(tmp_path / "run")
    with pytest.raises(ValueError, match="does not narrow yet"):
        narrow(narrowed[0], trained[1], BOOK, output)
    with pytest.raises(ValueError, match=r"at least 20 sentences\. Received: 19"):
        narrow(*trained, BOOK[:19], output)
    with pytest.raises(ValueError, match=r"narrow_to must be a positive integer\. Received: max_retrieved_facts=0"):
        narrow(*trained, BOOK, output, max_retrieved_facts=0)
    with pytest.raises(ValueError, match=r"epochs must be a positive integer\. Received: epochs=0"):
        narrow(*trained, BOOK, output, epochs=0)
    assert not output.path.exists()
    before = snapshot(narrowed[0].path)
    with pytest.raises(FileExistsError, match="holds a run already"):
        narrow(*trained, BOOK, narrowed[0])
    assert snapshot(narrowed[0].path) == before


def test_a_model_may_learn_all_at_once(trained, tmp_path):
    """From stories that name their own facts among others, in one training."""
    _, source = trained
    examples = source.load("train")["all"]
    assert all(e.story_positions is None for e in examples)

    hidden = {"all": [dataclasses.replace(e, story=(BOOK[i], *e.story), story_positions=tuple(range(1, 1 + len(e.story))),
                                          supporting_facts=()) for i, e in enumerate(examples)]}  # fmt: skip

    class Hidden(type(source)):
        def load(self, split, *, seed=0):
            return hidden

    given = Hidden(source.dataset, source.tasks, source.data_dir)
    with eagerly():
        metrics = train(
            given, tiny(max_retrieved_facts=5, epochs=25, patience=25, learning_rate=0.02), tmp_path / "run", verbose=0,
            say=lambda line: None,
        )  # fmt: skip
    assert metrics["epochs"] == 25
    _, vocabulary, recipe = RunFolder(tmp_path / "run").load()
    assert "whale" not in vocabulary.words  # what only the hiding place says is unknown
    assert recipe.config.narrow_to == 5
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert history[-1]["narrowing_loss"] < 0.3 * history[0]["narrowing_loss"]
