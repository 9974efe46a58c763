"""Words <-> token ids."""

import collections
import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Self

from dmn_keras.text.answers import WrittenAnswers
from dmn_keras.text.tokenizer import lower, tokenize

PAD, UNKNOWN, END = "<pad>", "<unknown>", "<end>"
PAD_ID, UNKNOWN_ID, END_ID = 0, 1, 2
SPECIAL_WORDS = (PAD, UNKNOWN, END)
SUPPRESSED_IDS = (PAD_ID, UNKNOWN_ID)
"""Ids that no answer holds."""


class Vocabulary:
    """The words a model knows, each with an id.

    Ids 0, 1 and 2 are padding, the unknown word, and the end of a sentence or answer. Words of the text itself cannot
    collide with these names, because the tokenizer splits at `<` and `>`.

    Args:
        words: The words in the order of their ids, without the three special ones; lower case.
        answers: Answers as the training data writes them, the commonest first: how `answer_text` writes an answer.
            Defaults to none, which leaves answers as lower-case words.
        num_placeholders: How many placeholders come behind the words: ids that the unknown words of a story take
            (`dmn_keras.text.assign_placeholders`). Defaults to 0, which leaves all of them one word.

    Attributes:
        words: Tuple of all words by id, the special ones and the placeholders included.
        known_words: Tuple of the words without those.
        placeholder_ids: Range of the ids of the placeholders.
        answers: Tuple of the answers.

    Raises:
        ValueError: If a word occurs twice or is a special one.
    """

    def __init__(self, words: Sequence[str], answers: Iterable[str] = (), *, num_placeholders: int = 0):
        self.known_words = tuple(words)
        placeholders = (f"<placeholder {number}>" for number in range(1, num_placeholders + 1))
        self.words = (*SPECIAL_WORDS, *self.known_words, *placeholders)
        self.placeholder_ids = range(len(self.words) - num_placeholders, len(self.words))
        self.answers = tuple(answers)
        if len(set(self.words)) != len(self.words):
            twice = sorted(word for word, n in collections.Counter(self.words).items() if n > 1)
            raise ValueError(f"words must be distinct and none of {SPECIAL_WORDS}. Received twice: {twice}")
        self._ids: dict[str, int] = {}
        for index, word in enumerate(self.words):
            self._ids.setdefault(lower(word), index)
        self.written = WrittenAnswers(self.words, ((self.encode(answer), answer) for answer in self.answers))

    @classmethod
    def from_examples(cls, examples: Iterable, *, num_placeholders: int = 0, min_stories: int = 1) -> Self:
        """Collect the words of stories, questions and answers, in alphabetical order.

        Args:
            examples: Iterable of `dmn_keras.datasets.Example`: those of the training split alone, so that a word that
                only a test holds is as unknown as it would be in use. Of a story in a background text only its
                own sentences are read (`story_positions`): words that only the background text has are unknown.
            num_placeholders: As for the class.
            min_stories: Words of fewer stories are left out, as names and numbers that each story has anew; answers
                that their stories do not hold are not. Defaults to 1, which leaves out none.

        Returns:
            The vocabulary.
        """
        words_of = functools.cache(lambda text: frozenset(tokenize(text, lowercase=True)))
        stories_of, needed, answers = collections.defaultdict(set), set(), collections.Counter()
        for example in examples:
            in_story = frozenset().union(*map(words_of, {*example.own_sentences, example.question}))
            for word in in_story:
                stories_of[word].add((example.task, example.story_id))
            if example.answer:
                answers[example.answer_text] += 1
                needed |= words_of(example.answer_text) - in_story
        known = needed | {word for word, stories in stories_of.items() if len(stories) >= min_stories}
        by_count = sorted(answers, key=lambda answer: (-answers[answer], answer))
        written = [answer for answer in by_count if words_of(answer) <= known]
        return cls(sorted(known), written, num_placeholders=num_placeholders)

    def __len__(self):
        return len(self.words)

    def __contains__(self, word):
        return word in self._ids

    def ids(self, words: Iterable[str]) -> list[int]:
        """Return the ids of `words`, in whatever case, that of the unknown word where one is not known."""
        return [self._ids.get(lower(word), UNKNOWN_ID) for word in words]

    def encode(self, text: str) -> list[int]:
        """Return the ids of the words of a sentence, a list."""
        return [self._ids.get(word, UNKNOWN_ID) for word in tokenize(text, lowercase=True)]

    def answer_ids(self, ids: Iterable[int]) -> list[int]:
        """Return an answer's `ids` up to the end word, padding left out, a list."""
        return [index for index in itertools.takewhile(lambda index: index != END_ID, ids) if index != PAD_ID]

    def answer(self, ids: Iterable[int], placeholders: Sequence[str] = ()) -> list[str]:
        """Return the words of an answer's `ids`, a list; the arguments are those of `answer_text`."""
        words = dict(zip(self.placeholder_ids, map(lower, placeholders), strict=False))
        return [words.get(index, self.words[index]) for index in self.answer_ids(ids)]

    def answer_text(self, ids: Iterable[int], placeholders: Sequence[str] = ()) -> str:
        """Return an answer of these `ids` as the training data writes it, a string.

        Args:
            ids: The ids.
            placeholders: The words that the placeholders stand for, as the story writes them.
        """
        return self.written(self.answer_ids(ids), dict(zip(self.placeholder_ids, placeholders, strict=False)))

    def unknown_words(self, texts: Iterable[str]) -> list[str]:
        """Return the words of `texts` that have no id, in the order of their first occurrence."""
        seen = dict.fromkeys(word for text in texts for word in tokenize(text, lowercase=True))
        return [word for word in seen if word not in self]
