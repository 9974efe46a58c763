"""One question about one story: the record form every dataset shares."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Example:
    """A question, the story it is asked about, and what is known of the answer.

    Attributes:
        story: The sentences said before the question, in order: a tuple, or any other sequence of them that may be
            longer than the memory holds (`dmn_keras.datasets.babi_long.LongStory`).
        question: The question as text.
        answer: The parts of the answer in order; one word is the case of length 1, bAbI's
            "apple,milk" is `("apple", "milk")`. Empty when the answer is not known.
        supporting_facts: Indexes into `story` (from 0) of the sentences the answer follows from, in the
            order the data gives them, which for bAbI is the order of reasoning. Empty when not known.
        task: Name of the task within its dataset, e.g. `"1"`.
        story_id: Number of the story within its task and split. Questions about the same story share it,
            so that a validation split can keep them together.
        own_facts: Indexes into `story` of the sentences that belong to the story itself, where it is hidden among
            others; None for all.
    """

    story: Sequence[str]
    question: str
    answer: tuple[str, ...] = ()
    supporting_facts: tuple[int, ...] = ()
    task: str = ""
    story_id: int = 0
    # Not shown: searches begun before there were own facts know their questions again by a checksum of what is.
    own_facts: tuple[int, ...] | None = field(default=None, repr=False)

    @property
    def own_sentences(self):
        """The sentences of `story` that belong to the story itself: those of `own_facts`, all where it is None."""
        return self.story if self.own_facts is None else tuple(self.story[i] for i in self.own_facts)

    @property
    def answer_text(self):
        """The answer as the data writes it: its parts, with a blank between them."""
        return " ".join(self.answer)
