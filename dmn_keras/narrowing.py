"""A story of any length, read once in pieces -> the few facts that a model with a first pass keeps of it."""

import functools
import itertools
from typing import NamedTuple

import numpy as np
from keras import ops

from dmn_keras.layers.checks import positive_integer
from dmn_keras.layers.fact_narrowing import LEVELS, OPEN
from dmn_keras.models.dmn import NARROWING, can_narrow
from dmn_keras.text import MAX_WORDS, pad_ids, sentence_ids

_WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, MAX_WORDS + 1)  # words that facts are padded to
_ROWS = 512  # facts that are padded to one width
_REMEMBERED, _SHORT = 1 << 14, 200  # sentences that are not read again where they are said again, and their characters


class Fact(NamedTuple):
    """A fact of a story that was read in pieces.

    Attributes:
        position: Its number in the story, from 0; sentences without a word are not counted.
        text: The sentence.
        gate: Gate of the first pass, between 0 and 1.
    """

    position: int
    text: str
    gate: float


class Narrowed(NamedTuple):
    """What a first pass leaves of a story.

    Attributes:
        facts: Tuple of the `Fact`s that it keeps, in the story's order.
        nearest: The `Fact` with the highest gate, kept or not.
        num_facts: How many facts were read.
        num_open: How many of them have an open gate: more than are kept where that is limited.
    """

    facts: tuple[Fact, ...]
    nearest: Fact
    num_facts: int
    num_open: int


class Vectors(NamedTuple):
    """Sentences as the first pass reads them, before it knows the question.

    Attributes:
        facts: Indexes of the sentences that hold a word, ascending, a list.
        vectors: Their vectors, float32 `(facts, units)`.
        num_words: How many words of each were read, a list.
    """

    facts: list
    vectors: np.ndarray
    num_words: list


class Narrowing:
    """The first pass of a model (`dmn_keras.layers.FactNarrowing`) over stories of any length.

    A gate depends on its fact and the question alone. The story is therefore read `chunk` sentences at a time, and what
    is held of it are the best facts so far: the same ones as of the whole story at once, in memory that does not grow
    with the story. Given these facts as its story, the model keeps them all again, and gives the answer that it gives
    to the whole; where no gate is open it gets the `nearest`, and closes it.

    Args:
        model: What `dmn` built with `narrow_to`, trained.
        vocabulary: Its `Vocabulary`.
        chunk: Positive integer, how many sentences are read at a time. Defaults to 8192.

    Raises:
        ValueError: If the model has no first pass, or `chunk` is out of range.

    Example:

        narrowing = Narrowing(model, vocabulary)
        sentences = (sentence.text for sentence in read_sentences("story.txt"))
        [narrowed] = narrowing.narrow(sentences, ["Where is Mary?"])
        [fact.text for fact in narrowed.facts]
    """

    def __init__(self, model, vocabulary, *, chunk=8192):
        if not can_narrow(model):
            raise ValueError("model must have a first pass (narrow_to). Received a model that reads every story whole.")
        self.layer = model.get_layer(NARROWING)
        self.vocabulary = vocabulary
        self.chunk = positive_integer("chunk", chunk)
        self._remembered = functools.lru_cache(maxsize=_REMEMBERED)(self._ids)

    def narrow(self, sentences, questions):
        """Read a story once for one question or several.

        Args:
            sentences: Iterable of texts, a sentence each; it may be longer than the memory.
            questions: Sequence of texts.

        Returns:
            List of `Narrowed`, one a question.

        Raises:
            ValueError: If the story holds no word.
        """
        best = [BestFacts(self, question) for question in questions]
        for texts in parts(sentences, self.chunk):
            read = self.read(texts)
            for of_question in best:
                of_question.add(read.vectors, lambda i, read=read, texts=texts: texts[read.facts[i]])
        return [of_question.narrowed() for of_question in best]

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
            ids = pad_ids([rows[i] for i in members] + [()] * (_ROWS - len(members)), width)
            read = ops.convert_to_numpy(ops.cast(self.layer.vectors(ids[:, None]), "float32"))
            vectors[members] = read[: len(members), 0]
        return vectors


class BestFacts:
    """The facts that are kept for one question, a text, of as much of the story as was read."""

    def __init__(self, narrowing, question):
        self._narrowing = narrowing
        self._question = narrowing.question(question)
        self._kept, self._nearest, self._num_facts, self._num_open = [], None, 0, 0

    def add(self, vectors, text):
        """Add the next facts of the story.

        Args:
            vectors: Their vectors, array `(facts, units)`.
            text: Function of an index into them that returns the fact's text; asked of those alone that are kept.
        """
        if not len(vectors):
            return
        gates = self._narrowing.gates(vectors, self._question)

        def fact(i):
            return Fact(self._num_facts + i, text(i), float(gates[i]))

        before = len(self._kept)
        all_gates = np.append(np.array([kept.gate for kept in self._kept], "float32"), gates)
        chosen = kept_facts(all_gates, self._narrowing.layer.top_facts).tolist()
        self._kept = [self._kept[i] if i < before else fact(i - before) for i in chosen]
        highest = int(gates.argmax())
        if self._nearest is None or gates[highest] > self._nearest.gate:
            self._nearest = fact(highest)
        self._num_facts += len(gates)
        self._num_open += int((gates > OPEN).sum())

    def narrowed(self):
        """Return the `Narrowed`; raises `ValueError` if there was no fact."""
        if self._nearest is None:
            raise ValueError("story must hold at least one word. Received an empty story.")
        return Narrowed(tuple(self._kept), self._nearest, self._num_facts, self._num_open)


def kept_facts(gates, most):
    """Choose as `FactNarrowing` does: the open gates, of more than `most` the highest, of equal ones the later.

    Takes float32 gates `(facts,)`; returns the indexes of the facts that are kept, ascending.
    """
    opened = np.flatnonzero(gates > OPEN)
    levels = np.round(gates[opened] * np.float32(LEVELS))
    return np.sort(opened[np.argsort(levels, kind="stable")[-most:]])


def parts(items, size):
    """Cut an iterable into lists of `size` items, the last one shorter, without holding more than one of them."""
    items = iter(items)
    while part := list(itertools.islice(items, size)):
        yield part
