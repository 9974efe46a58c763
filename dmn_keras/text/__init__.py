"""Raw text -> token ids."""

from dmn_keras.text.encoding import MAX_WORDS, EncodedExample, Encoder, pad_ids, pad_sentences, sentence_ids
from dmn_keras.text.reading import Sentence, read_sentences
from dmn_keras.text.sentences import join_sentences, split_sentences
from dmn_keras.text.tokenizer import lower, tokenize
from dmn_keras.text.vocabulary import END_ID, PAD_ID, SPECIAL_WORDS, UNKNOWN_ID, UNSAID_IDS, Vocabulary

__all__ = [
    "END_ID",
    "MAX_WORDS",
    "PAD_ID",
    "SPECIAL_WORDS",
    "UNKNOWN_ID",
    "UNSAID_IDS",
    "EncodedExample",
    "Encoder",
    "Sentence",
    "Vocabulary",
    "join_sentences",
    "lower",
    "pad_ids",
    "pad_sentences",
    "read_sentences",
    "sentence_ids",
    "split_sentences",
    "tokenize",
]
