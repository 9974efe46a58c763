"""Stories and questions -> token ids; ids of answers -> answers."""

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from dmn_keras.datasets.example import Example
from dmn_keras.tasks.feature_spec import FeatureSpec
from dmn_keras.tasks.preprocessor import Preprocessor
from dmn_keras.text import MAX_WORDS, UNKNOWN_ID, Vocabulary, assign_placeholders, lower, sentence_ids, tokenize


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
        placeholders: Unknown words that have placeholders, as they are written: those of the first
            placeholders of the vocabulary.
    """

    story: tuple[tuple[int, ...], ...]
    question: tuple[int, ...]
    answer: tuple[int, ...]
    facts: tuple[str, ...]
    question_text: str
    supporting_facts: tuple[int, ...]
    story_positions: tuple[int, ...] | None
    placeholders: tuple[str, ...] = ()


class QuestionAnsweringPreprocessor(Preprocessor):
    """Turns stories and questions into token ids, and ids into answers.

    A story that is a text is split into sentences, each a fact; of one that is a list, each item is a fact. Facts
    without a word are left out, and of a longer story than `max_facts` all but the last.

    With placeholders the vocabulary is open: each unknown word of a story has the id of one of them, the same wherever
    it occurs in story or question, and may be the answer.

    Args:
        max_facts: Most facts of a story that are read, the last ones; `None` for all.
        num_placeholders: How many unknown words of a story are distinguished; 0 for none.
        min_stories: `adapt` takes words of fewer training stories for unknown, if there are placeholders; they are
            names and numbers that each story has anew.
        words: Words in the order of their ids, without the special ones; `None` before `adapt`.
        answers: Answers of the training data as it writes them.
        answer_words: Longest answer in words, `None` for answers of one word.
        num_supporting_facts: Most supporting facts of a training question.
        num_questions: Number of training questions.

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
        num_placeholders: int = 0,
        min_stories: int = 1,
        words: Iterable[str] | None = None,
        answers: Iterable[str] = (),
        answer_words: int | None = None,
        num_supporting_facts: int = 0,
        num_questions: int = 0,
    ):
        self.max_facts = max_facts
        self.num_placeholders = num_placeholders
        self.min_stories = min_stories
        known = None if words is None else (tuple(words), tuple(answers))
        self.vocabulary: Any = None if known is None else Vocabulary(*known, num_placeholders=num_placeholders)
        self.answer_words = answer_words
        self.num_supporting_facts = num_supporting_facts
        self.num_questions = num_questions
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
        open_vocabulary = {"num_placeholders": self.num_placeholders, "min_stories": self.min_stories}
        self.vocabulary = Vocabulary.from_examples(examples, **(open_vocabulary if self.num_placeholders else {}))
        if not self.vocabulary.known_words:
            raise ValueError(
                f"min_stories={self.min_stories}: no word stands in so many of the training stories, so that all would "
                "be unknown. Give more stories, or lower min_stories."
            )
        self._sentences = {}
        longest = max(len(self.vocabulary.encode(example.answer_text)) for example in examples)
        self.answer_words = longest if longest > 1 else None
        self.num_supporting_facts = max(len(example.supporting_facts) for example in examples)
        self.num_questions = len(examples)

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
        encoded = EncodedExample(
            story=tuple(ids[i] for i in kept),
            question=self.sentence(example.question),
            answer=tuple(self.vocabulary.encode(example.answer_text)),
            facts=tuple(example.story[i] for i in kept),
            question_text=example.question,
            supporting_facts=tuple(number[i] for i in example.supporting_facts if i in number),
            story_positions=None if own is None else tuple(number[i] for i in own if i in number),
        )
        return self.assign_placeholders(encoded, encoded.story_positions, example.answer_text)

    def assign_placeholders(
        self, encoded: EncodedExample, positions: Sequence[int] | None = None, answer: str = ""
    ) -> EncodedExample:
        """Return an encoded example whose unknown words have placeholders, itself where there are none of either.

        Args:
            encoded: The encoded example.
            positions: Indexes of the facts whose words get placeholders; in the others each is the unknown word. `None`
                for all.
            answer: The right answer, where it is known.
        """
        facts = range(len(encoded.story)) if positions is None else positions
        unknown = [i for i in range(len(encoded.story)) if UNKNOWN_ID in self.sentence(encoded.facts[i])]
        if not self.num_placeholders or not (unknown or UNKNOWN_ID in self.sentence(encoded.question_text)):
            return encoded
        chosen = [i for i in unknown if i in facts]
        ids, written = assign_placeholders(self.vocabulary, [encoded.facts[i] for i in chosen], encoded.question_text)
        story = list(encoded.story)
        for i in unknown:
            story[i] = self._with_placeholders(encoded.facts[i], ids if i in chosen else {})
        words = zip(tokenize(answer, lowercase=True), self.vocabulary.encode(answer), strict=True)
        return dataclasses.replace(
            encoded,
            story=tuple(story),
            question=self._with_placeholders(encoded.question_text, ids),
            answer=tuple(ids.get(word, index) for word, index in words) if answer else encoded.answer,
            placeholders=written,
        )

    def _with_placeholders(self, text, ids):
        words = tokenize(text, lowercase=True)[:MAX_WORDS]
        known = self.sentence(text)
        return (*(ids.get(word, index) for word, index in zip(words, known[:-1], strict=True)), known[-1])

    def sentence(self, text: str) -> tuple[int, ...]:
        """Return the ids of one sentence, ending with the end word; a longer one than `MAX_WORDS` is cut."""
        # bAbI says the same few thousand sentences a million times.
        if text not in self._sentences:
            self._sentences[text] = sentence_ids(self.vocabulary, text)
        return self._sentences[text]

    def unknown_words(self, texts: Iterable[str], known: Collection[str] = ()) -> tuple[str, ...]:
        """Return the different unknown words of texts; most texts, which were encoded before, have none.

        Args:
            texts: The texts.
            known: Words that have placeholders, in lower case, which are left out.
        """
        suspect = [text for text in texts if UNKNOWN_ID in self.sentence(text)]
        words = (word for text in suspect for word in tokenize(text, lowercase=True)[:MAX_WORDS])
        return tuple(dict.fromkeys(word for word in words if word not in self.vocabulary and word not in known))

    def unseen_words(self, examples: Sequence[Example]) -> list[str]:
        """Return the different words of examples that training never saw, those with a placeholder left out."""
        found: dict[str, None] = {}
        for example in examples:
            texts = [*example.own_sentences, example.question, example.answer_text]
            if words := self.unknown_words(texts):
                known = set(map(lower, self._encode(example).placeholders))
                found |= dict.fromkeys(word for word in words if word not in known)
        return list(found)

    def get_config(self) -> dict[str, Any]:
        adapted = self.is_adapted
        return {
            "max_facts": self.max_facts,
            "num_placeholders": self.num_placeholders,
            "min_stories": self.min_stories,
            "words": list(self.vocabulary.known_words) if adapted else None,
            "answers": list(self.vocabulary.answers) if adapted else [],
            "answer_words": self.answer_words,
            "num_supporting_facts": self.num_supporting_facts,
            "num_questions": self.num_questions,
        }
