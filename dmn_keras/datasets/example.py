"""One question about one story: the record form every dataset shares."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """A question, the story it is asked about, and what is known of the answer.

    Attributes:
        story: The sentences said before the question, in order.
        question: The question as text.
        answer: The parts of the answer in order; one word is the case of length 1, bAbI's
            "apple,milk" is `("apple", "milk")`. Empty when the answer is not known.
        supporting_facts: Indexes into `story` (from 0) of the sentences the answer follows from, in the
            order the data gives them, which for bAbI is the order of reasoning. Empty when not known.
        task: Name of the task within its dataset, e.g. `"1"`.
        story_id: Number of the story within its task and split. Questions about the same story share it,
            so that a validation split can keep them together.
    """

    story: tuple[str, ...]
    question: str
    answer: tuple[str, ...] = ()
    supporting_facts: tuple[int, ...] = ()
    task: str = ""
    story_id: int = 0
