"""Stories and questions -> token ids; ids of answers -> answers."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

from dmn_keras.datasets.example import Example
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.preprocessor import Preprocessor
from dmn_keras.text import Vocabulary, sentence_ids


@dataclasses.dataclass(frozen=True, slots=True)
class EncodedExample:
    """A story and a question as ids, not yet padded.

    Attributes:
        story: Ids of each fact, ending with the end word.
        question: Ids of the question, ending with the end word.
        answer: Ids of the answer's words, without the end word.
        facts: The facts as they are written.
        question_text: The question as it is written.
        supporting_facts: Indexes into `story`, in the order of reasoning.
        story_positions: Indexes into `story` of the facts that belong to the story itself, where it stands in a
            background text; `None` for all.
    """

    story: tuple[tuple[int, ...], ...]
    question: tuple[int, ...]
    answer: tuple[int, ...]
    facts: tuple[str, ...]
    question_text: str
    supporting_facts: tuple[int, ...]
    story_positions: tuple[int, ...] | None


class QuestionAnsweringPreprocessor(Preprocessor):
    """Turns stories and questions into token ids, and ids into answers.

    A story that is a text is split into sentences, each a fact; of one that is a list, each item is a fact. Facts
    without a word are left out, and of a longer story than `max_facts` all but the last.

    Args:
        max_facts: Most facts of a story that are read, the last ones; `None` for all.
        words: Words in the order of their ids, without the special ones; `None` before `adapt`.
        answers: Answers of the training data as it writes them.
        answer_words: Longest answer in words, `None` for answers of one word.
        num_supporting_facts: Most supporting facts of a training question.

    Attributes:
        vocabulary: The `Vocabulary`, `None` before `adapt`.

    Example:

    >>> preprocessor = QuestionAnsweringPreprocessor()
    >>> preprocessor.adapt([{"story": "Mary is here. John left.", "question": "Who left?", "answer": "John"}])
    >>> preprocessor({"story": ["John is here."], "question": ["Who is?"]})["story"].shape
    (1, 1, 4)
    """

    example_class = Example

    def __init__(
        self,
        max_facts: int | None = None,
        *,
        words: Iterable[str] | None = None,
        answers: Iterable[str] = (),
        answer_words: int | None = None,
        num_supporting_facts: int = 0,
    ):
        self.max_facts = max_facts
        self.vocabulary = None if words is None else Vocabulary(tuple(words), tuple(answers))
        self.answer_words = answer_words
        self.num_supporting_facts = num_supporting_facts
        self._sentences: dict[str, tuple[int, ...]] = {}

    @property
    def is_adapted(self) -> bool:
        return self.vocabulary is not None

    def adapt(self, data: Any) -> None:
        """Learn vocabulary, the written form of answers, and the longest answer.

        Args:
            data: The training examples alone, so that a word that only a test holds is as unknown as it is in use.

        Raises:
            ValueError: If there is no example.
        """
        examples = self.read(data)
        if not examples:
            raise ValueError("adapt needs at least one example. Received none.")
        self.vocabulary = Vocabulary.from_examples(examples)
        self._sentences = {}
        longest = max(len(self.vocabulary.encode(example.answer_text)) for example in examples)
        self.answer_words = longest if longest > 1 else None
        self.num_supporting_facts = max(len(example.supporting_facts) for example in examples)

    @property
    def specs(self) -> dict[str, FeatureSpec]:
        return {
            "story": FeatureSpec("int32", ("facts", "words")),
            "question": FeatureSpec("int32", ("question_words",)),
        }

    def encode(self, examples: Sequence[Example]) -> list[EncodedExample]:
        self.check_adapted()
        return [self._encode(example) for example in examples]

    def _encode(self, example):
        ids = [self.sentence(text) for text in example.story]
        kept = [i for i, sentence in enumerate(ids) if len(sentence) > 1]
        kept = kept if self.max_facts is None else kept[-self.max_facts :]
        number = {old: new for new, old in enumerate(kept)}
        own = example.story_positions
        return EncodedExample(
            story=tuple(ids[i] for i in kept),
            question=self.sentence(example.question),
            answer=tuple(self.vocabulary.encode(example.answer_text)),
            facts=tuple(example.story[i] for i in kept),
            question_text=example.question,
            supporting_facts=tuple(number[i] for i in example.supporting_facts if i in number),
            story_positions=None if own is None else tuple(number[i] for i in own if i in number),
        )

    def sentence(self, text: str) -> tuple[int, ...]:
        """Return the ids of one sentence, ending with the end word; a longer one than `MAX_WORDS` is cut."""
        # bAbI says the same few thousand sentences a million times.
        if text not in self._sentences:
            self._sentences[text] = sentence_ids(self.vocabulary, text)
        return self._sentences[text]

    def get_config(self) -> dict[str, Any]:
        adapted = self.is_adapted
        return {
            "max_facts": self.max_facts,
            "words": list(self.vocabulary.words[3:]) if adapted else None,
            "answers": list(self.vocabulary.answers) if adapted else [],
            "answer_words": self.answer_words,
            "num_supporting_facts": self.num_supporting_facts,
        }
