"""The tokenizer as TensorFlow operations: text -> facts and token ids, inside an exported graph.

`dmn_keras.text` says what words and sentences are; this says the same in tensors, so that a server needs no Python.
The kind and the lower-case form of every character are tables, filled from Python's own when a model is exported: the
graph follows the same Unicode whatever library reads it later.
"""

import functools
import re
import typing

import numpy as np
import tensorflow as tf

from dmn_keras.text import END_ID, UNKNOWN_ID, Vocabulary, lower

_OTHER, _WORD, _SPACE = 0, 1, 2
_NEWLINE = ord("\n")
_JOINERS = [ord(c) for c in "'\u2019-"]
_CLOSING = [ord(c) for c in ".?!"]


@functools.cache
def character_tables():
    """Return the kind and the lower-case form of each character, two arrays by code point.

    They end behind the last character that is neither a mark nor its own lower-case form; the last entry holds for all
    code points from there on.
    """
    kinds = np.zeros(0x110000, dtype="int8")
    lowered = np.arange(0x110000, dtype="int32")
    for code in range(0x110000):
        character = chr(code)
        if re.match(r"\w", character):
            kinds[code] = _WORD
        elif re.match(r"\s", character):
            kinds[code] = _SPACE
        lowered[code] = ord(lower(character))
    last = np.flatnonzero((kinds != _OTHER) | (lowered != np.arange(0x110000)))[-1] + 2
    return kinds[:last], lowered[:last]


class Sentences(typing.NamedTuple):
    """The sentences of a batch of texts that hold a word.

    Attributes:
        ids: Ragged int32 `(batch, sentences, words)`, each sentence ending with the end word.
        texts: Ragged strings `(batch, sentences)`, as they were written.
    """

    ids: tf.RaggedTensor
    texts: tf.RaggedTensor


class TextOps(tf.Module):
    """Text -> token ids, as `split_sentences`, `tokenize` and `Vocabulary.ids` say.

    Args:
        vocabulary: The `Vocabulary`.
    """

    def __init__(self, vocabulary: Vocabulary):
        super().__init__(name="text")
        kinds, lowered = character_tables()
        # Variables, which a file holds once, not constants, which each signature would hold.
        self._kinds = tf.Variable(kinds, trainable=False)
        self._lowered = tf.Variable(lowered, trainable=False)
        words = tf.constant(vocabulary.words[3:], dtype=tf.string)
        ids = tf.range(3, len(vocabulary), dtype=tf.int32)
        self._ids = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(words, ids), UNKNOWN_ID)
        self._words = tf.constant(vocabulary.words, dtype=tf.string)

    def words(self, ids):
        """Return the words of ids, strings of the same shape."""
        return tf.gather(self._words, ids)

    def sentences(self, texts, *, split=True):
        """Split texts into sentences and these into words.

        Args:
            texts: Strings `(batch,)`, UTF-8; bytes that are none count as the replacement character.
            split: Whether to split into sentences; else each text is one, also if it holds no word.

        Returns:
            The `Sentences`.
        """
        batch = tf.shape(texts)[0]
        decoded = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        written, row = decoded.flat_values, tf.cast(decoded.value_rowids(), tf.int32)
        codes = written

        index = tf.minimum(codes, self._kinds.shape[0] - 1)
        kind = tf.gather(self._kinds, index)
        lowered = tf.where(codes < self._kinds.shape[0], tf.gather(self._lowered, index), codes)

        letter = kind == _WORD
        joined = _is_one_of(codes, _JOINERS) & _previous(letter, row) & _next(letter, row)
        in_word = letter | joined
        starts_token = ~(in_word & _previous(in_word, row))

        visible = tf.where(kind != _SPACE)[:, 0]
        newlines = tf.cumsum(tf.cast(codes == _NEWLINE, tf.int32))
        row, codes = tf.gather(row, visible), tf.gather(codes, visible)
        place, newlines = tf.cast(visible, tf.int32), tf.gather(newlines, visible)
        new_row = _differs(row)
        gap = _differs(place - tf.range(tf.size(place)))  # white space lies before it
        sentence = new_row
        if split:
            ended = tf.roll(_is_one_of(codes, _CLOSING), 1, axis=0) | _differs(newlines)
            sentence = new_row | (gap & ended)
        sentence, token = _numbers(sentence), _numbers(tf.gather(starts_token, visible) | new_row | gap)

        # Of the characters to their tokens, of the tokens to their sentences.
        num_tokens = _count(token)
        first = tf.math.unsorted_segment_min(tf.range(tf.size(token)), token, num_tokens)
        of_sentence = tf.gather(sentence, first)
        closing = _is_one_of(tf.gather(codes, first), _CLOSING)
        num_sentences = _count(sentence)
        order = tf.range(num_tokens)
        last_word = tf.math.unsorted_segment_max(tf.where(closing, -1, order), of_sentence, num_sentences)
        kept = order <= tf.gather(last_word, of_sentence)

        spelled = tf.RaggedTensor.from_value_rowids(
            tf.gather(lowered, visible), token, nrows=tf.cast(num_tokens, token.dtype)
        )
        ids = self._ids.lookup(tf.strings.unicode_encode(spelled, "UTF-8"))

        # As it was written, from its first visible character to its last.
        begins = tf.math.unsorted_segment_min(place, sentence, num_sentences)
        stops = tf.math.unsorted_segment_max(place, sentence, num_sentences) + 1
        written = tf.strings.unicode_encode(tf.gather(written, tf.ragged.range(begins, stops)), "UTF-8")
        row = tf.math.unsorted_segment_max(row, sentence, num_sentences)

        words = tf.RaggedTensor.from_value_rowids(
            tf.boolean_mask(ids, kept), tf.boolean_mask(of_sentence, kept), nrows=tf.cast(num_sentences, tf.int32)
        )
        words = tf.concat([words, tf.fill([num_sentences, 1], END_ID)], axis=1)
        said = last_word >= 0
        row = tf.boolean_mask(row, said)
        words, written = tf.ragged.boolean_mask(words, said), tf.boolean_mask(written, said)
        if not split:
            # A text without a word is a sentence of the end word alone.
            silent = tf.sets.difference(tf.range(batch)[None], row[None]).values
            row = tf.concat([row, silent], axis=0)
            words = tf.concat([words, tf.fill([tf.size(silent), 1], END_ID)], axis=0)
            written = tf.concat([written, tf.fill([tf.size(silent)], "")], axis=0)
            sorted_ = tf.argsort(row, stable=True)
            row, words, written = tf.gather(row, sorted_), tf.gather(words, sorted_), tf.gather(written, sorted_)
        return Sentences(*(tf.RaggedTensor.from_value_rowids(x, row, nrows=batch) for x in (words, written)))


def _is_one_of(codes, wanted):
    return functools.reduce(tf.logical_or, [codes == code for code in wanted])


def _previous(values, row):
    """Return the values one place before, False where another row begins."""
    return tf.concat([tf.zeros_like(values[:1]), values[:-1] & (row[1:] == row[:-1])], axis=0)


def _next(values, row):
    """Return the values one place after, False where the row ends."""
    return tf.concat([values[1:] & (row[1:] == row[:-1]), tf.zeros_like(values[:1])], axis=0)


def _differs(values):
    """Tell of each place whether its value is another than at the place before; always of the first."""
    return tf.concat([tf.ones_like(values[:1], tf.bool), values[1:] != values[:-1]], axis=0)


def _numbers(starts):
    """Number the groups that places belong to, from 0, where `starts` tells of each place whether it starts one."""
    return tf.cumsum(tf.cast(starts, tf.int32)) - 1


def _count(numbers):
    """Return how many groups there are, also where there is none."""
    return tf.reduce_max(tf.concat([numbers, [-1]], axis=0)) + 1
