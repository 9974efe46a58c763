"""A story of any length, read once in pieces -> the few facts that the retriever of a model selects."""

import functools
import itertools
from typing import NamedTuple

import numpy as np
from keras import ops

from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.fact_retriever import LEVELS, THRESHOLD
from dmn_keras.models import RETRIEVER, can_retrieve
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.text import MAX_WORDS, sentence_ids

_WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, MAX_WORDS + 1)  # words that facts are padded to
_SENTENCE = FeatureSpec("int32", ("words",))
_ROWS = 512  # facts that are padded to one width
_REMEMBERED, _SHORT = 1 << 14, 200  # sentences that are encoded once where they are repeated, and their characters


class RetrievedFact(NamedTuple):
    """A fact of a story that was read in pieces.

    Attributes:
        position: Its number in the story, from 0; sentences without a word are not counted.
        text: The sentence.
        gate: Gate of the retriever, between 0 and 1.
    """

    position: int
    text: str
    gate: float


class Retrieved(NamedTuple):
    """What a retriever selects of a story.

    Attributes:
        facts: Tuple of the selected `RetrievedFact`s, in the story's order.
        nearest: The `RetrievedFact` with the highest gate, selected or not.
        num_facts: How many facts were read.
        num_above_threshold: How many of them have a gate above the threshold: more than are selected where that is
            limited.
    """

    facts: tuple[RetrievedFact, ...]
    nearest: RetrievedFact
    num_facts: int
    num_above_threshold: int


class Vectors(NamedTuple):
    """Sentences as the retriever reads them, before it knows the question.

    Attributes:
        facts: Indexes of the sentences that hold a word, ascending, a list.
        vectors: Their vectors, float32 `(facts, units)`.
        num_words: How many words of each were read, a list.
    """

    facts: list
    vectors: np.ndarray
    num_words: list


class StoryRetriever:
    """Runs the retriever of a model (`dmn_keras.layers.FactRetriever`) over stories of any length.

    A gate depends on its fact and the question alone. The story is therefore read `chunk` sentences at a time, and what
    is held of it are the best facts so far: the same ones as of the whole story at once, in memory that does not grow
    with the story. Given these facts as its story, the model selects them all again, and gives the answer that it gives
    to the whole; where no gate is above the threshold it gets the `nearest`, and drops it.

    Args:
        model: What `dmn` built with `max_retrieved_facts`, trained.
        vocabulary: Its `Vocabulary`.
        chunk: Positive integer, how many sentences are read at a time. Defaults to 8192.

    Raises:
        ValueError: If the model has no retriever, or `chunk` is out of range.

    Example:

        retriever = StoryRetriever(model, vocabulary)
        sentences = (sentence.text for sentence in read_sentences("story.txt"))
        [retrieved] = retriever.retrieve(sentences, ["Where is Mary?"])
        [fact.text for fact in retrieved.facts]
    """

    def __init__(self, model, vocabulary, *, chunk=8192):
        if not can_retrieve(model):
            raise ValueError(
                "model must have a retriever (max_retrieved_facts). Received a model that reads every story whole."
            )
        self.layer = model.get_layer(RETRIEVER)
        self.vocabulary = vocabulary
        self.chunk = positive_integer("chunk", chunk)
        self._remembered = functools.lru_cache(maxsize=_REMEMBERED)(self._ids)

    def retrieve(self, sentences, questions):
        """Read a story once for one question or several.

        Args:
            sentences: Iterable of texts, a sentence each; it may be longer than the memory.
            questions: Sequence of texts.

        Returns:
            List of `Retrieved`, one a question.

        Raises:
            ValueError: If the story holds no word.
        """
        best = [BestFacts(self, question) for question in questions]
        for texts in parts(sentences, self.chunk):
            read = self.read(texts)
            for of_question in best:
                of_question.add(read.vectors, lambda i, read=read, texts=texts: texts[read.facts[i]])
        return [of_question.retrieved() for of_question in best]

    def read(self, texts):
        """Return the `Vectors` of a list of sentences, each read on its own."""
        ids = [self._remembered(text) if len(text) <= _SHORT else self._ids(text) for text in texts]
        facts = [i for i, row in enumerate(ids) if len(row) > 1]
        rows = [ids[i] for i in facts]
        return Vectors(facts, self._vectors(rows), [len(row) - 1 for row in rows])

    def question(self, text):
        """Return the vector of a question, a tensor `(units,)`."""
        return self.layer.vectors(np.array([[self._ids(text)]], "int32"))[0, 0]

    def gates(self, vectors, question):
        """Return the gates of vectors `(facts, units)` for a question's vector: float32 `(facts,)`, between 0 and 1."""
        vectors = ops.convert_to_tensor(np.asarray(vectors, "float32"))
        return ops.convert_to_numpy(self.layer.gates(vectors[None], question[None]))[0]

    def _ids(self, text):
        return sentence_ids(self.vocabulary, text)

    def _vectors(self, rows):
        """Return the vectors of sentences of ids, float32 `(sentences, units)`."""
        vectors = np.empty((len(rows), self.layer.units), "float32")
        lengths = np.fromiter(map(len, rows), "int32", len(rows))
        by_length = np.argsort(lengths, kind="stable")
        for start in range(0, len(rows), _ROWS):
            members = by_length[start : start + _ROWS]
            width = next(width for width in _WIDTHS if width >= lengths[members[-1]])
            # As many rows whatever the story: a backend that compiles each shape compiles one a width.
            ids = _SENTENCE.pad([rows[i] for i in members] + [()] * (_ROWS - len(members)), {"words": width})
            read = ops.convert_to_numpy(ops.cast(self.layer.vectors(ids[:, None]), "float32"))
            vectors[members] = read[: len(members), 0]
        return vectors


class BestFacts:
    """The facts that are selected for one question, a text, of as much of the story as was read."""

    def __init__(self, retriever, question):
        self._retriever = retriever
        self._question = retriever.question(question)
        self._selected, self._nearest, self._num_facts, self._num_above_threshold = [], None, 0, 0

    def add(self, vectors, text):
        """Add the next facts of the story.

        Args:
            vectors: Their vectors, array `(facts, units)`.
            text: Function of an index into them that returns the fact's text; asked of those alone that are selected.
        """
        if not len(vectors):
            return
        gates = self._retriever.gates(vectors, self._question)

        def fact(i):
            return RetrievedFact(self._num_facts + i, text(i), float(gates[i]))

        before = len(self._selected)
        all_gates = np.append(np.array([kept.gate for kept in self._selected], "float32"), gates)
        chosen = selected_facts(all_gates, self._retriever.layer.max_facts).tolist()
        self._selected = [self._selected[i] if i < before else fact(i - before) for i in chosen]
        highest = int(gates.argmax())
        if self._nearest is None or gates[highest] > self._nearest.gate:
            self._nearest = fact(highest)
        self._num_facts += len(gates)
        self._num_above_threshold += int((gates > THRESHOLD).sum())

    def retrieved(self):
        """Return the `Retrieved`; raises `ValueError` if there was no fact."""
        if self._nearest is None:
            raise ValueError("story must hold at least one word. Received an empty story.")
        return Retrieved(tuple(self._selected), self._nearest, self._num_facts, self._num_above_threshold)


def selected_facts(gates, most):
    """Choose as `FactRetriever` does: gates above the threshold, at most the `most` highest, of equal ones the later.

    Takes float32 gates `(facts,)`; returns the indexes of the selected facts, ascending.
    """
    above = np.flatnonzero(gates > THRESHOLD)
    levels = np.round(gates[above] * np.float32(LEVELS))
    return np.sort(above[np.argsort(levels, kind="stable")[-most:]])


def parts(items, size):
    """Cut an iterable into lists of `size` items, the last one shorter, without holding more than one of them."""
    items = iter(items)
    while part := list(itertools.islice(items, size)):
        yield part
