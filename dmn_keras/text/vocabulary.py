"""Words <-> token ids."""

import collections

from dmn_keras.text.tokenizer import tokenize

PAD, UNKNOWN, END = "<pad>", "<unknown>", "<end>"
PAD_ID, UNKNOWN_ID, END_ID = 0, 1, 2
SPECIAL_WORDS = (PAD, UNKNOWN, END)
UNSAID_IDS = (PAD_ID, UNKNOWN_ID)
"""What no answer holds."""


class Vocabulary:
    """The words a model knows, each with an id.

    Ids 0, 1 and 2 are padding, the unknown word, and the end of a sentence or answer. Words of the text itself cannot
    collide with these names, because the tokenizer splits at `<` and `>`.

    Args:
        words: The words in the order of their ids, without the three special ones.

    Raises:
        ValueError: If a word occurs twice or is a special one.
    """

    def __init__(self, words):
        self.words = (*SPECIAL_WORDS, *words)
        self._ids = {word: index for index, word in enumerate(self.words)}
        if len(self._ids) != len(self.words):
            twice = sorted(word for word, n in collections.Counter(self.words).items() if n > 1)
            raise ValueError(f"words must be distinct and none of {SPECIAL_WORDS}. Received twice: {twice}")

    @classmethod
    def from_examples(cls, examples):
        """Collect the words of stories, questions and answers, in alphabetical order.

        Args:
            examples: Iterable of `dmn_keras.datasets.Example`: those of the training split alone, so that a word that
                only a test holds is as unknown as it would be in use. Of a story that is hidden among other
                sentences its own are read (`own_facts`): words that only the hiding place holds are unknown.

        Returns:
            The vocabulary.
        """
        texts = set()
        for example in examples:
            texts.update(example.own_sentences)
            texts.add(example.question)
            texts.update(example.answer)
        return cls(sorted({word for text in texts for word in tokenize(text)}))

    def __len__(self):
        return len(self.words)

    def __contains__(self, word):
        return word in self._ids

    def ids(self, words):
        """Return the ids of `words`, that of the unknown word where one is not known."""
        return [self._ids.get(word, UNKNOWN_ID) for word in words]

    def answer(self, ids):
        """Return the words of an answer's `ids`, up to the end word, padding left out."""
        words = []
        for index in ids:
            if index == END_ID:
                break
            if index != PAD_ID:
                words.append(self.words[index])
        return words

    def unknown_words(self, texts):
        """Return the words of `texts` that have no id, in the order of their first occurrence."""
        seen = dict.fromkeys(word for text in texts for word in tokenize(text))
        return [word for word in seen if word not in self]
