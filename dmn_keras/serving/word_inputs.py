"""Texts in, classes or tags out: the signature `text` of tasks whose facts are words."""

import numpy as np
import tensorflow as tf

from dmn_keras.datasets import TextClassificationExample, TokenTaggingExample
from dmn_keras.serving.raw_inputs import RawInputs, padded_texts, raw_inputs, sample_words
from dmn_keras.serving.word_ops import WordOps
from dmn_keras.tasks.text_classification import TextClassificationPreprocessor
from dmn_keras.tasks.token_tagging import TokenTaggingPreprocessor


class TextClassificationInputs(RawInputs):
    """`text`.

    Gives `label`, strings `(batch,)`, `probabilities`, `(batch, classes)` in the order of the preprocessor's `labels`,
    `words` and `unknown_words`, strings `(batch, words)`, padded with empty ones, and `gates`, `(batch, passes,
    words)`.
    """

    names = ("text",)

    def __init__(self, preprocessor: TextClassificationPreprocessor):
        super().__init__(name="text_classification_inputs")
        self._words = WordOps(preprocessor)
        self._labels = tf.constant(preprocessor.labels)

    def serve(self, run, text):
        tokens = self._words.split(text)
        outputs = run(**self._words.ids(tokens))
        label = tf.gather(self._labels, tf.argmax(outputs["probabilities"], axis=-1))
        words = {"words": tokens.to_tensor(""), "unknown_words": self._words.unknown_words(tokens)}
        return {"label": label, **words, **outputs}

    def samples(self, preprocessor):
        return [TextClassificationExample(" ".join(words)) for words in sample_words(preprocessor.vocabulary)]

    def strings(self, examples):
        return {"text": [example.text for example in examples]}

    def expected(self, task, examples):
        outputs = task.prediction_network()(task.preprocessor(examples), training=False)
        answers = task.predict(examples)
        labels = np.array([answer.label.encode() for answer in answers], object)
        return {**outputs, "label": labels, **_expected_words(answers, "words", "unknown_words")}


class TokenTaggingInputs(RawInputs):
    """`tokens`: the words of a sentence with blanks between them.

    Gives `tags`, `words` and `unknown_words`, strings `(batch, words)`, padded with empty ones, `probabilities`,
    `(batch, words, tags)` in the order of the preprocessor's `labels`, and `gates`, `(batch, words, passes, context)`.
    """

    names = ("tokens",)

    def __init__(self, preprocessor: TokenTaggingPreprocessor):
        super().__init__(name="token_tagging_inputs")
        self._words = WordOps(preprocessor)
        self._labels = tf.constant(preprocessor.labels)

    def serve(self, run, tokens):
        tokens = tf.strings.split(tokens)
        outputs = run(**self._words.ids(tokens))
        words = tokens.to_tensor("")
        tags = tf.gather(self._labels, tf.argmax(outputs["probabilities"], axis=-1))[:, : tf.shape(words)[1]]
        unknown = self._words.unknown_words(tokens)
        return {"tags": tf.where(words == "", "", tags), "words": words, "unknown_words": unknown, **outputs}

    def samples(self, preprocessor):
        return [TokenTaggingExample(words) for words in sample_words(preprocessor.vocabulary)]

    def strings(self, examples):
        return {"tokens": [" ".join(example.tokens) for example in examples]}

    def expected(self, task, examples):
        outputs = task.prediction_network()(task.preprocessor(examples), training=False)
        answers = task.predict(examples)
        return {**outputs, **_expected_words(answers, "tags", "words", "unknown_words")}


def _expected_words(answers, *names):
    return {name: padded_texts([getattr(answer, name) for answer in answers]) for name in names}


raw_inputs.register(TextClassificationPreprocessor, TextClassificationInputs)
raw_inputs.register(TokenTaggingPreprocessor, TokenTaggingInputs)
