"""The record forms that datasets yield: one frozen dataclass for each kind of task."""

from __future__ import annotations

import typing
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dmn_keras.datasets.record import (
    check_question,
    check_weight,
    number_or_none,
    question_fields,
    question_text,
    task_name,
    token_texts,
)
from dmn_keras.utils.json_lines import as_json, check_keys, check_strings, check_text, scalar_text

if typing.TYPE_CHECKING:
    import numpy as np  # which a command's help does not wait for


class BaseExample:
    """What all records have in common."""

    __slots__ = ()

    ANSWER_FIELD: typing.ClassVar[str] = "answer"
    """Field of the right answer."""
    RANKS: typing.ClassVar[Mapping[str, int]] = {}
    """Number of axes of fields by which an example is told from a batch, where no field is a scalar."""

    @property
    def is_labelled(self) -> bool:
        """Whether the right answer is known, which training and evaluation need."""
        return bool(getattr(self, self.ANSWER_FIELD))

    @property
    def place(self) -> str:
        """Where it stands in a file, for messages; empty where that is not known."""
        return ""

    def check(self, place: str) -> None:
        """Raise `ValueError` if a field is malformed; the message begins with `place` and names the field."""

    @property
    def group(self) -> int | None:
        """Examples of one group stay on the same side of a validation cut; None where each stands for itself."""
        return None

    @property
    def may_validate(self) -> bool:
        """Whether it validates where its group is held out, rather than being left out."""
        return True

    @classmethod
    def from_record(cls, record: Mapping[str, typing.Any], place: str) -> typing.Self:
        """Return the example of a dict whose values are Python's own.

        Raises:
            ValueError: If a field is missing or malformed; the message begins with `place` and names the field.
        """
        raise NotImplementedError(f"{cls.__name__} is not read from dicts: pass examples. Received: {place}")


@dataclass(frozen=True, slots=True)
class Example(BaseExample):
    """A question, the story it is asked about, and what is known of the answer.

    Attributes:
        story: The sentences before the question, in order: a tuple, or any other sequence of them that may be
            longer than the memory holds (`dmn_keras.datasets.babi_long.LongStory`).
        question: The question as text.
        answer: The parts of the answer in order; one word is the case of length 1, bAbI's
            "apple,milk" is `("apple", "milk")`. Empty when the answer is not known.
        supporting_facts: Indexes into `story` (from 0) of the sentences the answer follows from, in the
            order the data gives them, which for bAbI is the order of reasoning. Empty when not known.
        task: Name of the task within its dataset, e.g. `"1"`.
        story_id: Number of the story within its task and split. Questions about the same story share it,
            so that a validation split can keep them together.
        story_positions: Indexes into `story` of the sentences that belong to the story itself, where it stands in a
            background text; None for all.
        place: Where the question stands in a file, for messages; not compared.
    """

    story: Sequence[str]
    question: str
    answer: tuple[str, ...] = ()
    supporting_facts: tuple[int, ...] = ()
    task: str = ""
    story_id: int = 0
    story_positions: tuple[int, ...] | None = None
    place: str = field(default="", repr=False, compare=False)

    @classmethod
    def from_record(cls, record: Mapping[str, typing.Any], place: str) -> Example:
        """Return the example of a dict, see `dmn_keras.datasets.record.question_fields`.

        Without a `story_id` it is a number that equal stories share.
        """
        fields = question_fields(record, place)
        if fields["story_id"] is None:
            fields["story_id"] = zlib.crc32("\n".join(fields["story"]).encode())
        return cls(**fields)

    def check(self, place: str) -> None:
        check_question(self, place)

    @property
    def group(self) -> int:
        return self.story_id

    @property
    def own_sentences(self) -> Sequence[str]:
        """The sentences that belong to the story itself: those of `story_positions`, all where it is None."""
        return self.story if self.story_positions is None else tuple(self.story[i] for i in self.story_positions)

    @property
    def answer_text(self) -> str:
        """The answer as the data writes it: its parts, with a blank between them."""
        return " ".join(self.answer)


@dataclass(frozen=True, slots=True)
class TextClassificationExample(BaseExample):
    """A text and its class.

    Attributes:
        text: The text; tokens that the data separates are joined by a blank.
        label: Name of the class; empty when not known.
        weight: Weight of the example in the training loss.
        is_phrase: Whether the text is part of a sentence, of which an epoch may draw some
            (`dmn_keras.datasets.sst.draw_phrases`); it never validates.
        sentence_id: Number of the sentence within its split, shared by its phrases.
    """

    ANSWER_FIELD: typing.ClassVar[str] = "label"

    text: str
    label: str = ""
    weight: float = 1.0
    is_phrase: bool = False
    sentence_id: int | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, typing.Any], place: str) -> TextClassificationExample:
        """Return the example of a dict with `text` and, where they are known, `label`, `weight` and `is_phrase`."""
        check_keys(record, place, ("text",), ("text", "label", "weight", "is_phrase"))
        text, label = check_text(scalar_text(record["text"]), "text", place), record.get("label")
        label = "" if label in (None, "") else check_text(scalar_text(label), "label", place)
        weight, is_phrase = record.get("weight", 1.0), record.get("is_phrase", False)
        check_weight(weight, place)
        if not isinstance(is_phrase, bool):
            raise ValueError(f"{place}: is_phrase must be true or false. Received: {as_json(is_phrase)}.")
        return cls(text, label, float(weight), is_phrase)

    def check(self, place: str) -> None:
        check_strings({"text": self.text, "label": self.label}, place)
        check_weight(self.weight, place)

    @property
    def group(self) -> int | None:
        return self.sentence_id

    @property
    def may_validate(self) -> bool:
        return not self.is_phrase


@dataclass(frozen=True, slots=True)
class TokenTaggingExample(BaseExample):
    """The tokens of a sentence, each with its tag.

    Attributes:
        tokens: The tokens as the data writes them.
        tags: A tag for each token; empty when not known.
    """

    ANSWER_FIELD: typing.ClassVar[str] = "tags"
    RANKS: typing.ClassVar[Mapping[str, int]] = {"tokens": 1}

    tokens: tuple[str, ...]
    tags: tuple[str, ...] = ()

    @classmethod
    def from_record(cls, record: Mapping[str, typing.Any], place: str) -> TokenTaggingExample:
        """Return the example of a dict with `tokens` and, where they are known, `tags`, one for each token."""
        check_keys(record, place, ("tokens",), ("tokens", "tags"))
        tokens = token_texts(record["tokens"], "tokens", place)
        tags = token_texts(record["tags"], "tags", place) if record.get("tags") else ()
        if tags and len(tags) != len(tokens):
            raise ValueError(f"{place}: expected a tag for each token, got {len(tokens)} tokens and {len(tags)} tags.")
        return cls(tokens, tags)

    def check(self, place: str) -> None:
        self.from_record({"tokens": self.tokens, "tags": self.tags}, place)


@dataclass(frozen=True, slots=True)
class VisualQuestionAnsweringExample(BaseExample):
    """A question about an image.

    Attributes:
        image: Array uint8 `(height, width, 3)`, the bytes of a PNG or JPEG file, or the path of one.
        question: The question as text.
        answer: The answer; empty when not known.
        task: Name of the kind of question, e.g. `"relational"`.
        image_id: Number of the image within its split, shared by the questions about it.
    """

    RAW_FIELDS: typing.ClassVar[tuple[str, ...]] = ("image",)

    image: np.ndarray | bytes | str
    question: str
    answer: str = ""
    task: str = ""
    image_id: int = 0

    @classmethod
    def from_record(cls, record: Mapping[str, typing.Any], place: str) -> VisualQuestionAnsweringExample:
        """Return the example of a dict with `image` and `question` and, optionally, `answer`, `task` and `image_id`.

        The image itself is checked when it is read.
        """
        check_keys(record, place, ("image", "question"), ("image", "question", "answer", "task", "image_id"))
        question, answer = question_text(record["question"], place), record.get("answer")
        answer = "" if answer is None else check_text(scalar_text(answer), "answer", place)
        task = task_name(record.get("task"), place)
        image_id = number_or_none(record.get("image_id"), "image_id", place) or 0
        return cls(record["image"], question, answer, task, image_id)

    def check(self, place: str) -> None:
        check_strings({"question": self.question, "answer": self.answer}, place)

    @property
    def group(self) -> int:
        return self.image_id


@dataclass(frozen=True, slots=True)
class SequenceTransductionExample(BaseExample):
    """A sequence and the target of each of its steps.

    Attributes:
        inputs: float32 array `(steps, input_size)`.
        targets: float32 array `(steps, output_size)` of bits, or int32 array `(steps,)` of classes; the values at
            steps that are not scored are ignored. Empty when not known.
        scored: Boolean array `(steps,)`, whether the output of a step is scored.
        task: Name of the task, e.g. `"copy"`.
    """

    ANSWER_FIELD: typing.ClassVar[str] = "targets"
    RANKS: typing.ClassVar[Mapping[str, int]] = {"inputs": 2}

    inputs: np.ndarray
    targets: np.ndarray
    scored: np.ndarray
    task: str = ""

    @property
    def is_labelled(self) -> bool:
        return len(self.targets) > 0  # the truth of an array is not defined

    @classmethod
    def from_record(cls, record: Mapping[str, typing.Any], place: str) -> SequenceTransductionExample:
        """Return the example of a dict, see `dmn_keras.datasets.sequence_record.sequence_fields`."""
        from dmn_keras.datasets.sequence_record import sequence_fields

        return cls(**sequence_fields(record, place))
