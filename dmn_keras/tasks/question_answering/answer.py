"""An answer, the evidence for it, and its form as text."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Answer:
    """An answer and the evidence for it.

    Attributes:
        answer: The answer's words, separated by spaces.
        probability: Probability the model gives to the whole answer, between 0 and 1.
        facts: The sentences the model has read, in order; of a model with a retriever those that it selected.
        gates: Tuple of one tuple a pass, with a number between 0 and 1 for each fact.
        unknown_words: Words of story and question that the model does not know; it reads all of them as one word. Of a
            model with a retriever those of its facts and the question. With placeholders, those beyond them.
        confidence: Probability that the answer is right, between 0 and 1, as measured on questions with and without an
            answer (`dmn_keras.inference.calibration`); `None` where the run was not calibrated. It is divided by the
            number of different unknown words in the question and the evidence, which the model cannot distinguish; with
            placeholders, where there is such a word, by one more.
        known: Whether the confidence is high enough to answer at all; `True` without calibration. `False` too where a
            retriever selected nothing of the story. Where it is `False`, `answer` is the best guess.
        others: The next likeliest answers, pairs of words and probability: one fewer than the search is wide.
        positions: The number of each fact in the story, from 0, sentences without a word not counted, where a
            retriever selected some of them; `None` of other models.
        num_facts: How many facts the retriever read; `None` of other models.
        num_above_threshold: How many of these it would have selected, were there no limit (`max_retrieved_facts`);
            `None` of other models.
        num_cut: How many of the facts that were read, and the question, are longer than the model reads a sentence.
        words: The answer's words, in lower case.
        question: The question.
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
    num_above_threshold: int | None = None
    num_cut: int = 0
    words: tuple[str, ...] = dataclasses.field(default=(), repr=False, compare=False)
    question: str = dataclasses.field(default="", repr=False, compare=False)

    @property
    def evidence(self) -> tuple[tuple[int, ...], ...]:
        """The facts that decided: of each pass the indexes of those with at least half its highest gate, a tuple.

        Empty where the answer is not known: what was attended to is no evidence that nothing was found.
        """

        def decisive(gates):
            half = 0.5 * max(gates, default=0.0)
            return tuple(i for i, gate in enumerate(gates) if gate > 0 and gate >= half)

        return tuple(decisive(gates) if self.known else () for gates in self.gates)

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that JSON can hold, with the evidence."""
        fields = dataclasses.asdict(self)
        del fields["words"], fields["question"]
        return {**fields, "evidence": self.evidence}


def answer_text(answer: Answer) -> str:
    """Format an `Answer` in a line: its words, or that it is not known, and its confidence or else its probability."""
    if answer.confidence is None:
        sure = f"probability {answer.probability:.3f}"
    else:
        sure = f"confidence {answer.confidence:.3f}"
    return f"{answer.answer} ({sure})" if answer.known else f"I do not know (best guess: {answer.answer}, {sure})"


def evidence_text(answer: Answer) -> str:
    """Format the facts that decided an `Answer`, a line a pass."""
    facts_of = named_facts(answer)
    named = (" | ".join(facts_of[fact] for fact in facts) or "nothing" for facts in answer.evidence)
    return "\n".join(f"pass {number}: {facts}" for number, facts in enumerate(named, start=1))


def attention_table(answer: Answer) -> str:
    """Format the attention of an `Answer` for the terminal: a line a fact, a column a pass.

    The highest gate of each pass is marked with `<`. There is no line of a fact where a retriever selected none.
    """
    passes = range(len(answer.gates))
    facts_of = named_facts(answer, LONGEST_NAME)
    highest = [max(range(len(gates)), key=gates.__getitem__, default=None) for gates in answer.gates]
    width = max(map(len, facts_of), default=0)
    lines = [" " * width + "".join(f"  pass {i + 1}" for i in passes)]
    for row, fact in enumerate(facts_of):
        marks = ("<" if highest[i] == row else " " for i in passes)
        cells = (f"   {answer.gates[i][row]:.2f}{mark}" for i, mark in zip(passes, marks, strict=True))
        lines.append(f"{fact:<{width}}" + "".join(cells).rstrip())
    return "\n".join(lines)


LONGEST_NAME = 100


def named_facts(answer, most=None):
    """Return the sentences, each with its number in the story, from 1, where it does not follow from its place.

    Such a one, which may be of a book, is cut to `most` characters.
    """
    if answer.positions is None:
        return answer.facts
    cut = [fact if most is None or len(fact) <= most else f"{fact[: most - 3]}..." for fact in answer.facts]
    return [f"[{position + 1:,}] {fact}" for position, fact in zip(answer.positions, cut, strict=True)]
