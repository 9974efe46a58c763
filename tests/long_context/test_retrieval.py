"""A story read in pieces leaves the facts that it leaves when it is read at once."""

import tracemalloc

import numpy as np
import pytest
from keras import ops

from dmn_keras.datasets import Example
from dmn_keras.layers.fact_retriever import select_facts
from dmn_keras.tasks.question_answering.retrieval import StoryRetriever, selected_facts
from dmn_keras.text import MAX_WORDS
from tests.long_stories import QUESTION, long_story, task_with_retriever
from tests.training.runs import in_eager_steps, without_tracing

pytestmark = [without_tracing, in_eager_steps]
QUESTIONS = [QUESTION, "Is the whale at home?"]


@pytest.fixture(scope="module", params=[8, 500])
def made(request, tmp_path_factory):
    """A model that selects fewer facts than are above the threshold, and one that keeps all of them."""
    return task_with_retriever(tmp_path_factory.mktemp("made"), max_retrieved_facts=request.param)


def at_once(qa, story, question):
    """What the retriever says of the whole story, padded to its longest sentence: gates, and which are selected."""
    retrieved = qa.retriever.layer(**qa.preprocessor([Example(tuple(story), question)]))
    return ops.convert_to_numpy(retrieved["gates"])[0], np.flatnonzero(ops.convert_to_numpy(retrieved["retrieved"])[0])


@pytest.mark.parametrize("chunk", [7, 100, 8192])
def test_pieces_of_any_size_leave_the_same_facts(chunk, made):
    story = long_story()
    retriever = StoryRetriever(made.network, made.vocabulary, chunk=chunk)
    for question, retrieved in zip(QUESTIONS, retriever.retrieve(iter(story), QUESTIONS), strict=True):
        gates, kept = at_once(made, story, question)
        assert (gates > 0.5).sum() > 8, "so that there is something to choose among"
        assert [fact.position for fact in retrieved.facts] == kept.tolist()
        assert [fact.text for fact in retrieved.facts] == [story[i] for i in kept]
        np.testing.assert_allclose([fact.gate for fact in retrieved.facts], gates[kept], atol=1e-5)
        assert retrieved.nearest.gate == pytest.approx(gates.max(), abs=1e-5)
        assert retrieved.num_facts == len(story)


def test_the_rule_is_that_of_the_layer():
    rng = np.random.default_rng(0)
    for most in (1, 3, 20, 200):
        gates = rng.choice([0.1, 0.5, 0.5001, 0.7, 0.7004, 0.9, 0.90049, 1.0], 60).astype("float32")
        story = np.ones((1, len(gates), 1), "int32")
        expected = ops.convert_to_numpy(select_facts(story, ops.convert_to_tensor(gates[None]), most)["retrieved"])[0]
        np.testing.assert_array_equal(selected_facts(gates, most), np.flatnonzero(expected))


def test_of_equal_facts_the_later_are_kept(tmp_path):
    retriever = task_with_retriever(tmp_path, max_retrieved_facts=3, gate_bias=100.0).retriever
    retriever.chunk = 4
    [retrieved] = retriever.retrieve(["Mary park."] * 10, [QUESTION])
    assert [fact.position for fact in retrieved.facts] == [7, 8, 9]


def test_sentences_without_a_word_are_not_counted(made):
    [retrieved] = made.retriever.retrieve(["", "Mary park.", "...", "John home."] * 9, [QUESTION])
    [without] = made.retriever.retrieve(["Mary park.", "John home."] * 9, [QUESTION])
    assert retrieved == without
    assert retrieved.num_facts == 18


def test_sentences_are_read_as_the_preprocessor_reads_them(made):
    texts = ["Mary park.", "", "?", "Zoe is. Home", "park " * (MAX_WORDS + 44)]
    read = made.retriever.read(texts)
    assert read.facts == [0, 3, 4]
    assert read.num_words == [2, 4, MAX_WORDS]
    [encoded] = made.preprocessor.encode([Example(tuple(texts), QUESTION)])
    for vector, ids in zip(read.vectors, encoded.story, strict=True):
        alone = ops.convert_to_numpy(made.retriever.layer.vectors(np.array([[ids]], "int32")))[0, 0]
        np.testing.assert_allclose(vector, alone, atol=1e-5)


def test_mistakes_are_named(made, tmp_path):
    for story in ([], ["", "..."]):
        with pytest.raises(ValueError, match=r"story must hold at least one word\. Received an empty story"):
            made.retriever.retrieve(story, [QUESTION])
    whole = task_with_retriever(tmp_path, max_retrieved_facts=None)
    assert whole.retriever is None
    with pytest.raises(ValueError, match=r"model must have a retriever \(max_retrieved_facts\)"):
        StoryRetriever(whole.network, whole.vocabulary)
    with pytest.raises(ValueError, match=r"chunk must be a positive integer\. Received: chunk=0"):
        StoryRetriever(made.network, made.vocabulary, chunk=0)


@pytest.mark.parametrize("made", [8], indirect=True)
def test_memory_does_not_grow_with_the_story(made):
    retriever = StoryRetriever(made.network, made.vocabulary, chunk=512)

    def peak(num_facts):
        tracemalloc.start()
        # A sentence takes a kilobyte and is said once.
        retriever.retrieve((f"Mary park {i:01000}." for i in range(num_facts)), [QUESTION])
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)
    assert peak(6000) < 3e6, "the sentences have 6 MB"
