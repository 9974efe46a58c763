"""Words as TensorFlow operations: text or tokens -> ids of words and characters, inside an exported graph.

`dmn_keras.text.words` and `dmn_keras.tasks.word_preprocessor` define words and ids; this computes the same in tensors,
for text in Unicode's form NFC.
"""

import collections
import re

import tensorflow as tf

from dmn_keras.serving.text_ops import distinct_words, table
from dmn_keras.tasks.word_preprocessor import END, MAX_CHARACTERS, START, UNKNOWN, WordPreprocessor
from dmn_keras.text import SPECIAL_WORDS, UNKNOWN_ID
from dmn_keras.text.tokenizer import NORMAL_FORMS
from dmn_keras.text.words import WORD_RULES


class WordOps(tf.Module):
    """The ids that a `WordPreprocessor` gives to words and their characters.

    Args:
        preprocessor: The adapted `WordPreprocessor`.

    Example:

    >>> words = WordOps(dmn_keras.TextClassifier.from_preset("sst-fine").preprocessor)
    >>> words.ids(words.split(["A lovely film."]))["words"].shape
    TensorShape([1, 4])
    """

    def __init__(self, preprocessor: WordPreprocessor):
        super().__init__(name="words")
        words = {word: index for index, word in enumerate(preprocessor.vocabulary.known_words, len(SPECIAL_WORDS))}
        letters = {letter: index for index, letter in enumerate(preprocessor.alphabet, END + 1)}
        self._words = table(words, tf.int32, UNKNOWN_ID)
        self._characters = table(letters, tf.int32, UNKNOWN) if preprocessor.reads_characters else None
        forms = collections.defaultdict(str)
        for code, form in NORMAL_FORMS.items():
            forms[form or ""] += re.escape(chr(code))
        self._forms = [(f"[{characters}]", form) for form, characters in forms.items()]

    def split(self, text: tf.Tensor) -> tf.RaggedTensor:
        """Return the words of texts `(batch,)`, ragged strings `(batch, words)`, as `split_words` finds them."""
        text = self._normalized(text)
        text = tf.strings.join([" ", text, " "])
        for pattern, replacement in WORD_RULES:
            text = tf.strings.regex_replace(text, pattern, replacement)
        return tf.strings.split(text)

    def ids(self, tokens: tf.RaggedTensor) -> dict[str, tf.Tensor]:
        """Return the inputs of the network, int32 `(batch, words)` and `(batch, words, characters)`, padded with 0."""
        arrays = {"words": _padded(tokens.with_flat_values(self._word_ids(tokens.flat_values)))}
        if self._characters is not None:
            arrays["characters"] = self._character_ids(tokens)
        return arrays

    def unknown_words(self, tokens: tf.RaggedTensor) -> tf.Tensor:
        """Return the different words without an id, strings `(batch, words)`, padded with empty ones."""
        is_unknown = self._word_ids(tokens.flat_values) == UNKNOWN_ID
        row, words = tokens.value_rowids()[is_unknown], tokens.flat_values[is_unknown]
        return distinct_words(row, words, tokens.nrows()).to_tensor("")

    def _word_ids(self, words):
        return self._words.lookup(tf.strings.lower(self._normalized(words), encoding="utf-8"))

    def _character_ids(self, tokens):
        letters = tf.strings.unicode_split(tokens.flat_values, "UTF-8")
        half, lengths = MAX_CHARACTERS // 2, letters.row_lengths()
        place, length = tf.ragged.range(lengths), tf.repeat(lengths, lengths)
        read = (length <= MAX_CHARACTERS) | (place.flat_values < half) | (place.flat_values >= length - half)
        letters = tf.ragged.boolean_mask(letters, letters.with_flat_values(read))
        ids = letters.with_flat_values(self._characters.lookup(letters.flat_values))
        mark = tf.ones([tf.size(lengths), 1], tf.int32)
        return _padded(tokens.with_values(tf.concat([START * mark, ids, END * mark], axis=1)))

    def _normalized(self, text):
        for pattern, form in self._forms:
            text = tf.strings.regex_replace(text, pattern, form)
        return text


def _padded(ragged):
    """Return a ragged tensor as a padded one, at least one place in each axis."""
    dense = ragged.to_tensor(0)
    missing = tf.maximum(1 - tf.shape(dense)[1:], 0)
    return tf.pad(dense, tf.concat([[[0, 0]], tf.stack([tf.zeros_like(missing), missing], axis=1)], axis=0))
