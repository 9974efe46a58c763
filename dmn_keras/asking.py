"""A story and a question as text -> the answer, and the facts each pass attended to."""

import dataclasses
import functools
import itertools
import pathlib

from dmn_keras.datasets import Example
from dmn_keras.layers.checks import probability
from dmn_keras.models.dmn import can_narrow
from dmn_keras.narrowing import Narrowing
from dmn_keras.shipped import run_folder
from dmn_keras.story_index import StoryIndex
from dmn_keras.text import MAX_WORDS, Encoder, Sentence, read_sentences, split_sentences, tokenize
from dmn_keras.training.answers import answer_questions
from dmn_keras.training.calibration import Calibration
from dmn_keras.training.run_folder import RunFolder


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer and the evidence for it.

    Attributes:
        answer: The answer's words, separated by spaces.
        probability: Probability the model gives to the whole answer, between 0 and 1.
        facts: The sentences the model has read, in order; of a model with a first pass those that it kept.
        gates: Tuple of one tuple a pass, with a number between 0 and 1 for each fact.
        unknown_words: Words of story and question that the model does not know; it reads all of them as one word. Of a
            model with a first pass those of its facts and the question.
        confidence: Probability that the answer is right, between 0 and 1, as measured on questions with and without an
            answer (`dmn_keras.training.calibration`); `None` where the run was not calibrated. It is divided by the
            number of different unknown words in the question and the evidence, which the model cannot tell apart.
        known: Whether the confidence is high enough to answer at all; `True` without calibration. `False` too where a
            first pass kept nothing of the story. Where it is `False`, `answer` is the best guess.
        others: The next likeliest answers, pairs of words and probability: one fewer than the search is wide.
        positions: The number of each fact in the story, from 0, sentences without a word not counted, where a first
            pass kept some of them alone; `None` of other models.
        num_facts: How many facts the first pass read; `None` of other models.
        num_open: How many of these it would have kept, were there no limit (`narrow_to`); `None` of other models.
        num_cut: How many of the facts that were read, and the question, are longer than the model reads a sentence.
    """

    answer: str
    probability: float
    facts: tuple[str, ...]
    gates: tuple[tuple[float, ...], ...]
    unknown_words: tuple[str, ...]
    confidence: float | None = None
    known: bool = True
    others: tuple[tuple[str, float], ...] = ()
    positions: tuple[int, ...] | None = None
    num_facts: int | None = None
    num_open: int | None = None
    num_cut: int = 0

    @property
    def evidence(self):
        """The facts that decided: of each pass the indexes of those with at least half its highest gate, a tuple.

        Empty where the answer is not known: what was attended to is no evidence that nothing was found.
        """
        return tuple(
            tuple(i for i, gate in enumerate(gates) if self.known and gate > 0 and gate >= 0.5 * max(gates))
            for gates in self.gates
        )

    def to_dict(self):
        """Return a dict that JSON can hold, with the evidence."""
        return {**dataclasses.asdict(self), "evidence": self.evidence}


class Answerer:
    """A trained run, ready to be asked.

    Args:
        path: The run folder that `dmn-keras train` wrote. Defaults to `None`, the model that comes with the package: it
            answers all 20 bAbI tasks (`dmn_keras.shipped`).

    Raises:
        FileNotFoundError: If it holds no trained model.
        ValueError: If it is damaged or of another format.

    Example:

        answerer = dmn_keras.Answerer()
        answerer.ask("Mary went to the kitchen. John went to the garden.", "Where is Mary?").answer
    """

    def __init__(self, path=None):
        run = RunFolder(run_folder(path))
        self.model, self.vocabulary, self.recipe = run.load()
        self.calibration = Calibration.load(run.calibration) if run.calibration.exists() else None

    @functools.cached_property
    def narrowing(self):
        """The first pass of the model, a `Narrowing`; `None` where it has none."""
        return Narrowing(self.model, self.vocabulary) if can_narrow(self.model) else None

    @property
    def max_facts(self):
        """How many facts of a story are read, the last ones; `None` for all, as a model with a first pass does."""
        return None if can_narrow(self.model) else self.recipe.config.max_facts

    def ask(self, story, question, *, wrapped=False, beam_width=1, min_confidence=None):
        """Answer one question.

        A model with a first pass (`narrow_to`) reads the story once, sentence by sentence, however long it is; others
        read it whole.

        Args:
            story: Text, a `pathlib.Path` of a text file, or an iterable of sentences, texts or those of
                `read_sentences`.
            question: Text.
            wrapped: Of a file, whether its lines are broken to fit a page, as in `read_sentences`.
            beam_width: Width of the search for answers of several words, and how many answers are given in all.
            min_confidence: Confidence below which the answer is not known. Defaults to that of the calibration.

        Returns:
            The `Answer`.

        Raises:
            FileNotFoundError: If there is no such file.
            TypeError: If a sentence is no text.
            ValueError: If story or question holds no word, the file is no text, or `min_confidence` is given and the
                run not calibrated.
        """
        self._check(question, min_confidence)
        narrowing = self.narrowing
        if narrowing is not None:
            [narrowed] = narrowing.narrow(_sentences(story, wrapped), [question])
            return self._answer_narrowed(narrowed, question, beam_width, min_confidence)
        facts = [fact for fact in _sentences(story, wrapped) if tokenize(fact)]
        if not facts:
            raise ValueError("story must hold at least one word. Received an empty story.")
        return self._answer(facts, question, beam_width, min_confidence)

    def ask_index(self, index, question, *, beam_width=1, min_confidence=None):
        """Answer one question about a story that was read before (`dmn_keras.story_index`).

        Args:
            index: A `StoryIndex`, or its folder.
            question: As in `ask`, as are the next two.
            beam_width: As in `ask`.
            min_confidence: As in `ask`.

        Returns:
            The `Answer`, that of `ask` about the story itself.

        Raises:
            FileNotFoundError: If there is no index in the folder.
            ValueError: If the index is damaged or was made with another model, and as in `ask`.
        """
        self._check(question, min_confidence)
        if self.narrowing is None:
            raise ValueError("An index is for a model with a first pass (narrow_to). Received a model without one.")
        index = index if isinstance(index, StoryIndex) else StoryIndex(index)
        [narrowed] = index.narrow(self.narrowing, [question])
        return self._answer_narrowed(narrowed, question, beam_width, min_confidence)

    def _check(self, question, min_confidence):
        if min_confidence is not None:
            probability("min_confidence", min_confidence)
            if self.calibration is None:
                raise ValueError("min_confidence needs a calibrated run (see dmn-keras calibrate). This one is not.")
        if not tokenize(question):
            raise ValueError(f"question must hold at least one word. Received: {question!r}")

    def _answer_narrowed(self, narrowed, question, beam_width, min_confidence):
        """Return the `Answer` to a story of which the facts of `narrowed` are kept."""
        kept = narrowed.facts
        # A model whose first pass drops all sees an empty story, and so it does where it drops the only fact.
        facts = [fact.text for fact in kept or (narrowed.nearest,)]
        answer = self._answer(facts, question, beam_width, min_confidence)
        if not kept:
            unknown = tuple(self.vocabulary.unknown_words([question]))
            nothing = {"facts": (), "gates": ((),) * len(answer.gates), "known": False}
            answer = dataclasses.replace(answer, **nothing, unknown_words=unknown)
        positions = tuple(fact.position for fact in kept)
        counts = {"num_facts": narrowed.num_facts, "num_open": narrowed.num_open}
        return dataclasses.replace(answer, positions=positions, **counts)

    def _answer(self, facts, question, beam_width, min_confidence):
        """Return the `Answer` to a story of these facts, which is read whole."""
        config = self.recipe.config
        facts = facts[-(self.max_facts or len(facts)) :]
        encoder = Encoder(self.vocabulary, max_facts=self.max_facts, fact_level=config.fact_level)
        encoded = encoder(Example(story=tuple(facts), question=question))
        [raw] = answer_questions(self.model, self.recipe, [encoded], batch_size=1, beam_width=beam_width)
        if config.fact_level == "word":
            shown = [self.vocabulary.words[i] for i in encoded.story[0]]
        else:
            shown = facts[-len(encoded.story) :]
        answer = Answer(
            answer=self.vocabulary.answer_text(raw.ids),
            probability=raw.probability,
            facts=tuple(shown),
            gates=tuple(tuple(float(g) for g in gates) for gates in raw.gates),
            unknown_words=tuple(self.vocabulary.unknown_words([*facts, question])),
            others=tuple((self.vocabulary.answer_text(ids), probability) for ids, probability in raw.others),
        )
        decisive = read = [question, *facts]
        if config.fact_level == "sentence":
            num_cut = sum(len(tokenize(text)) > MAX_WORDS for text in read)
            decisive = [question, *(answer.facts[i] for i in sorted(set(itertools.chain(*answer.evidence))))]
            answer = dataclasses.replace(answer, num_cut=num_cut)
        if self.calibration is None:
            return answer
        words = (word for text in decisive for word in tokenize(text, lowercase=True)[:MAX_WORDS])
        num_unknown = len({word for word in words if word not in self.vocabulary})
        confidence = float(self.calibration.confidence(raw.probability)) / max(num_unknown, 1)
        known = confidence >= (self.calibration.threshold if min_confidence is None else min_confidence)
        return dataclasses.replace(answer, confidence=confidence, known=known)


def _sentences(story, wrapped):
    """Return an iterable of a story's sentences, which holds no more of a file than it must."""
    if isinstance(story, str):
        return split_sentences(story)
    return map(_text, read_sentences(story, wrapped=wrapped) if isinstance(story, pathlib.Path) else story)


def _text(sentence):
    text = sentence.text if isinstance(sentence, Sentence) else sentence
    if not isinstance(text, str):
        raise TypeError(f"story must hold sentences, texts each. Received one of type {type(text).__name__}.")
    return text


def answer_text(answer):
    """Say an answer in a line: its words, or that it is not known.

    Args:
        answer: The `Answer`.

    Returns:
        Text, with the probability and, where it was measured, the confidence.
    """
    if answer.confidence is None:
        sure = f"probability {answer.probability:.3f}"
    else:
        sure = f"confidence {answer.confidence:.3f}"
    return f"{answer.answer} ({sure})" if answer.known else f"I do not know (best guess: {answer.answer}, {sure})"


def evidence_text(answer):
    """Name the facts that decided, a line a pass.

    Args:
        answer: The `Answer`.

    Returns:
        Text.
    """
    named_facts = _named_facts(answer)
    lines = []
    for i, facts in enumerate(answer.evidence):
        named = " | ".join(named_facts[fact] for fact in facts) if facts else "nothing"
        lines.append(f"pass {i + 1}: {named}")
    return "\n".join(lines)


def attention_table(answer):
    """Lay an answer's attention out for the terminal: a line a fact, a column a pass.

    Args:
        answer: The `Answer`.

    Returns:
        Text; each gate as a number of two digits, and the highest of each pass marked with `<`. No line where a first
        pass kept no fact.
    """
    passes = range(len(answer.gates))
    named_facts = _named_facts(answer, _LONGEST_NAME)
    highest = [max(range(len(gates)), key=gates.__getitem__, default=None) for gates in answer.gates]
    width = max(map(len, named_facts), default=0)
    lines = [" " * width + "".join(f"  pass {i + 1}" for i in passes)]
    for row, fact in enumerate(named_facts):
        marks = ("<" if highest[i] == row else " " for i in passes)
        cells = (f"   {answer.gates[i][row]:.2f}{mark}" for i, mark in zip(passes, marks, strict=True))
        lines.append(f"{fact:<{width}}" + "".join(cells).rstrip())
    return "\n".join(lines)


def plot_attention(answer, question, path):
    """Draw an answer's attention as a heat map: a row a fact, a column a pass.

    Args:
        answer: The `Answer`.
        question: The question, for the title.
        path: File to write, its suffix tells the format; written atomically.

    Raises:
        ValueError: If matplotlib does not know the suffix, or the answer has no fact.
    """
    from matplotlib.figure import Figure

    from dmn_keras.utils.files import atomic

    named_facts = _named_facts(answer, _LONGEST_NAME)
    if not named_facts:
        raise ValueError("answer must have facts for a heat map. Received one for which the model kept none.")
    num_facts, num_passes = len(named_facts), len(answer.gates)
    longest = max(map(len, named_facts))
    figure = Figure(figsize=(1.2 + 0.085 * longest + 0.9 * num_passes, 1.5 + 0.32 * num_facts), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(list(zip(*answer.gates, strict=True)), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(num_passes), [f"pass {i + 1}" for i in range(num_passes)])
    axes.set_yticks(range(num_facts), named_facts, parse_math=False)
    axes.set_title(f"{question}  {answer_text(answer)}", loc="right", fontsize=11, parse_math=False)
    for column, gates in enumerate(answer.gates):
        for row, gate in enumerate(gates):
            if num_facts <= 40:
                axes.text(
                    column, row, f"{gate:.2f}", ha="center", va="center", color="white" if gate > 0.5 else "black"
                )
    figure.colorbar(image, label="gate")
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=120)


_LONGEST_NAME = 100


def _named_facts(answer, most=None):
    """Return the sentences, each with its number in the story, from 1, where it does not follow from its place.

    Such a one, which may be of a book, is cut to `most` characters.
    """
    if answer.positions is None:
        return answer.facts
    cut = [fact if most is None or len(fact) <= most else f"{fact[: most - 3]}..." for fact in answer.facts]
    return [f"[{position + 1:,}] {fact}" for position, fact in zip(answer.positions, cut, strict=True)]
