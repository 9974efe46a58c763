"""The tokenizer as TensorFlow operations: text -> facts and token ids, inside an exported graph.

`dmn_keras.text` says what words and sentences are; this says the same in tensors, so that a server needs no Python.
The kind and the lower-case form of every character come from Python's own tables when a model is exported: the graph
follows the same Unicode whatever library reads it later.
"""

import functools
import re
import typing

import numpy as np
import tensorflow as tf

from dmn_keras.text import END_ID, MAX_WORDS, UNKNOWN_ID, Vocabulary, lower

_OTHER, _WORD, _SPACE = 0, 1, 2
_NEWLINE = ord("\n")
_JOINERS = [ord(c) for c in "'\u2019-"]
_CLOSING = [ord(c) for c in ".?!"]


class Characters(typing.NamedTuple):
    """Runs of code points that are of one kind and as far from their lower-case forms.

    Attributes:
        begins: int32, the first code point of each run, ascending from 0.
        kinds: int8, of each run.
        to_lower: int32, of each run what leads from a code point to its lower-case form.
    """

    begins: np.ndarray
    kinds: np.ndarray
    to_lower: np.ndarray


@functools.cache
def characters():
    """Return the `Characters`, as Python sees them."""
    kinds, to_lower = np.zeros(0x110000, dtype="int8"), np.zeros(0x110000, dtype="int32")
    for code in range(0x110000):
        character = chr(code)
        if re.match(r"\w", character):
            kinds[code] = _WORD
        elif re.match(r"\s", character):
            kinds[code] = _SPACE
        to_lower[code] = ord(lower(character)) - code
    changes = (kinds[1:] != kinds[:-1]) | (to_lower[1:] != to_lower[:-1])
    begins = np.append(0, np.flatnonzero(changes) + 1).astype("int32")
    return Characters(begins, kinds[begins], to_lower[begins])


class Read(typing.NamedTuple):
    """A batch of stories and questions as the model takes them.

    Attributes:
        story: int32 `(batch, facts, words)`, each fact ending with the end word, padded with 0; at least one place in
            the last two dimensions.
        question: int32 `(batch, words)`, the same.
        facts: Strings `(batch, facts)`, as they were written, padded with empty ones; no column where there is no fact.
    """

    story: tf.Tensor
    question: tf.Tensor
    facts: tf.Tensor


class TextOps(tf.Module):
    """Text -> token ids, as `split_sentences`, `tokenize` and `Vocabulary.ids` say.

    Stories and questions pass through the same operations at once: for a single question it is their number, not the
    length of its story, that takes the time.

    Args:
        vocabulary: The `Vocabulary`.
        max_facts: Only the last sentences of a longer story are read; `None` for all.
        max_words: Only the first words of a longer sentence are read; `None` for all.
    """

    def __init__(self, vocabulary: Vocabulary, max_facts=None, max_words=MAX_WORDS):
        super().__init__(name="text")
        self._max_facts = max_facts
        self._max_words = max_words
        # Variables, which a file holds once, not constants, which each signature would hold.
        self._characters = Characters(*(tf.Variable(values, trainable=False) for values in characters()))
        words = tf.constant(vocabulary.words[3:], dtype=tf.string)
        ids = tf.range(3, len(vocabulary), dtype=tf.int32)
        self._ids = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(words, ids), UNKNOWN_ID)
        self._words = tf.constant(vocabulary.words, dtype=tf.string)

    @property
    def num_words(self):
        """How many words there are, the special ones included."""
        return self._words.shape[0]

    def words(self, ids):
        """Return the words of ids, strings of the same shape."""
        return tf.gather(self._words, ids)

    def read(self, story, question):
        """Split stories into sentences, and both into words. A sentence without a word is left out of a story.

        Args:
            story: Strings `(batch,)`, UTF-8; bytes that are none count as the replacement character.
            question: Strings `(batch,)`. Each is a single sentence, also if it holds several, or no word.

        Returns:
            What was `Read`.
        """
        batch = tf.shape(story)[0]
        decoded = tf.strings.unicode_decode(tf.concat([story, question], axis=0), "UTF-8", errors="replace")
        codes = decoded.flat_values
        row = _row_of_each(decoded.row_splits, tf.size(codes))

        run = tf.searchsorted(self._characters.begins, codes, side="right") - 1
        kind = tf.gather(self._characters.kinds, run)
        lowered = codes + tf.gather(self._characters.to_lower, run)

        letter = kind == _WORD
        same_row = row[1:] == row[:-1]
        joined = _is_one_of(codes, _JOINERS) & _previous(letter, same_row) & _next(letter, same_row)
        in_word = letter | joined
        starts_token = ~(in_word & _previous(in_word, same_row))

        # From here on of the visible characters alone.
        place = _where(kind != _SPACE)
        newlines = tf.gather(tf.cumsum(tf.cast(codes == _NEWLINE, tf.int32)), place)
        row, visible = tf.gather(row, place), tf.gather(codes, place)
        closing = _is_one_of(visible, _CLOSING)
        new_row = _differs(row)
        gap = _differs(place - tf.range(tf.size(place)))  # white space lies before it
        ended = _previous(closing, True) | _differs(newlines)
        starts_sentence = new_row | (gap & ended & (row < batch))
        starts_token = tf.gather(starts_token, place) | new_row | gap

        # Of the characters to their tokens, of the tokens to their sentences, of the sentences to their texts.
        token_at, sentence_at = _where(starts_token), _where(starts_sentence)
        of_sentence = tf.gather(_numbers(starts_sentence), token_at)
        row = tf.gather(row, sentence_at)
        first_token = tf.gather(_numbers(starts_token), sentence_at)
        order = tf.range(tf.size(token_at))
        last_word = tf.math.unsorted_segment_max(
            tf.where(tf.gather(closing, token_at), -1, order), of_sentence, tf.size(sentence_at)
        )
        length = tf.maximum(last_word - first_token + 1, 0)
        if self._max_words is not None:
            length = tf.minimum(length, self._max_words)
        position = order - tf.gather(first_token, of_sentence)
        is_word = position < tf.gather(length, of_sentence)

        # The number of a fact in its story; the first ones of a story that is too long have none.
        said = tf.cast(length > 0, tf.int32)
        num_said = tf.math.unsorted_segment_sum(said, row, 2 * batch)
        dropped = tf.cumsum(num_said, exclusive=True)
        if self._max_facts is not None:
            dropped += tf.maximum(num_said - self._max_facts, 0)
        number = tf.cumsum(said) - 1 - tf.gather(dropped, row)
        in_story = row < batch
        is_fact = in_story & (said > 0) & (number >= 0)

        ids = self._ids.lookup(_encode(tf.gather(lowered, place), token_at))

        fact = _where(is_fact)
        fact_place = tf.stack([tf.gather(row, fact), tf.gather(number, fact)], axis=1)
        fact_length = tf.gather(length, fact)
        num_facts = _most(fact_place[:, 1]) + 1
        word = _where(is_word & tf.gather(is_fact, of_sentence))
        at = tf.gather(of_sentence, word)
        word_place = tf.stack([tf.gather(row, at), tf.gather(number, at), tf.gather(position, word)], axis=1)
        end_place = tf.concat([fact_place, fact_length[:, None]], axis=1)
        shape = [batch, tf.maximum(num_facts, 1), tf.maximum(_most(fact_length), 0) + 1]
        story = _placed(tf.gather(ids, word), word_place, end_place, shape)

        num_words = tf.math.unsorted_segment_sum(length, row, 2 * batch)[batch:]
        word = _where(is_word & tf.gather(~in_story, of_sentence))
        asked = tf.gather(row, tf.gather(of_sentence, word)) - batch
        word_place = tf.stack([asked, tf.gather(position, word)], axis=1)
        end_place = tf.stack([tf.range(batch), num_words], axis=1)
        shape = [batch, tf.maximum(_most(num_words), 0) + 1]
        question = _placed(tf.gather(ids, word), word_place, end_place, shape)

        # As it was written, from its first visible character to its last.
        begins = tf.gather(place, sentence_at)
        stops = tf.gather(place, tf.concat([sentence_at, [tf.size(place)]], axis=0)[1:] - 1) + 1
        characters = tf.ragged.range(tf.gather(begins, fact), tf.gather(stops, fact))
        written = _encode(tf.gather(codes, characters.flat_values), characters.row_splits[:-1])
        facts = tf.tensor_scatter_nd_update(tf.fill([batch, num_facts], ""), fact_place, written)
        return Read(story, question, facts)


def _placed(ids, places, end_places, shape):
    """Return a tensor of this shape with ids at their places and the end word at its own, 0 elsewhere."""
    ends = tf.fill([tf.shape(end_places)[0]], END_ID)
    return tf.scatter_nd(tf.concat([places, end_places], axis=0), tf.concat([ids, ends], axis=0), shape)


def _is_one_of(codes, wanted):
    return functools.reduce(tf.logical_or, [codes == code for code in wanted])


def _where(condition):
    """Return the places at which a condition holds, int32."""
    return tf.cast(tf.where(condition)[:, 0], tf.int32)


def _most(values):
    """Return the largest value, -1 where there is none."""
    return tf.reduce_max(tf.concat([values, [-1]], axis=0))


def _row_of_each(splits, size):
    """Return the row that each of `size` values lies in, int32."""
    splits = tf.cast(splits[1:-1], tf.int32)
    return tf.cumsum(tf.math.unsorted_segment_sum(tf.ones_like(splits), splits, size + 1))[:-1]


def _encode(codes, begins):
    """Join code points to strings, the first of each at `begins`."""
    splits = tf.concat([tf.cast(begins, tf.int64), [tf.size(codes, tf.int64)]], axis=0)
    return tf.strings.unicode_encode(tf.RaggedTensor.from_row_splits(codes, splits, validate=False), "UTF-8")


def _previous(values, same):
    """Return the values one place before, False where that is not the `same` row."""
    return tf.concat([tf.zeros_like(values[:1]), values[:-1] & same], axis=0)


def _next(values, same):
    """Return the values one place after, False where that is not the `same` row."""
    return tf.concat([values[1:] & same, tf.zeros_like(values[:1])], axis=0)


def _differs(values):
    """Tell of each place whether its value is another than at the place before; always of the first."""
    return tf.concat([tf.ones_like(values[:1], tf.bool), values[1:] != values[:-1]], axis=0)


def _numbers(starts):
    """Number the groups that places belong to, from 0, where `starts` tells of each place whether it starts one."""
    return tf.cumsum(tf.cast(starts, tf.int32)) - 1
