"""The tokenizer as TensorFlow operations: text -> facts and token ids, inside an exported graph.

`dmn_keras.text` defines words and sentences; this computes the same in tensors, so that a server needs no Python. The
kind, the lower-case form and the decomposition of every character come from Python's own tables when a model is
exported: the graph follows the same Unicode whatever library reads it later. Words are compared decomposed (NFD), which
makes the same words equal as NFC does.
"""

import functools
import re
import typing
import unicodedata

import numpy as np
import tensorflow as tf

from dmn_keras.text import END_ID, MAX_WORDS, PAD_ID, UNKNOWN_ID, Vocabulary, lower, sentences
from dmn_keras.text.tokenizer import SPACED_MARKS, UNSPACED_MARKS, is_combining

_OTHER, _WORD, _SPACE, _COMBINING = range(4)
_UNSPACED, _SPACED, _CLOSER, _SPACED_CLOSER, _ELLIPSIS, _LOWER, _DECIMAL = (1 << bit for bit in range(7))
_NEWLINE, _SEPARATOR, _FULL_STOP, _DECIMAL_MARK = map(ord, ("\n", sentences.SEPARATOR, ".", sentences.DECIMAL_MARK))
_APOSTROPHE, _HYPHEN = map(ord, "'-")
_HANGUL = 0xAC00


class Characters(typing.NamedTuple):
    """Runs of code points that have the same properties.

    Attributes:
        begins: int32, the first code point of each run, ascending from 0.
        kinds: int8, of each run: a word's character, white space, a combining mark, or another.
        classes: int16, canonical combining class of each run.
        flags: int8, of each run the bits of what decides where sentences end.
        first: int32, of each run what leads from a code point to the first one of its lower-case, decomposed form;
            below it where that has none.
        others: int32 `(runs, 3)`, the further ones of that form, -1 where there is none. Syllables of Hangul are not
            decomposed here.
    """

    begins: np.ndarray
    kinds: np.ndarray
    classes: np.ndarray
    flags: np.ndarray
    first: np.ndarray
    others: np.ndarray


@functools.cache
def characters():
    """Return the `Characters`, as Python sees them."""
    rows = np.full((0x110000, 7), -1, "int32")
    for code in range(0x110000):
        character = chr(code)
        is_hangul = 0 <= code - _HANGUL < 11172
        form = [code] if is_hangul else [ord(c) for c in unicodedata.normalize("NFD", lower(character))]
        properties = _kind(character), unicodedata.combining(character), _flags(character)
        rows[code, : 3 + max(len(form), 1)] = (*properties, *([form[0] - code, *form[1:]] if form else [-1 - code]))
    begins = np.append(0, np.flatnonzero((rows[1:] != rows[:-1]).any(axis=1)) + 1).astype("int32")
    kinds, classes, flags, first = rows[begins, :4].T
    return Characters(
        begins, kinds.astype("int8"), classes.astype("int16"), flags.astype("int8"), first, rows[begins, 4:]
    )


def _kind(character):
    if is_combining(character):
        return _COMBINING
    return _WORD if re.match(r"\w", character) else _SPACE if character.isspace() else _OTHER


def _flags(character):
    return (
        _UNSPACED * (character in UNSPACED_MARKS)
        | _SPACED * (character in SPACED_MARKS)
        | _CLOSER * (character in sentences.CLOSERS)
        | _SPACED_CLOSER * (character in sentences.SPACED_CLOSERS)
        | _ELLIPSIS * (character in sentences.ELLIPSIS)
        | _LOWER * character.islower()
        | _DECIMAL * character.isdecimal()
    )


class Read(typing.NamedTuple):
    """A batch of stories and questions as the model takes them.

    Attributes:
        story: int32 `(batch, facts, words)`, each fact ending with the end word, padded with 0; at least one place in
            the last two dimensions.
        question: int32 `(batch, words)`, the same.
        facts: Strings `(batch, facts)`, as they were written, padded with empty ones; no column where there is no fact.
        unknown: Strings `(words,)`, the words that the vocabulary lacks, of all facts and then all questions.
        unknown_at: int32 `(words, 3)`, of each its place in the batch, the number of its fact, -1 in a question, and
            its place in the sentence.
        written: Strings `(words,)`, the same words as they were written.
    """

    story: tf.Tensor
    question: tf.Tensor
    facts: tf.Tensor
    unknown: tf.Tensor
    unknown_at: tf.Tensor
    written: tf.Tensor

    def in_chosen(self, chosen: tf.Tensor) -> tf.Tensor:
        """Return of each unknown word whether it is in a question or in a chosen fact, boolean `(words,)`.

        Args:
            chosen: Boolean `(batch, facts)`.
        """
        with_question = tf.pad(chosen, [[0, 0], [1, 0]], constant_values=True)
        return tf.gather_nd(with_question, self.unknown_at[:, :2] + [0, 1])


class WithPlaceholders(typing.NamedTuple):
    """A batch in which the unknown words of each story have placeholders.

    Attributes:
        story: As in `Read`, with the ids of placeholders.
        question: The same.
        placeholders: Strings `(batch, placeholders)`, the words that the placeholders of each story stand for, as they
            were written, empty for those that no word has.
        has_none: Boolean `(words,)`, of each of the unknown words that were `Read` whether it has no placeholder.
    """

    story: tf.Tensor
    question: tf.Tensor
    placeholders: tf.Tensor
    has_none: tf.Tensor


class TextOps(tf.Module):
    """Text -> token ids, as `split_sentences` and `Vocabulary.encode` give them, and the ids of answers -> text.

    Stories and questions pass through the same operations at once: for a single question it is their number, not the
    length of its story, that takes the time.

    Args:
        vocabulary: The `Vocabulary`.
        max_facts: Only the last sentences of a longer story are read; `None` for all.
    """

    def __init__(self, vocabulary: Vocabulary, max_facts: int | None = None):
        super().__init__(name="text")
        self._max_facts = max_facts
        # Variables, which a file holds once, not constants, which each signature would hold.
        self._characters = Characters(*(tf.Variable(values, trainable=False) for values in characters()))
        ids = {}
        for index, word in enumerate(vocabulary.known_words, start=3):
            ids.setdefault(unicodedata.normalize("NFD", lower(word)), index)
        self._ids = table(ids, tf.int32, UNKNOWN_ID)
        self._placeholder_ids = vocabulary.placeholder_ids
        written = vocabulary.written
        texts = {"": "", **{" ".join(map(str, key)): text for key, text in written.texts.items()}}  # never empty
        self._answers = table(texts, tf.string, "")
        self._forms, self._kinds = tf.constant(written.forms, tf.string), tf.constant(written.kinds, tf.int32)
        self._joined = np.zeros((max(written.kinds) + 1,) * 2, bool)
        self._joined[tuple(np.array(sorted(written.joined), int).reshape(-1, 2).T)] = True

    @property
    def num_words(self):
        """How many words there are, the special ones included."""
        return self._forms.shape[0]

    def answers(self, ids, placeholders=None):
        """Return answers as `Vocabulary.answer_text` does.

        Args:
            ids: int32 `(..., words)`.
            placeholders: Strings `(batch, placeholders)`, as in `WithPlaceholders`, where the first axis of the ids is
                the batch; `None` without placeholders.

        Returns:
            Strings `(...)`.
        """
        ended = tf.cumsum(tf.cast(ids == END_ID, tf.int32), axis=-1) > 0
        shape = tf.shape(ids)[:-1]
        rows = tf.ragged.boolean_mask(_flat(ids), _flat(~ended & (ids != PAD_ID)))
        ids, starts = rows.flat_values, rows.row_starts()
        is_first = tf.scatter_nd(starts[:, None], tf.ones_like(starts), [tf.size(ids, tf.int64) + 1])[:-1] > 0
        kinds = tf.gather(self._kinds, ids)
        previous = tf.concat([kinds[:1], kinds[:-1]], axis=0)
        joined = is_first | tf.gather_nd(self._joined, tf.stack([previous, kinds], axis=1))
        forms = tf.gather(self._forms, ids)
        if self._placeholder_ids and placeholders is not None:
            first = self._placeholder_ids.start
            story = rows.value_rowids() // tf.maximum(rows.nrows() // tf.shape(placeholders, tf.int64)[0], 1)
            at = tf.stack([tf.cast(story, tf.int32), tf.maximum(ids - first, 0)], axis=1)
            forms = tf.where(ids >= first, tf.gather_nd(placeholders, at), forms)
        composed = tf.strings.join([tf.where(joined, "", " "), forms])
        composed, key = (
            tf.strings.reduce_join(rows.with_flat_values(parts), axis=1, separator=separator)
            for parts, separator in ((composed, ""), (tf.strings.as_string(ids), " "))
        )
        known = self._answers.lookup(key)
        return tf.reshape(tf.where(known == "", composed, known), shape)

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
        codes, splits = decoded.flat_values, decoded.row_splits
        run = self._run(codes)
        visible = self._visible(codes, run, splits)
        starts_sentence = self._starts_sentence(visible, codes, splits, batch)
        sentence_at = _where(starts_sentence)
        row = tf.gather(visible.row, sentence_at)
        sentence_of = tf.scatter_nd(visible.place[:, None], _numbers(starts_sentence), tf.shape(codes))
        tokens = self._tokens(codes, run, sentence_of)
        length, position = _count_words(tokens.sentence, tokens.closes, tf.size(sentence_at))
        number = self._number_facts(row, length, batch)
        is_fact, is_question = number >= 0, row >= batch
        row = tf.where(is_question, row - batch, row)

        # The words that are read, those of all facts before those of all questions.
        num_read = tf.where(is_fact | is_question, length, 0)
        word = _where(position < tf.gather(num_read, tokens.sentence))
        texts, of_sentence = tf.gather(tokens.texts, word), tf.gather(tokens.sentence, word)
        at = [tf.gather(row, of_sentence), tf.gather(number, of_sentence), tf.gather(position, word)]
        at, ids = tf.stack(at, axis=1), self._ids.lookup(texts)

        fact, word_of_fact = _where(is_fact), _where(at[:, 1] >= 0)
        end_at = tf.stack([tf.gather(values, fact) for values in (row, number, length)], axis=1)
        fact_at, num_facts = end_at[:, :2], _most(number) + 1
        shape = [batch, tf.maximum(num_facts, 1)]
        story = _placed(tf.gather(ids, word_of_fact), tf.gather(at, word_of_fact), end_at, shape)

        word_of_question = _where(at[:, 1] < 0)
        question_length = tf.math.unsorted_segment_sum(tf.where(is_question, length, 0), row, batch)
        end_at = tf.stack([tf.range(batch), question_length], axis=1)
        word_at = tf.gather(at[:, ::2], word_of_question)
        question = _placed(tf.gather(ids, word_of_question), word_at, end_at, [batch])

        # As it was written, from its first visible character to its last.
        begins = tf.gather(visible.place, sentence_at)
        last = tf.concat([sentence_at, [tf.size(visible.place)]], axis=0)[1:] - 1
        stops = tf.gather(visible.place, last) + 1
        written = _substrings(codes, tf.gather(begins, fact), tf.gather(stops, fact))
        facts = tf.tensor_scatter_nd_update(tf.fill([batch, num_facts], ""), fact_at, written)

        unknown = _where(ids == UNKNOWN_ID)
        token = tf.gather(word, unknown)
        written = _substrings(codes, tf.gather(tokens.begins, token), tf.gather(tokens.stops, token))
        return Read(story, question, facts, tf.gather(texts, unknown), tf.gather(at, unknown), written)

    def assign_placeholders(self, read, chosen=None):
        """Give unknown words placeholders, as `dmn_keras.text.assign_placeholders` does.

        Args:
            read: The batch, as `read` returns it.
            chosen: Boolean `(batch, facts)`, the facts whose words get placeholders; `None` for all.

        Returns:
            The batch `WithPlaceholders`.
        """
        num_placeholders = len(self._placeholder_ids)
        batch, num_facts = tf.shape(read.story)[0], tf.shape(read.story)[1]
        is_chosen = tf.ones_like(read.unknown, tf.bool)
        if not num_placeholders:
            return WithPlaceholders(read.story, read.question, tf.fill([batch, 0], ""), is_chosen)
        if chosen is not None:
            is_chosen = read.in_chosen(chosen)
        words, at, written = (
            tf.boolean_mask(of_words, is_chosen) for of_words in (read.unknown, read.unknown_at, read.written)
        )
        row, fact, position = tf.unstack(at, axis=1)
        number, count = distinct(row, words)
        # The question comes first, then facts that hold one of its words, from the last one on, then the others.
        is_asked = tf.gather(tf.math.unsorted_segment_max(tf.cast(fact < 0, fact.dtype), number, count), number)
        of_fact = row * (num_facts + 1) + fact + 1
        holds_asked = tf.math.unsorted_segment_max(is_asked, of_fact, batch * (num_facts + 1))
        place = num_facts - fact + num_facts * (1 - tf.gather(holds_asked, of_fact))
        order = tf.where(fact < 0, position, MAX_WORDS + place * MAX_WORDS - 1 - position)
        order = tf.math.unsorted_segment_min(order, number, count)
        rank = tf.gather(_ranks(tf.math.unsorted_segment_min(row, number, count), order), number)
        fits = rank < num_placeholders
        ids = self._placeholder_ids.start + rank

        # A word is written as where it comes first, the question last.
        order = tf.where(fact < 0, num_facts, fact) * MAX_WORDS + position
        is_first = fits & (order == tf.gather(tf.math.unsorted_segment_min(order, number, count), number))
        placeholders = tf.fill([batch, num_placeholders], "")
        place = tf.stack([row, rank], axis=1)
        placeholders = tf.tensor_scatter_nd_update(placeholders, place[is_first], written[is_first])
        in_story, in_question = fits & (fact >= 0), fits & (fact < 0)
        story = tf.tensor_scatter_nd_update(read.story, at[in_story], ids[in_story])
        place = tf.stack([row, position], axis=1)
        question = tf.tensor_scatter_nd_update(read.question, place[in_question], ids[in_question])
        has_none = tf.tensor_scatter_nd_update(~is_chosen, tf.where(is_chosen), ~fits)
        return WithPlaceholders(story, question, placeholders, has_none)

    def _run(self, codes):
        return tf.searchsorted(self._characters.begins, codes, side="right") - 1

    def _visible(self, codes, run, row_splits):
        """Return the `_Visible` characters of texts."""
        place = _where(tf.gather(self._characters.kinds, run) != _SPACE)
        return _Visible(
            codes=tf.gather(codes, place),
            flags=tf.cast(tf.gather(self._characters.flags, tf.gather(run, place)), tf.int32),
            place=place,
            row=tf.searchsorted(tf.cast(row_splits[1:], tf.int32), place, side="right"),
        )

    def _number_facts(self, row, length, batch):
        """Number the facts of each story from 0, its last sentences with a word; other sentences have -1."""
        has_words = tf.cast(length > 0, tf.int32)
        num_with_words = tf.math.unsorted_segment_sum(has_words, row, 2 * batch)
        dropped = tf.cumsum(num_with_words, exclusive=True)
        if self._max_facts is not None:
            dropped += tf.maximum(num_with_words - self._max_facts, 0)
        number = tf.cumsum(has_words) - 1 - tf.gather(dropped, row)
        return tf.where((row < batch) & (length > 0), tf.maximum(number, -1), -1)

    def _starts_sentence(self, visible, codes, row_splits, batch):
        """Tell of each visible character whether a sentence begins with it, as `sentence_ends` does."""
        new_row = _differs(visible.row)
        gap = new_row | _differs(visible.place - tf.range(tf.size(visible.place)))  # white space lies before it
        is_spaced, is_unspaced, is_closer, is_spaced_closer, in_ellipsis = (
            (visible.flags & bit) > 0 for bit in (_SPACED, _UNSPACED, _CLOSER, _SPACED_CLOSER, _ELLIPSIS)
        )
        is_closer |= is_spaced_closer & tf.concat([gap[1:], tf.ones_like(gap[:1])], axis=0)
        mark = is_spaced | is_unspaced

        # Before each character: the last one that is no closer, of the run of marks that it ends the first one.
        before = tf.maximum(tf.range(tf.size(gap)) - 1, 0)
        last = tf.gather(_last(~is_closer | gap), before)
        first = tf.gather(_last(~(mark & _previous(mark, ~gap[1:]))), last)
        closed = last != before
        is_full_stop = (first == last) & (tf.gather(visible.codes, last) == _FULL_STOP)
        others = tf.cumsum(tf.cast(~in_ellipsis, tf.int32))
        is_ellipsis = tf.gather(in_ellipsis, first) & (tf.gather(others, last) == tf.gather(others, first))

        candidate = _where(gap & ~new_row & ~closed & is_full_stop & (visible.row < batch))
        abbreviated = tf.scatter_nd(
            candidate[:, None],
            self._is_abbreviated(visible, codes, row_splits, tf.gather(before, candidate), candidate),
            tf.shape(gap),
        )
        after_gap = tf.where(
            closed,
            (visible.flags & _LOWER) == 0,
            tf.where(is_full_stop, ~abbreviated & (visible.codes != _FULL_STOP), ~is_ellipsis),
        )
        decimal = (tf.gather(visible.codes, last) == _DECIMAL_MARK) & ~closed & ((visible.flags & _DECIMAL) > 0)
        at_once = tf.gather(is_unspaced, last) & ~mark & ~is_closer & ~decimal
        lines, separators = (
            tf.gather(tf.cumsum(tf.cast(codes == code, tf.int32)), visible.place) for code in (_NEWLINE, _SEPARATOR)
        )
        ended = _differs(lines) | (tf.gather(mark, last) & tf.where(gap, after_gap, at_once))
        begins = tf.where(tf.gather(_any(codes == _SEPARATOR, row_splits), visible.row), _differs(separators), ended)
        return new_row | ((visible.row < batch) & begins)

    def _is_abbreviated(self, visible, codes, row_splits, full_stop, following):
        """Tell of full stops, and the visible characters after the gap behind them, whether they end no sentence."""
        row = tf.gather(visible.row, full_stop)
        splits = tf.cast(row_splits, tf.int32)
        end, begin = tf.gather(visible.place, full_stop), tf.gather(visible.place, following)
        before = _substrings(codes, tf.maximum(end - sentences.NUM_BEFORE, tf.gather(splits, row)), end)
        after = _substrings(codes, begin, tf.minimum(begin + sentences.NUM_AFTER, tf.gather(splits, row + 1)))
        *abbreviated, begins_anew = (
            tf.strings.regex_full_match(before, pair[0]) & tf.strings.regex_full_match(after, pair[1])
            for pair in (*sentences.ABBREVIATED, sentences.BEGINS_ANEW)
        )
        return functools.reduce(tf.logical_or, abbreviated) & ~begins_anew

    def _tokens(self, codes, run, sentence_of):
        """Split sentences into tokens.

        Args:
            codes: int32 `(characters,)`.
            run: int32 `(characters,)`, of each its run in `Characters`.
            sentence_of: int32 `(characters,)`, of each the number of its sentence.

        Returns:
            The `_Tokens`.
        """
        table = self._characters
        form = tf.concat([(codes + tf.gather(table.first, run))[:, None], tf.gather(table.others, run)], axis=1)
        syllable = codes - _HANGUL
        final = tf.where(syllable % 28 > 0, 0x11A7 + syllable % 28, -1)
        hangul = [0x1100 + syllable // 588, 0x1161 + syllable // 28 % 21, final, tf.fill(tf.shape(codes), -1)]
        form = tf.where(((syllable >= 0) & (syllable < 11172))[:, None], tf.stack(hangul, axis=1), form)
        at = tf.where(form >= 0)
        codes, sentence = tf.gather_nd(form, at), tf.gather(sentence_of, at[:, 0])
        run = self._run(codes)

        visible = _where(tf.gather(table.kinds, run) != _SPACE)
        codes, sentence, run = tf.gather(codes, visible), tf.gather(sentence, visible), tf.gather(run, visible)
        origin = tf.gather(tf.cast(at[:, 0], tf.int32), visible)
        apart = _differs(sentence) | _differs(visible - tf.range(tf.size(visible)))
        classes = tf.cast(tf.gather(table.classes, run), tf.int32)
        codes, run = tf.cond(
            tf.reduce_any(classes > 0), lambda: _in_order(codes, run, classes, apart), lambda: (codes, run)
        )

        kind = tf.gather(table.kinds, run)
        bears = (kind != _COMBINING) | apart  # a mark at the beginning stands for the letter that it lacks
        letter = tf.gather((kind == _WORD) | (kind == _COMBINING), _last(bears))
        together = ~apart[1:]
        joins = (codes == _APOSTROPHE) | (codes == _HYPHEN)
        joined = joins & _previous(letter, together) & _next(kind == _WORD, together)
        in_word = letter | joined
        starts = bears & ~(in_word & _previous(in_word, together))
        token_at = _where(starts)
        alone = tf.concat([starts[1:], tf.ones_like(starts[:1])], axis=0)
        mark = (tf.cast(tf.gather(table.flags, run), tf.int32) & (_SPACED | _UNSPACED)) > 0
        last = tf.concat([token_at[1:], tf.shape(codes)], axis=0)[: tf.size(token_at)] - 1
        return _Tokens(
            texts=_encode(codes, token_at),
            sentence=tf.gather(sentence, token_at),
            closes=tf.gather(mark & alone, token_at),
            begins=tf.gather(origin, token_at),
            stops=tf.gather(origin, last) + 1,
        )


class _Visible(typing.NamedTuple):
    """The visible characters of texts: code points, flags, places among all characters, and rows."""

    codes: tf.Tensor
    flags: tf.Tensor
    place: tf.Tensor
    row: tf.Tensor


class _Tokens(typing.NamedTuple):
    """Words and marks: normal forms, sentences, whether each may close one, and where they begin and stop."""

    texts: tf.Tensor
    sentence: tf.Tensor
    closes: tf.Tensor
    begins: tf.Tensor
    stops: tf.Tensor


def table(content, dtype, default):
    """Return a hash table of texts, with the content of a dict and a default for other texts."""
    keys, values = tf.constant(list(content), tf.string), tf.constant(list(content.values()), dtype)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), default)


def _in_order(codes, run, classes, apart):
    """Return code points, and their runs, in the canonical order of combining marks."""
    of_base = tf.cumsum(tf.cast((classes == 0) | apart, tf.int64))
    order = tf.argsort(256 * of_base + tf.cast(classes, tf.int64), stable=True)
    return tf.gather(codes, order), tf.gather(run, order)


def _any(condition, row_splits):
    """Tell of each row whether a condition holds somewhere in it."""
    count = tf.concat([[0], tf.cumsum(tf.cast(condition, tf.int32))], axis=0)
    count = tf.gather(count, row_splits)
    return count[1:] > count[:-1]


def _flat(values):
    return tf.reshape(values, [-1, tf.shape(values)[-1]])


def _last(condition):
    """Return of each place the last one up to it at which a condition holds, which it does at the first place."""
    return tf.gather(_where(condition), _numbers(condition))


def _placed(ids, places, end_places, shape):
    """Return ids at their places and the end word at its own, 0 elsewhere, a tensor `(*shape, words)`."""
    ends = tf.fill([tf.shape(end_places)[0]], END_ID)
    shape = [*shape, tf.maximum(_most(end_places[:, -1]), 0) + 1]
    return tf.scatter_nd(tf.concat([places, end_places], axis=0), tf.concat([ids, ends], axis=0), shape)


def _where(condition):
    """Return the places at which a condition holds, int32."""
    return tf.cast(tf.where(condition)[:, 0], tf.int32)


def _most(values):
    """Return the largest value, -1 where there is none."""
    return tf.reduce_max(tf.concat([values, [-1]], axis=0))


def _count_words(sentence, closes, num_sentences):
    """Return how many words each sentence has, without the marks at its end, and the tokens' places in sentences."""
    order = tf.range(tf.size(sentence))
    first = tf.searchsorted(sentence, tf.range(num_sentences))
    last_word = tf.math.unsorted_segment_max(tf.where(closes, -1, order), sentence, num_sentences)
    length = tf.clip_by_value(tf.maximum(last_word, -1) - first + 1, 0, MAX_WORDS)
    return length, order - tf.gather(first, sentence)


def distinct(row, words):
    """Number the words of each row, equal ones alike, from 0, all rows together.

    Args:
        row: int32 `(words,)`.
        words: Strings `(words,)`.

    Returns:
        The numbers, int32 `(words,)`, and how many there are.
    """
    _, number = tf.unique(tf.strings.join([tf.strings.as_string(row), words], " "))
    return number, _most(number) + 1


def distinct_words(row, words, num_rows):
    """Return the different words of each row, in the order of their first occurrence.

    Args:
        row: Integers `(words,)`.
        words: Strings `(words,)`.
        num_rows: Number of rows, an integer of the same type.

    Returns:
        Ragged strings `(num_rows, words)`.
    """
    number, count = distinct(row, words)
    first = tf.math.unsorted_segment_min(tf.range(tf.size(number)), number, count)
    first = tf.gather(first, tf.argsort(tf.gather(row, first), stable=True))
    return tf.RaggedTensor.from_value_rowids(tf.gather(words, first), tf.gather(row, first), nrows=num_rows)


def _ranks(row, order):
    """Return the rank of each value of `order` among those of the same row, from 0."""
    by_order = tf.argsort(order, stable=True)
    by_order = tf.gather(by_order, tf.argsort(tf.gather(row, by_order), stable=True))
    row = tf.gather(row, by_order)
    rank = tf.range(tf.size(row)) - tf.searchsorted(row, row, side="left")
    return tf.scatter_nd(by_order[:, None], rank, tf.shape(row))


def _substrings(codes, begins, stops):
    """Return what stands between places of a text of code points, strings."""
    characters = tf.ragged.range(begins, stops)
    return _encode(tf.gather(codes, characters.flat_values), characters.row_splits[:-1])


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
